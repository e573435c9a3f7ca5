"""Networks of the detection benchmark: which weights are trained, and detection in every orientation."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.encoder import Encoder
from backend.scenes import SceneGenerator
from benchmarks.detection import networks
from benchmarks.detection.networks import Recipe, _rotate, build_frozen, find, train

SIDE = 64
SMALL = SwinConfig(image_px=64, width=24, depths=(1, 1, 1, 1), heads=(1, 2, 4, 8))


@pytest.mark.slow
def test_only_the_frozen_encoder_is_not_trained() -> None:
    torch.manual_seed(0)
    encoder = Encoder(SMALL)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    network = build_frozen(SIDE, encoder)
    fpn = next(iter(network.backbone.fpn.parameters())).detach().clone()
    scenes = [SceneGenerator().draw(seed, SIDE) for seed in (1, 2)]
    train(network, scenes, recipe=Recipe(batch=1, rate=1e-3, steps_at_50=10), seed=0)
    assert all((value == before[name]).all() for name, value in encoder.state_dict().items())
    assert (next(iter(network.backbone.fpn.parameters())) != fpn).any()
    ((boxes, scores),) = find(network, scenes[:1])
    assert boxes.shape == (len(scores), 4)


@pytest.mark.slow
def test_a_training_continues_from_its_state_and_gives_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "STEPS_A_STATE", 1)
    scenes = [SceneGenerator().draw(seed, SIDE) for seed in (1, 2)]
    encoder = Encoder(SMALL)
    start = copy.deepcopy(build_frozen(SIDE, encoder).state_dict())

    def run(state_file: Path | None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = build_frozen(SIDE, copy.deepcopy(encoder))
        network.load_state_dict(start)
        recipe = Recipe(batch=1, rate=1e-3, steps_at_50=15)  # three steps for two scenes
        return train(network, scenes, recipe=recipe, seed=0, state_file=state_file).state_dict()

    whole = run(None)
    save = torch.save

    def save_once(state: dict[str, object], file: Path) -> None:
        save(state, file)
        monkeypatch.setattr(torch, "save", stop)

    def stop(state: dict[str, object], file: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "state.pt")
    monkeypatch.setattr(torch, "save", save)
    second = run(tmp_path / "state.pt")
    assert all(torch.allclose(whole[name], second[name], atol=1e-6) for name in whole)


def test_more_scenes_get_more_steps() -> None:
    assert Recipe().steps(200) == 2 * Recipe().steps(50)


@pytest.mark.parametrize("seed", range(6))
def test_boxes_rotate_with_the_image(seed: int) -> None:
    scene = next(scene for scene in map(SceneGenerator().draw, range(20)) if len(scene) > 2)
    image, target = _rotate(scene, np.random.default_rng(seed))
    assert image.shape == (3, 256, 256)
    areas = (target["boxes"][:, 2:] - target["boxes"][:, :2]).prod(dim=1)
    assert areas.tolist() == pytest.approx((scene.boxes[:, 2:] - scene.boxes[:, :2]).prod(axis=1).tolist())
    for box, mask in zip(target["boxes"].int().tolist(), target["masks"], strict=True):
        left, top, right, bottom = box
        assert mask[top:bottom, left:right].sum() == mask.sum()
