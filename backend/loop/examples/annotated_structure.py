"""The measured structure of annotated galaxies, inside the outlines that annotators drew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from backend.heads.feature_blocks import Block
from backend.loop.examples.answers import regions_of
from backend.measurement.measured_object import MeasuredObject
from backend.measurement.task_reader import TaskMeasurer
from backend.prediction.control_models import ImageOfTask
from backend.prediction.control_models.drawn_objects import draw_objects
from backend.prediction.control_models.structure import measured_quantity
from backend.prediction.features import FeatureExtractor
from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_structure import data_of_image
from sync.controls import MASKS, NUMBERS
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Size
from sync.label_studio.annotations import Annotation
from sync.labelling.config import LabelConfig

__all__ = ["StructureOf", "structure_reader"]

log = logging.getLogger("galaxyloop.examples")

StructureOf = Callable[[Annotation, ImageOfTask, str], Block]
"""Measures the galaxy of an annotation on an image with a reference."""


def structure_reader(extractor: FeatureExtractor, blocks: TaskBlocks, config: LabelConfig) -> StructureOf | None:
    """Return a function that measures annotated galaxies; None if no control of the config asks for a measured quantity."""
    if blocks.structure is None or not any(measured_quantity(control) for control in config.controls):
        return None
    return partial(_read_block, extractor, blocks.structure, config)


def _read_block(
    extractor: FeatureExtractor,
    measurer: TaskMeasurer,
    config: LabelConfig,
    annotation: Annotation,
    image: ImageOfTask,
    reference: str,
) -> Block:
    outcome = attempt(partial(_measure, extractor, measurer, config, annotation, image, reference))
    if isinstance(outcome, ImageError):
        log.info("event=not_measured task=%d annotation=%d reason=%r", annotation.task_id, annotation.id, str(outcome))
        return Block(missing={"": str(outcome)})
    return outcome.as_block()


def _measure(
    extractor: FeatureExtractor,
    measurer: TaskMeasurer,
    config: LabelConfig,
    annotation: Annotation,
    image: ImageOfTask,
    reference: str,
) -> MeasuredObject:
    place = (image.to_name, image.page)
    (size,) = extractor.sizes([reference])
    outlines = _outlines(annotation, place, config, size)
    return measurer.measure(
        extractor.open(reference),
        data_of_image(annotation.data, place, config),
        outlines,
        size=size,
        with_indices=_needs_indices(config),
    )


def _needs_indices(config: LabelConfig) -> bool:
    """Return whether a control asks for an index of structure, or is a number that a regression may predict from indices."""
    quantities = [measured_quantity(control) for control in config.controls if control.tag in NUMBERS]
    return any(quantity is None or quantity.is_index for quantity in quantities)


def _outlines(
    annotation: Annotation, image: tuple[str, int], config: LabelConfig, size: Size | None
) -> Sequence[Footprint] | None:
    """Return the outlines that an annotator drew on an image, of the first control with any; None without outlines."""
    if size is None:
        return None
    for control in config.controls:
        if control.tag in MASKS and image[0] in control.to_names:
            regions = regions_of(annotation, control, config).get(image, [])
            outlines = [
                drawn_object.outline.footprint()
                for drawn_object in draw_objects(regions, control, size=size)
                if drawn_object.outline
            ]
            if outlines:
                return outlines
    return None
