"""The shipped segmenter on the shipped encoder."""

from __future__ import annotations

import pytest

from backend.heads.masks import PromptedMasks
from backend.heads.segmenter.lvm_windows import LvmWindows
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder


@pytest.fixture(scope="session")
def windows() -> LvmWindows:
    return LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))


@pytest.fixture(scope="session")
def blank(windows: LvmWindows) -> PromptedMasks:
    """A head that nobody has trained: it decodes the first guess."""
    return PromptedMasks.blank(windows.config, encoder=windows.fingerprint)
