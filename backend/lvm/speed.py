"""Speed of an encoder: images per second of its networks alone, without reading and cropping the images."""

from __future__ import annotations

import time

import torch

from backend.lvm.embeddings import BATCH, Embedder

__all__ = ["measure_speed"]

MEASURED_S = 2.0


def measure_speed(*networks: Embedder, seconds: float = MEASURED_S) -> float:
    """Return how many images an encoder embeds per second, in batches of the size that the product uses.

    Parameters
    ----------
    *networks : Embedder
        Its networks, at least one; each image is embedded by all of them.
    seconds : float
        Least time of the measurement of a network, after one batch that is not measured.
    """
    return 1 / sum(1 / _measure_network(network, seconds) for network in networks)


def _measure_network(encoder: Embedder, seconds: float) -> float:
    images = torch.rand(BATCH, 3, encoder.image_px, encoder.image_px, generator=torch.Generator().manual_seed(0))
    encoder.embed(images)
    batches, start_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds:
        encoder.embed(images)
        batches += 1
    return batches * BATCH / elapsed_s
