"""Fixtures: the shipped segmenter on the shipped encoder."""

from __future__ import annotations

import pytest

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.encoder import Encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(SHIPPED_CHECKPOINT)


@pytest.fixture(scope="session")
def windows(encoder: Encoder) -> LvmWindows:
    return LvmWindows(encoder, fingerprint=fingerprint(SHIPPED_CHECKPOINT))


@pytest.fixture(scope="session")
def blank(windows: LvmWindows) -> PromptedMasks:
    """Return an untrained head, which decodes the first guess."""
    return PromptedMasks.blank(windows.config, encoder=windows.fingerprint)
