"""Examples of the fusion of candidate masks, and a short training on them, without files: everything is simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.heads.segmentation.fusion_network import FusionNetwork
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from benchmarks.shipped_weights import base_segmenter_examples, segmenter_fusion
from benchmarks.shipped_weights.base_segmenter_examples import Mix, Windows
from benchmarks.shipped_weights.segmenter_fusion import FusionExamples, fusion_loss, read_examples, train, write_examples


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> FusionExamples:
    encoder = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base_segmenter_examples, "outlined_galaxies", lambda data, part: [])
        patch.setattr(segmenter_fusion, "SEEDS_A_BLOCK", 3)
        patch.setattr(segmenter_fusion, "MIX", Mix(0.0, 1.0, overlapping=1.0))
        windows = Windows(tmp_path_factory.mktemp("data"), encoder)
        return segmenter_fusion.record_examples(PromptedMasks.load(BASE_SEGMENTER).network, windows, 0)


def test_examples_have_two_clicks_on_each_object_and_masks_in_their_crops(examples: FusionExamples) -> None:
    assert len(examples.cells) % segmenter_fusion.CLICKS_AN_OBJECT == 0
    assert (examples.truths.max(axis=(1, 2)) > 0.5).all()
    assert set(examples.weights.tolist()) <= {1.0, segmenter_fusion.TOUCHING_WEIGHT}


def test_examples_are_read_as_they_were_written(examples: FusionExamples, tmp_path: Path) -> None:
    files = [tmp_path / "0.npz", tmp_path / "1.npz"]
    for file in files:
        write_examples(file, examples)
    read = read_examples(files)
    for name in ("cells", "truths", "weights"):
        assert np.array_equal(getattr(read, name), np.concatenate([getattr(examples, name)] * 2))


def test_a_training_reduces_the_loss(examples: FusionExamples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter_fusion, "STEPS", 12)
    cells, truths = (torch.from_numpy(array).float() for array in (examples.cells, examples.truths))
    before, after = (fusion_loss(network, cells, truths).item() for network in (FusionNetwork(), train(examples)))
    assert after < before
