"""Masks of detected objects by size: the shipped decoder on all of them, and source extraction's outlines for small ones.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.prompts.small_objects DATA     (a minute on one idle core)

DATA holds masks/ and fields/ (docs/scenes.md). The objects are detected as in the product, and both methods draw the same ones.
`PromptedMasks.decoded_from_px` was chosen on the `val` part; the `test` part is reported. Writes a section of
docs/benchmarks.md and benchmarks/results/small_objects.json.

How the cost grows. Linearly with the number of objects, each of which is decoded.

Limitations. The true mask of a galaxy of a scene is the isophote that source extraction would measure for it alone, without
noise (`backend.scenes.footprint`), which favours source extraction; the decoder was trained on such masks. Those of survey
scenes follow from the light alone, down to a surface brightness, so that both methods draw faint galaxies too small. The
outlines of annotators are independent of both methods, but almost all of them are larger than the limit.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from backend.heads.detection.detection import Detection
from backend.heads.extraction.extract import extract
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.overlaps import largest_part_of, outline_detections
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.scenes.folders import Part, generator_of, survey_generator_of
from benchmarks.prompts.objects import FIRST_SEED, SIDES
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from benchmarks.shipped_weights.base_segmenter_examples import outlined_galaxies
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Mask

SCENES = 24
"""Number of scenes, and of survey scenes."""
LEAST_AREA_PX = 12
LEAST_OVERLAP = 0.1
"""Smallest overlap of a true mask with the outline of a detected object by either method; other galaxies were not detected."""
LIMITS_PX = (12, 24, 48, 100)
TRUTHS = ("outlines", "scenes", "scenes, blended", "survey scenes", "survey scenes, blended")
RESAMPLINGS = 2000
COLUMNS = ["part", "truth", "longer side, px", "objects", "decoder", "small ones by source extraction", "difference"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Overlaps of one galaxy with the masks of both methods.

    Attributes
    ----------
    part, truth : str
        "val" or "test"; one of `TRUTHS`.
    side_px : int
        Longer side of the outline that the object was detected with.
    decoder, rule : float
        Intersection over union.
    """

    part: Part
    truth: str
    side_px: int
    decoder: float
    rule: float


class Comparison:
    """Draws the masks of an image by both methods."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        windows = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
        self._encoder, self._detection = CachedWindowEncoder(windows, None), Detection.base(("Galaxy",))
        rule = PromptedMasks.load(BASE_SEGMENTER)
        self._heads = (replace(rule, decoded_from_px=0.0), rule)

    def measure_overlaps(
        self, part: Part, pixels: NDArray[np.float32], truths: Sequence[tuple[str, Mask]]
    ) -> Iterator[Overlap]:
        """Yield the overlaps of the galaxies of one image that are detected."""
        size = (pixels.shape[1], pixels.shape[0])
        objects = self._detection.find(extract(pixels, settings=self._detection.settings).sources, size=size)
        if not objects:
            return
        image = self._encoder.of_pixels(pixels)
        methods = [
            [largest_part_of(each.source).full_mask(size) for each in outline_detections(objects, head, image)]
            for head in self._heads
        ]
        for name, truth in truths:
            overlaps = np.array([[mask_overlap(mask, truth) for mask in masks] for masks in methods])
            index = int(overlaps.max(axis=0).argmax())
            if truth.sum() >= LEAST_AREA_PX and overlaps[:, index].max() >= LEAST_OVERLAP:
                yield Overlap(part, name, max(objects[index].source.crop.shape), *overlaps[:, index].tolist())


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description="Compare masks of small objects by the decoder and by source extraction.")
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    comparison = Comparison()
    overlaps = [each for part in ("val", "test") for each in _measure(comparison, data, part)]
    table = markdown_table(COLUMNS, list(_rows(overlaps)))
    Console().print(table, markup=False)
    write_numbers("small_objects", {"machine": machine_line(), "overlaps": [asdict(each) for each in overlaps]})
    write_section("small_objects", f"One run on {machine_line()}.\n\n{table}")


def _measure(comparison: Comparison, data: Path, part: Part) -> Iterator[Overlap]:
    for galaxy in outlined_galaxies(data, part):
        yield from comparison.measure_overlaps(part, galaxy.pixels, [("outlines", galaxy.mask)])
    first = FIRST_SEED[part]
    for name, generator in (("scenes", generator_of(data, part=part)), ("survey scenes", survey_generator_of(data, part=part))):
        for seed in track(range(first, first + SCENES), f"{name}, {part}", transient=True):
            scene = generator.draw(seed, SIDES[seed % len(SIDES)])
            names = [f"{name}, blended" if is_blended else name for is_blended in scene.is_blended]
            yield from comparison.measure_overlaps(part, scene.image, list(zip(names, scene.masks, strict=True)))


def _rows(overlaps: Sequence[Overlap]) -> Iterator[list[str]]:
    for part in ("val", "test"):
        for truth in TRUTHS:
            group = [each for each in overlaps if (each.part, each.truth) == (part, truth)]
            bounds = (0, *LIMITS_PX, 10_000)
            for low, high in [(0, 10_000), *pairwise(bounds)]:
                overlaps_of_size = [each for each in group if low <= each.side_px < high]
                if overlaps_of_size:
                    sides = "all" if high - low == 10_000 else f"{low} to {high - 1}" if high < 10_000 else f"from {low}"
                    yield [part, truth, sides, str(len(overlaps_of_size)), *_figures(overlaps_of_size)]


def _figures(overlaps: Sequence[Overlap]) -> list[str]:
    decoder, rule = (np.array([getattr(each, name) for each in overlaps]) for name in ("decoder", "rule"))
    difference, rng = rule - decoder, np.random.default_rng(0)
    means = rng.choice(difference, (RESAMPLINGS, len(difference))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return [f"{decoder.mean():.3f}", f"{rule.mean():.3f}", f"{difference.mean():+.3f} ({low:+.3f} to {high:+.3f})"]


if __name__ == "__main__":
    main()
