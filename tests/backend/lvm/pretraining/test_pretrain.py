"""Pre-training of a tiny network: it writes a checkpoint, a killed run continues, and several processes share a run."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

pytest.importorskip("lightly", reason="pre-training needs the extra galaxyloop[pretrain]")

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.checkpoint import CheckpointError, load_encoder, load_model
from backend.lvm.pretraining.dataset import DatasetError, PretrainDataset
from backend.lvm.pretraining.pretrain import PretrainConfig, pretrain
from backend.lvm.pretraining.trainer import Trainer

NETWORK = SwinConfig(image_px=32, patch_px=4, window=4, width=16, depths=(1, 1), heads=(1, 2))
FRAMES, BATCH = 24, 8
STEPS_AN_EPOCH = FRAMES // BATCH
DEADLINE_S = 120.0

RUN = """
import os
import sys
from pathlib import Path
Path(sys.argv[1]).with_name(f"{os.getpid()}.pid").touch()
import torch
from backend.lvm.pretraining import pretrain
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.pretraining.dataset import PretrainDataset
pretrain.SAVE_EVERY_S = 0
torch.set_num_threads(1)
frames = torch.randint(0, 256, (24, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
dataset = PretrainDataset(frames, tuple(map(str, range(24))), ("a/yes", "a/no"), torch.eye(2).repeat(12, 1), ())
network = SwinConfig(image_px=32, patch_px=4, window=4, width=16, depths=(1, 1), heads=(1, 2))
config = pretrain.PretrainConfig(epochs=int(sys.argv[2]), batch=8)
pretrain.pretrain(dataset, output=Path(sys.argv[1]), config=config, network=network)
"""


def dataset(n: int = FRAMES) -> PretrainDataset:
    frames = torch.randint(0, 256, (n, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return PretrainDataset(frames, tuple(map(str, range(n))), ("a/yes", "a/no"), torch.eye(2).repeat(n // 2 + 1, 1)[:n], ())


def provenance_of(checkpoint: Path) -> dict[str, Any]:
    with safe_open(checkpoint, framework="pt") as file:
        provenance: dict[str, Any] = json.loads(file.metadata()["training"])
    return provenance


@pytest.mark.parametrize(
    "objectives", [("invariance",), ("reconstruction",), ("votes",), ("invariance", "reconstruction", "votes")], ids="+".join
)
def test_a_run_writes_a_checkpoint_with_its_provenance(tmp_path: Path, objectives: tuple[str, ...]) -> None:
    output = tmp_path / "model.safetensors"
    config = PretrainConfig(epochs=2, batch=BATCH, objectives=objectives)
    pretrain(dataset(), output=output, config=config, network=NETWORK)
    provenance = provenance_of(output)
    assert (provenance["steps"], provenance["epochs"], provenance["images"]) == (2 * STEPS_AN_EPOCH, 2, FRAMES)
    assert set(provenance["losses"]) == set(objectives)
    assert all(math.isfinite(loss) for loss in provenance["losses"].values())
    assert load_encoder(output).embed(torch.rand(2, 3, 32, 32)).isfinite().all()
    encoder, decoder = load_model(output)
    assert decoder(encoder.pyramid(torch.rand(1, 3, 32, 32))).isfinite().all()


def test_a_run_leaves_only_the_checkpoint_and_its_loss_curve(tmp_path: Path) -> None:
    pretrain(dataset(), output=tmp_path / "m.safetensors", config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.png", "m.safetensors"]
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_training_changes_the_encoder_and_is_reproducible(tmp_path: Path) -> None:
    image, embeddings = torch.rand(1, 3, 32, 32), []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        output = tmp_path / f"{name}.safetensors"
        pretrain(dataset(), output=output, config=PretrainConfig(epochs=1, batch=BATCH, seed=seed), network=NETWORK)
        embeddings.append(load_encoder(output).embed(image))
    assert torch.allclose(embeddings[0], embeddings[1], atol=1e-3)
    assert not torch.allclose(embeddings[0], embeddings[2], atol=1e-2)


@pytest.mark.slow
def test_a_second_run_starts_from_a_checkpoint(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    pretrain(dataset(), output=first, config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    still = PretrainConfig(epochs=1, batch=BATCH, objectives=("votes",), learning_rate=1e-9, weight_decay=0)
    pretrain(dataset(), output=second, config=still, network=NETWORK, start=first)
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(load_encoder(first).embed(image), load_encoder(second).embed(image), atol=1e-3)


@pytest.mark.slow
def test_batch_norm_statistics_are_recomputed_on_unaugmented_images(tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    config = PretrainConfig(epochs=1, batch=BATCH, objectives=("invariance",))
    pretrain(dataset(), output=output, config=config, network=EfficientNetConfig(image_px=32))
    embeddings = load_encoder(output).embed(dataset().frames[..., 4:36, 4:36].float() / 255)
    assert embeddings.isfinite().all()
    assert embeddings.std(dim=0).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_resumes_from_its_last_saved_state(tmp_path: Path, processes: int) -> None:
    output, state_file = tmp_path / "m.safetensors", tmp_path / "m.state"
    (tmp_path / "run.py").write_text(RUN)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if processes == 2 else []
    command = [sys.executable, *torchrun, str(tmp_path / "run.py"), str(output), str(10**6)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[4])}
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    deadline, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not state_file.exists() and time.monotonic() < deadline and run.poll() is None:
        pause.wait(0.02)
    # torchrun starts each worker in its own session, so they are killed one by one.
    for worker in tmp_path.glob("*.pid"):
        os.kill(int(worker.stem), signal.SIGKILL)
    run.kill()
    run.wait()
    state = torch.load(state_file, weights_only=True)
    assert state["step"] > 0
    state["seconds"] += 10_000.0  # a run that starts again does not have these seconds
    torch.save(state, state_file)
    epochs = state["step"] // STEPS_AN_EPOCH + 2
    pretrain(dataset(), output=output, config=PretrainConfig(epochs=epochs, batch=BATCH), network=NETWORK)
    assert provenance_of(output)["seconds"] >= 10_000
    assert provenance_of(output)["steps"] == epochs * STEPS_AN_EPOCH
    assert not state_file.exists()


def test_retention_and_projected_votes_are_trained_on_views_of_two_sides(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    pretrain(dataset(), output=first, config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    objectives = ("invariance", "reconstruction", "retention", "votes")
    config = PretrainConfig(epochs=2, batch=BATCH, objectives=objectives, sides=(32, 64), margin=1.25, projects_votes=True)
    pretrain(dataset(), output=second, config=config, network=NETWORK, start=first)
    provenance = provenance_of(second)
    assert set(provenance["losses"]) == set(objectives)
    assert (provenance["sides"], provenance["margin"], provenance["projects_votes"]) == ([32, 64], 1.25, True)
    assert load_encoder(second).embed(torch.rand(2, 3, 64, 64)).isfinite().all()


def test_the_moving_average_of_the_weights_is_written(tmp_path: Path) -> None:
    start, image, distances = tmp_path / "start.safetensors", torch.rand(1, 3, 32, 32), []
    pretrain(dataset(), output=start, config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    before = load_encoder(start).embed(image)
    for averaging in (0.0, 0.9):
        output = tmp_path / f"{averaging}.safetensors"
        config = PretrainConfig(epochs=3, batch=BATCH, averaging=averaging, objectives=("invariance",))
        pretrain(dataset(), output=output, config=config, network=NETWORK, start=start)
        distances.append(float((load_encoder(output).embed(image) - before).norm()))
    assert 0 < distances[1] < distances[0]  # the average is nearer to the start than the last weights


@pytest.mark.slow
def test_frozen_statistics_are_those_of_the_start(tmp_path: Path) -> None:
    start, output = tmp_path / "start.safetensors", tmp_path / "m.safetensors"
    config = PretrainConfig(epochs=1, batch=BATCH, objectives=("invariance",))
    pretrain(dataset(), output=start, config=config, network=EfficientNetConfig(image_px=32))
    settings = replace(config, objectives=("invariance", "retention"), freezes_statistics=True, averaging=0.5)
    pretrain(dataset(), output=output, config=settings, network=EfficientNetConfig(image_px=32), start=start)
    before, after = (load_model(path)[0].state_dict() for path in (start, output))
    statistics = [name for name in before if name.endswith(("running_mean", "running_var"))]
    assert len(statistics) > 50
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert any(not torch.equal(before[name], after[name]) for name in before)


class _StopError(Exception):
    """Ends a run after one of its saved states."""


@pytest.mark.slow
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, averaging: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start.safetensors"
    pretrain(dataset(), output=start, config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    objectives = ("invariance", "reconstruction", "retention", "votes")
    config = PretrainConfig(epochs=2, batch=BATCH, averaging=averaging, objectives=objectives, projects_votes=True)
    whole, second = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    pretrain(dataset(), output=whole, config=config, network=NETWORK, start=start)

    save = Trainer.save

    def save_and_stop(trainer: Trainer, state_file: Path) -> None:
        save(trainer, state_file)
        if trainer.progress.step == STEPS_AN_EPOCH + 1:
            raise _StopError

    monkeypatch.setattr("backend.lvm.pretraining.pretrain.SAVE_EVERY_S", 0)
    monkeypatch.setattr(Trainer, "save", save_and_stop)
    with pytest.raises(_StopError):
        pretrain(dataset(), output=second, config=config, network=NETWORK, start=start)
    monkeypatch.setattr(Trainer, "save", save)
    pretrain(dataset(), output=second, config=config, network=NETWORK, start=start)
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(load_encoder(whole).embed(image), load_encoder(second).embed(image), atol=1e-4)


def test_the_state_of_an_earlier_release_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "m.safetensors"
    state_file = output.with_suffix(".state")
    monkeypatch.setattr(Path, "unlink", lambda *_args, **_options: None)
    pretrain(dataset(), output=output, config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    monkeypatch.undo()
    state = torch.load(state_file, weights_only=True)
    for name in ("sides", "margin", "projects_votes", "averaging", "freezes_statistics"):
        del state["config"][name]
    torch.save(state, state_file)
    pretrain(dataset(), output=output, config=PretrainConfig(epochs=2, batch=BATCH), network=NETWORK)
    assert provenance_of(output)["steps"] == 2 * STEPS_AN_EPOCH
    state["config"]["learning_rate"] = 1.0
    torch.save(state, state_file)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        pretrain(dataset(), output=output, config=PretrainConfig(epochs=2, batch=BATCH), network=NETWORK)


# -- bad input --


def test_retention_requires_a_checkpoint_to_start_from(tmp_path: Path) -> None:
    config = PretrainConfig(batch=8, objectives=("retention",))
    with pytest.raises(CheckpointError, match="retention needs a checkpoint to start from"):
        pretrain(dataset(), output=tmp_path / "e.safetensors", config=config, network=NETWORK)


def test_fewer_images_than_a_batch_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="7 images are fewer than one batch of 8"):
        pretrain(dataset(7), output=tmp_path / "e.safetensors", config=PretrainConfig(batch=8), network=NETWORK)


def test_the_objective_votes_requires_votes(tmp_path: Path) -> None:
    voteless = PretrainDataset(dataset().frames, dataset().ids, (), torch.zeros(FRAMES, 0), ())
    config = PretrainConfig(batch=8, objectives=("votes",))
    with pytest.raises(DatasetError, match="needs columns `question/answer`"):
        pretrain(voteless, output=tmp_path / "e.safetensors", config=config, network=NETWORK)


def test_a_start_from_another_network_is_an_error(tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    pretrain(dataset(), output=start, config=PretrainConfig(epochs=1, batch=BATCH), network=NETWORK)
    with pytest.raises(CheckpointError, match="holds the network SwinConfig"):
        pretrain(
            dataset(),
            output=tmp_path / "m.safetensors",
            config=PretrainConfig(batch=8),
            network=EfficientNetConfig(),
            start=start,
        )
    assert not (tmp_path / "m.safetensors").exists()


def test_the_state_of_another_run_is_not_resumed(tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    torch.save({"config": {"epochs": 1}, "step": 3}, output.with_suffix(".state"))
    with pytest.raises(CheckpointError, match="belongs to another run: remove it to start again"):
        pretrain(dataset(), output=output, config=PretrainConfig(batch=8), network=NETWORK)
