"""Speed of an encoder: images per second of its network alone, without reading and cropping the images."""

from __future__ import annotations

import time

import torch

from backend.lvm.embeddings import BATCH, Embedder

__all__ = ["measure_speed"]

MEASURED_S = 2.0


def measure_speed(encoder: Embedder, *, seconds: float = MEASURED_S) -> float:
    """Return how many images an encoder embeds per second, in batches of the size that the product uses.

    Parameters
    ----------
    encoder : Embedder
    seconds : float
        Least time of the measurement, after one batch that is not measured.
    """
    images = torch.rand(BATCH, 3, encoder.image_px, encoder.image_px, generator=torch.Generator().manual_seed(0))
    encoder.embed(images)
    batches, start_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds:
        encoder.embed(images)
        batches += 1
    return batches * BATCH / elapsed_s
