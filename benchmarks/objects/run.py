"""Objects in survey scenes: masks by clicks, and detection, by signal-to-noise ratio and overlap.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.objects.run DATA [--part val] [--only detection] [--scenes 40]
(DATA holds fields/, hst_cosmos/ and structure_priors/: docs/scenes.md)

The scenes are those of `backend.scenes.exposures`. `val` is for choices; only `test` writes: each table its section of
docs/benchmarks.md and its file in benchmarks/results. About ten minutes of one core for the clicks, and five for the detection.
Its table has Mask R-CNN if `benchmarks.objects.mask_rcnn` has trained it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torchvision.models.detection import MaskRCNN

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.grid_search import RECOGNISED_POINT
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.extraction.extract import extract
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import open_segmenter
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.feature_maps import Pyramids
from backend.prediction.factory import BASE_DETECTOR
from backend.scenes.exposures import SurveySceneGenerator
from backend.scenes.folders import survey_generator_of
from backend.scenes.scene import SurveyScene
from benchmarks.detection.scores import Finds
from benchmarks.objects.clicks import click_by_extraction, click_by_network, click_rows
from benchmarks.objects.detection import choose_least_score, detect_by_photutils, detection_rows, match
from benchmarks.objects.mask_rcnn import TRAINING_SCENES, detect_by_mask_rcnn, read_mask_rcnn
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.geometry.corners import box_edges
from sync.geometry.shapes import Box

NAME = "objects"
FIRST_SEED = {"val": 2_000_000, "test": 1_000_000}
SIDES = (128, 192, 256)
LEAST_AREA_PX = 30
FITTED_ON, THRESHOLDS_ON = 60, 40
CLASSES = ("galaxy",)
CLICK_COLUMNS = ("method", "galaxies", "number", "IoU after 1 click", "IoU after 3 clicks")
DETECTION_COLUMNS = (
    "method",
    "galaxies",
    "number",
    *(f"{what}, by {how}" for how in ("position", "box") for what in ("completeness", "purity", "error")),
)


def main() -> None:
    """Measure, print and, for the test part, write the tables."""
    options = _options()
    torch.set_num_threads(1)
    generator, first = survey_generator_of(options.data, part=options.part), FIRST_SEED[options.part]
    scenes = _draw(generator, first, options.scenes)
    start_s = time.process_time()
    if "clicks" in options.only:
        rows = measure_clicks(scenes)
        _report("clicks", markdown_table(CLICK_COLUMNS, rows, title="Masks by clicks in survey scenes"), options, start_s)
    start_s = time.process_time()
    if "detection" in options.only:
        fitting = _draw(survey_generator_of(options.data, part="train"), 0, FITTED_ON)
        tuning = _draw(survey_generator_of(options.data, part="val"), FIRST_SEED["val"], THRESHOLDS_ON)
        rows = measure_detection(scenes, fitting, tuning, read_mask_rcnn())
        _report("detection", markdown_table(DETECTION_COLUMNS, rows, title="Detection in survey scenes"), options, start_s)


def _draw(generator: SurveySceneGenerator, first: int, count: int) -> list[SurveyScene]:
    return [generator.draw(first + index, SIDES[index % len(SIDES)]) for index in range(count)]


def _report(what: str, table: str, options: argparse.Namespace, start_s: float) -> None:
    """Print a table and, for the test part, write its section and its numbers."""
    minutes = (time.process_time() - start_s) / 60
    Console(width=200).print(f"{table}\n{minutes:.1f} minutes of one core", markup=False)
    if options.part == "test":
        intro = f"{options.scenes} scenes of the test part. One run on {machine_line()}, {minutes:.0f} minutes of one core."
        write_numbers(f"{NAME}_{what}", {"machine": machine_line(), "scenes": options.scenes, "table": table})
        write_section(f"{NAME}_{what}", f"{intro}\n\n{table}")


def measure_clicks(scenes: Sequence[SurveyScene]) -> list[list[str]]:
    """Return the rows of all methods."""
    name = fingerprint(SHIPPED_CHECKPOINT)
    segmenter = open_segmenter(load_encoder(SHIPPED_CHECKPOINT), fingerprint=name, sam_checkpoint=None)
    blank = PromptedMasks.blank(segmenter.base.network.config, encoder=name)
    rows = click_rows("source extraction", list(click_by_extraction(scenes, least_area_px=LEAST_AREA_PX)))
    for title, head in (("first guess (isophotes)", blank), ("shipped", segmenter.base)):
        rows += click_rows(title, list(click_by_network(head, segmenter.windows, scenes, least_area_px=LEAST_AREA_PX)))
    return rows


def measure_detection(
    scenes: Sequence[SurveyScene], fitting: Sequence[SurveyScene], tuning: Sequence[SurveyScene], mask_rcnn: MaskRCNN | None
) -> list[list[str]]:
    """Return the rows of all methods.

    The shipped detector and source extraction have the product's score thresholds; those of photutils and of Mask R-CNN have
    the smallest error by position on the `tuning` scenes. Without a trained Mask R-CNN, its rows are missing.
    """
    pyramids = Pyramids(load_encoder(SHIPPED_CHECKPOINT), None, fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    detector = LearnedDetector.load(BASE_DETECTOR)
    detections = [detector.predict(pyramids.of_pixels(scene.image)) for scene in scenes]
    finds = [(detection.boxes.double().numpy(), detection.scores.double().numpy()) for detection in detections]
    rows = detection_rows("learned detector, as shipped", match(scenes, finds, least_score=detector.least_score))
    for title, extractor in (
        ("source extraction, untrained", SourceDetector.base(CLASSES)),
        ("source extraction with recognition", replace(SourceDetector.base(CLASSES), choice=RECOGNISED_POINT)),
        (f"source extraction, fitted on {len(fitting)} scenes", _fit_extraction(fitting)),
    ):
        rows += detection_rows(title, match(scenes, detect_by_extraction(extractor, scenes), least_score=-np.inf))
    others: dict[str, Callable[[Sequence[SurveyScene]], list[Finds]]] = {"photutils": detect_by_photutils}
    if mask_rcnn is not None:
        others[f"Mask R-CNN, ResNet50, {TRAINING_SCENES} scenes"] = partial(detect_by_mask_rcnn, mask_rcnn)
    for title, detect in others.items():
        least = choose_least_score(tuning, detect(tuning))
        rows += detection_rows(title, match(scenes, detect(scenes), least_score=least))
    return rows


def detect_by_extraction(detector: SourceDetector, scenes: Sequence[SurveyScene]) -> list[Finds]:
    """Return the boxes and scores of source extraction."""
    finds = []
    for scene in scenes:
        sources = extract(scene.image, settings=detector.settings).sources
        detections = detector.select(sources, size=(scene.image.shape[1], scene.image.shape[0]))
        finds.append((box_edges([item.source.box for item in detections]), np.array([item.score for item in detections])))
    return finds


def _fit_extraction(scenes: Sequence[SurveyScene]) -> SourceDetector:
    boxes = [
        [(Box(left, top, right - left, bottom - top), CLASSES[0]) for left, top, right, bottom in scene.boxes.tolist()]
        for scene in scenes
    ]
    return SourceDetector.fit([scene.image for scene in scenes], boxes, classes=CLASSES, seed=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure clicks and detection in survey scenes.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", choices=tuple(FIRST_SEED), default="test")
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=("clicks", "detection"), default=["clicks", "detection"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
