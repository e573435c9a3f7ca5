"""Cost of encoders on a CPU: images per second of one thread, number of weights, and length of an embedding.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.encoders.cost

The networks have random weights, which do not change their speed, and need no download. Time is CPU time of the thread, so that
other programs on the machine count little. Reading and cropping of images is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import timm
import torch
from torch import nn

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder
from backend.lvm.embeddings import Embedder
from backend.lvm.shipped_encoder import load_shipped_encoder
from backend.lvm.timm_encoder import TimmEncoder
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

__all__ = ["Cost", "measure_cost"]

BATCH = 8
LEAST_S = 2.0
"""Least CPU time of a measurement, after one batch that is not measured."""
SHIPPED, CLASSIFIER = "shipped, four quarter turns", "shipped-classifier, four quarter turns"
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "efficientnet_b0": {},
    "convnext_nano": {},
    "convnext_tiny": {},
    "convnext_base": {},
    "swin_tiny_patch4_window7_224": {},
    "maxvit_tiny_rw_224": {},
    "vit_small_patch14_dinov2": {"img_size": 224},
    "vit_base_patch14_dinov2": {"img_size": 224},
}
"""Names of timm with further arguments; DINOv2's own size is 518 px."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one encoder.

    Attributes
    ----------
    image_px : int
    dimension : int
    weights : int
        Number of weights.
    images_per_s : float
        Per second of CPU time of one thread.
    """

    image_px: int
    dimension: int
    weights: int
    images_per_s: float


def measure_cost(encoder: Embedder, weights: int, *, seconds: float = LEAST_S) -> Cost:
    """Measure one encoder with `weights` weights for at least `seconds` of CPU time."""
    images = torch.rand(BATCH, 3, encoder.image_px, encoder.image_px, generator=torch.Generator().manual_seed(0))
    encoder.embed(images)
    batches, start_s = 0, time.process_time()
    while (elapsed_s := time.process_time() - start_s) < seconds:
        encoder.embed(images)
        batches += 1
    return Cost(encoder.image_px, encoder.dimension, weights, batches * BATCH / elapsed_s)


def count_weights(network: nn.Module) -> int:
    """Return the number of weights of a network."""
    return sum(weights.numel() for weights in network.parameters())


def open_shipped_classifier() -> tuple[Embedder, int]:
    """Return the network of the shipped classifier and the number of its weights."""
    encoder = load_encoder(SHIPPED_CHECKPOINT)
    return encoder, count_weights(encoder)


def open_shipped() -> tuple[Embedder, int]:
    """Return the shipped encoder and the number of the weights of its network."""
    return load_shipped_encoder(load_encoder), open_shipped_classifier()[1]


def build(name: str, arguments: dict[str, Any]) -> tuple[Embedder, int]:
    """Return a network of timm with random weights, and their number."""
    side = arguments.get("img_size")
    overlay = {"input_size": (3, side, side)} if side else None
    network = timm.create_model(name, pretrained=False, num_classes=0, pretrained_cfg_overlay=overlay, **arguments).eval()
    return TimmEncoder(network), count_weights(network)


def main() -> None:
    """Measure all encoders and write the section."""
    torch.set_num_threads(1)
    openers: dict[str, Callable[[], tuple[Embedder, int]]] = {SHIPPED: open_shipped, CLASSIFIER: open_shipped_classifier}
    openers |= {name: lambda name=name, arguments=arguments: build(name, arguments) for name, arguments in NETWORKS.items()}  # type: ignore[misc]
    costs: dict[str, Cost] = {}
    for name, opener in openers.items():
        costs[name] = measure_cost(*opener())
        print(name, costs[name], flush=True)
    write_report(costs)


def write_report(costs: Mapping[str, Cost]) -> None:
    """Write the numbers and the section of the page."""
    fastest = costs[SHIPPED].images_per_s
    rows = [
        [
            name,
            f"{cost.image_px}",
            f"{cost.dimension}",
            f"{cost.weights / 1e6:.1f}",
            f"{cost.images_per_s:.1f}",
            f"{10_000 / cost.images_per_s / 60:.0f}",
            f"{fastest / cost.images_per_s:.1f}",
        ]
        for name, cost in costs.items()
    ]
    titles = ["encoder", "image, px", "numbers", "weights, millions", "images/s", "10,000 images, min", "time, shipped = 1"]
    write_numbers("encoder_cost", {name: asdict(cost) for name, cost in costs.items()})
    write_section("encoder_cost", f"{machine_line()}\n\n{markdown_table(titles, rows)}")


if __name__ == "__main__":
    main()
