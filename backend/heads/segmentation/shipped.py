"""The segmenter in use: the window encoder, and the head from which every project starts.

The default encoder is the large vision model; an official SAM checkpoint replaces encoder and head.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.sam_window_encoder import load_sam
from backend.heads.segmentation.window_features import WindowEncoder
from backend.lvm.encoder import Encoder

__all__ = ["BASE_SEGMENTER", "Segmenter", "open_segmenter"]

log = logging.getLogger("galaxyloop.segmenters")

BASE_SEGMENTER = Path(__file__).parents[1] / "weights" / "segmenter"


@dataclass(frozen=True)
class Segmenter:
    """The window encoder, and the head without project-specific training."""

    windows: WindowEncoder
    base: PromptedMasks


def open_segmenter(encoder: Encoder, *, fingerprint: str, sam_checkpoint: Path | None) -> Segmenter:
    """Open the shipped segmenter or a SAM checkpoint.

    The shipped head fits the shipped encoder only; with another encoder, an untrained head is used.

    Parameters
    ----------
    encoder : Encoder
        The large vision model.
    fingerprint : str
        Hash of the weights of `encoder`.
    sam_checkpoint : Path or None
        An official SAM checkpoint; None opens the shipped segmenter.

    Raises
    ------
    CheckpointError
        If the SAM checkpoint cannot be used.
    HeadError
        If the shipped head is damaged.
    """
    if sam_checkpoint is not None:
        sam, head = load_sam(sam_checkpoint)
        log.info("event=sam_in_use kind=%s fingerprint=%s", sam.kind, sam.fingerprint)
        return Segmenter(sam, head)
    windows = LvmWindows(encoder, fingerprint=fingerprint)
    base = PromptedMasks.load(BASE_SEGMENTER)
    if base.encoder != fingerprint:
        log.warning("event=base_segmenter_not_used trained_on=%s encoder=%s", base.encoder, fingerprint)
        base = PromptedMasks.blank(windows.config, encoder=fingerprint)  # predicts isophotes until it is trained
    return Segmenter(windows, base)
