"""Figures of one control for objects.

To find the objects of an image takes up to seconds. So the results of each version and image are kept in memory between cycles,
and a cycle only adds the new ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from backend.heads.detection.detected import Detected
from backend.loop.report.click_figures import ClickMemory, score_clicks
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.scored_images import held_out_images
from backend.loop.report.version_rows import version_rows
from backend.loop.report.versions import ShownVersion
from backend.loop.training.refit import MOST_OBJECT_IMAGES
from backend.prediction.control_models import ObjectModel
from backend.prediction.control_models.drawn_objects import LabelledObject
from backend.prediction.control_models.examples import ImageOfTask
from backend.prediction.image_features import ImageFeatures
from backend.prediction.project_heads import PROMPTS
from backend.reports.curve import Curve, CurvePoint
from backend.reports.estimate import Estimate, Metric
from backend.reports.object_scores import ImageMatches, average_precision, f1, mask_iou, match_detections
from backend.reports.object_stability import object_agreement
from backend.reports.outlook import make_forecast
from backend.reports.report import ControlReport
from backend.reports.resampling import Score, estimate
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.corners import box_edges
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import box_overlaps, footprint_overlap
from sync.geometry.shapes import Size
from sync.labelling.config import Control

__all__ = ["ObjectFigures", "ObjectMemory", "make_object_figures"]

log = logging.getLogger("galaxyloop.report")

LONGEST_S = 30.0
"""Longest time for the objects of a control in one cycle; versions that are not finished have no scores in this report."""
STANDARD_ERRORS = 2 * 1.96
"""Width of a 95 % interval in standard errors."""

Heads = tuple[object, ...]
ObjectMemory = dict[tuple[str, Heads, ImageOfTask, tuple[object, ...]], ImageMatches]
"""Matches that an earlier cycle has computed, by control, heads, image, and the objects that annotators drew on it."""


@dataclass(frozen=True, eq=False)
class ObjectFigures:
    """The report of a control, and the live version's matches on the held-out images, for galleries."""

    report: ControlReport
    images: list[ImageOfTask]
    matches: list[ImageMatches]


def make_object_figures(
    inputs: ReportInputs, control: Control, versions: Sequence[ShownVersion], memory: ObjectMemory, clicks: ClickMemory
) -> ObjectFigures:
    """Score the versions; the points of the learning curve are the versions."""
    images = held_out_images(inputs, control, versions, limit=MOST_OBJECT_IMAGES)
    _forget(memory, control, versions, images)
    matches_of = _match_versions(inputs, control, versions, images, memory)
    groups = [inputs.galaxy(image) for image in images]
    metrics = {number: _estimates(_scores(matches), groups) for number, matches in matches_of.items()}
    changes = _changes(matches_of, groups)
    for number, value in score_clicks(inputs, control, versions, images, clicks).items():
        metrics.setdefault(number, {})["click_iou"] = value
    live = matches_of.get(inputs.project.live_version, [])
    labels = sorted({label for matches in live for label in matches.drawn_labels})
    report = ControlReport(
        name=control.name,
        kind="objects",
        held_out=len(images),
        versions=version_rows(inputs, control, versions, metrics=metrics, changes=changes),
        per_class={
            label: _estimates({"ap50": average_precision(live, label=label), "f1": f1(live, label=label)}, groups)
            for label in labels
        },
        curve=_make_curve(inputs, versions, metrics, [changes.get(shown_version.version.number) for shown_version in versions]),
        problem="" if images else "No held-out image has been annotated yet, so no version can be scored.",
    )
    return ObjectFigures(report, images if live else [], live)


def _match_versions(
    inputs: ReportInputs,
    control: Control,
    versions: Sequence[ShownVersion],
    images: Sequence[ImageOfTask],
    memory: ObjectMemory,
) -> dict[int, list[ImageMatches]]:
    """Return the matches of each version whose objects are found on all images, the live version first, then the newest."""
    until = time.monotonic() + LONGEST_S
    live = inputs.project.live_version
    matches_of: dict[int, list[ImageMatches]] = {}
    for version in sorted(versions, key=lambda each: (each.version.number == live, each.version.number), reverse=True):
        if not images or time.monotonic() > until:
            break
        models = inputs.predictors.build(inputs.config, version.heads, version=version.version.name).models
        model = next((model for model in models if model.control.name == control.name), None)
        if isinstance(model, ObjectModel):
            matches = [_matches(inputs, model, version, image, memory, until) for image in images]
            if None not in matches:
                matches_of[version.version.number] = [each for each in matches if each is not None]
    return matches_of


def _matches(
    inputs: ReportInputs, model: ObjectModel, version: ShownVersion, image: ImageOfTask, memory: ObjectMemory, until: float
) -> ImageMatches | None:
    objects = inputs.truth[model.control.name].labels[image]
    key = (model.control.name, _heads_of(version), image, tuple((each.label, each.box) for each in objects))
    if key not in memory:
        inputs.check()
        if time.monotonic() > until:
            return None
        reference = inputs.truth[model.control.name].references[image]
        memory[key] = _match_image(inputs, model, reference, objects)
    return memory[key]


def _forget(memory: ObjectMemory, control: Control, versions: Sequence[ShownVersion], images: Sequence[ImageOfTask]) -> None:
    """Remove the matches of versions and images that are no longer shown."""
    heads, shown_images = {_heads_of(version) for version in versions}, set(images)
    for key in [key for key in memory if key[0] == control.name and not (key[1] in heads and key[2] in shown_images)]:
        del memory[key]


def _heads_of(version: ShownVersion) -> Heads:
    prompt_version = version.version.head_from(PROMPTS) if version.heads.prompted_masks else 0
    return (*sorted(version.sources.items()), prompt_version)


def _match_image(inputs: ReportInputs, model: ObjectModel, reference: str, objects: Sequence[LabelledObject]) -> ImageMatches:
    detections, size = _find_objects(inputs, model, reference)
    labels, names = tuple(each.label for each in detections), tuple(each.label for each in objects)
    scores = np.array([each.score for each in detections], np.float64)
    boxes = box_edges([each.source.box for each in detections])
    overlaps = box_overlaps(boxes, box_edges([each.box for each in objects]))
    matches = match_detections(overlaps, scores, labels, names)
    pairs = [(each, objects[match]) for each, match in zip(detections, matches, strict=True) if match >= 0]
    return ImageMatches(labels, scores, matches, names, tuple(_mask_overlaps(pairs, size)), boxes)


def _find_objects(inputs: ReportInputs, model: ObjectModel, reference: str) -> tuple[Sequence[Detected], Size | None]:
    """Return the objects of an image; none if it cannot be read or the head fails, which counts against the version."""
    extractions = [model.needs_sources] if model.needs_sources else []
    (features,) = inputs.predictors.extractor.extract_features(
        [reference], embed=False, extractions=extractions, pyramid=model.needs_pyramid
    )
    if not isinstance(features, ImageFeatures):
        log.info("event=image_not_read project=%d reason=%r", inputs.project.id, str(features))
        return (), None
    objects = attempt(partial(model.objects, features))
    if isinstance(objects, ImageError):
        log.warning("event=image_not_scored project=%d reason=%r", inputs.project.id, str(objects))
        return (), None
    return objects, features.size


def _mask_overlaps(pairs: Sequence[tuple[Detected, LabelledObject]], size: Size | None) -> list[float]:
    """Return the overlaps of the outlines of matched objects."""
    overlaps = []
    for detection, obj in pairs:
        if obj.outline is not None and obj.outline.size == size and detection.source.crop.any():
            x, y = detection.source.corner
            overlaps.append(footprint_overlap(Footprint.of_mask(detection.source.crop, x=x, y=y), obj.outline.footprint()))
    return overlaps


def _changes(matches_by_version: Mapping[int, Sequence[ImageMatches]], groups: Sequence[str]) -> dict[int, Estimate]:
    """Return the agreement of each version with the version before it that has scores."""
    pairs = pairwise(sorted(matches_by_version))
    changes_by_version = {
        after: estimate(object_agreement(matches_by_version[before], matches_by_version[after]), groups)
        for before, after in pairs
    }
    return {number: value for number, value in changes_by_version.items() if value is not None}


def _scores(matches: Sequence[ImageMatches]) -> dict[Metric, Score]:
    scores: dict[Metric, Score] = {"ap50": average_precision(matches), "f1": f1(matches)}
    return scores | ({"mask_iou": mask_iou(matches)} if any(image.overlaps for image in matches) else {})


def _estimates(scores: Mapping[Metric, Score], groups: Sequence[str]) -> dict[Metric, Estimate]:
    estimates = {metric: estimate(score, groups) for metric, score in scores.items()}
    return {metric: value for metric, value in estimates.items() if value is not None}


def _make_curve(
    inputs: ReportInputs,
    versions: Sequence[ShownVersion],
    metrics: Mapping[int, Mapping[Metric, Estimate]],
    changes: Sequence[Estimate | None],
) -> Curve | None:
    points = [
        CurvePoint(labels=version.version.learned_from, value=value.value, spread=_spread(value))
        for version in versions
        if (value := metrics.get(version.version.number, {}).get("ap50")) is not None
    ]
    if not points:
        return None
    training, held_out = len(inputs.training_tasks), len(inputs.held_out_tasks)
    outlook = make_forecast(
        points,
        metric="ap50",
        at=training,
        trained_share=training / max(training + held_out, 1),
        seconds=inputs.seconds,
        changes=changes,
    )
    return Curve(metric="ap50", points=sorted(points, key=lambda point: point.labels), forecast=outlook)


def _spread(value: Estimate) -> float:
    return 0.0 if value.low is None or value.high is None else (value.high - value.low) / STANDARD_ERRORS
