"""Gather training examples: the labels that annotators gave, by control and image, in the form that heads are trained on.

Several annotations of one task are combined to a soft label (classes) or a mean (numbers); for objects the newest annotation
counts, since outlines cannot be averaged. An annotation that cannot be read for a control is left out of that control's
examples; its task is left out too if it has no other annotation. Objects are in pixels of the image file, whatever size their
regions state.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from backend.heads.feature_blocks import STRUCTURE, Block, FeatureBlocks
from backend.loop.examples.annotated_structure import StructureOf
from backend.loop.examples.answers import regions_of
from backend.prediction.control_models import Examples, ImageOfTask, model_class
from sync.controls import OBJECTS
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.shapes import Size
from sync.label_studio.annotations import Annotation
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.labelling.config import Control, LabelConfig

__all__ = ["BlocksOf", "SizesOf", "gather_examples"]

log = logging.getLogger("galaxyloop.examples")


SizesOf = Callable[[Sequence[str]], Sequence[Size | None]]
"""From image references to sizes, (width, height) in pixels; None for images that cannot be read."""

BlocksOf = Callable[[Mapping[str, Any]], FeatureBlocks]
"""From a task's data to its feature blocks."""


def gather_examples(
    annotations: Sequence[Annotation],
    config: LabelConfig,
    controls: Sequence[Control],
    *,
    sizes_of: SizesOf,
    blocks_of: BlocksOf | None = None,
    structure_of: StructureOf | None = None,
) -> dict[str, Examples]:
    """Gather the labels of annotations by control.

    Parameters
    ----------
    annotations : sequence of Annotation
        From a snapshot: submitted, not empty, ordered by task.
    config : LabelConfig
    controls : sequence of Control
        Controls to train.
    sizes_of : callable
        Returns the sizes of images; called with the images of the controls of objects that have a region.
    blocks_of : callable, optional
        Returns the feature blocks of a task's data; called for the labelled tasks of controls that use blocks. Without it the
        examples have none.
    structure_of : callable, optional
        Measures the galaxies of the images of controls that use blocks; None if the project asks for no measured quantity.

    Returns
    -------
    dict
        Control's name to its examples.
    """
    examples_by_control: dict[str, Examples] = {control.name: Examples() for control in controls}
    answers: dict[str, dict[ImageOfTask, list[tuple[str, list[Any]]]]] = {
        control.name: defaultdict(list) for control in controls
    }
    sizes = _sizes(annotations, config, controls, sizes_of)
    for annotation in annotations:
        for control in controls:
            read = attempt(partial(_read, annotation, control, config, sizes))
            if isinstance(read, ImageError):
                log.warning(
                    "event=annotation_not_read task=%d annotation=%d control=%s reason=%r",
                    annotation.task_id, annotation.id, control.name, str(read),
                )  # fmt: skip
                continue
            for image, (reference, values) in read.items():
                examples_by_control[control.name].references[image] = reference
                answers[control.name][image].append((annotation.updated_at, values))
    for control in controls:
        for image, dated_values in answers[control.name].items():
            label = model_class(control).make_label(dated_values, control)
            if label is not None:
                examples_by_control[control.name].labels[image] = label
    if blocks_of is not None:
        _add_blocks(examples_by_control, annotations, controls, blocks_of, structure_of)
    return examples_by_control


def _add_blocks(
    examples_by_control: Mapping[str, Examples],
    annotations: Sequence[Annotation],
    controls: Sequence[Control],
    blocks_of: BlocksOf,
    structure_of: StructureOf | None,
) -> None:
    """Read the feature blocks of each labelled task once, and add them to the examples of the controls that use blocks."""
    newest = {annotation.task_id: annotation for annotation in sorted(annotations, key=lambda each: each.updated_at)}
    read: dict[int, FeatureBlocks] = {}
    structure_blocks: dict[ImageOfTask, Block] = {}
    for control in controls:
        trains_on = model_class(control).trains_on
        if trains_on:
            examples = examples_by_control[control.name]
            for image, reference in examples.references.items():
                if image.task not in read:
                    read[image.task] = blocks_of(newest[image.task].data)
                examples.blocks[image] = {name: block for name, block in read[image.task].items() if name in trains_on}
                if structure_of is not None and STRUCTURE in trains_on:
                    if image not in structure_blocks:
                        structure_blocks[image] = structure_of(newest[image.task], image, reference)
                    examples.blocks[image] = {**examples.blocks[image], STRUCTURE: structure_blocks[image]}


def _sizes(
    annotations: Sequence[Annotation], config: LabelConfig, controls: Sequence[Control], sizes_of: SizesOf
) -> dict[str, Size | None]:
    """Look up the sizes of the images on which objects may have been drawn."""
    drawable = {control.name: control for control in controls if control.tag in OBJECTS}
    drawn_on = {
        reference_of_image(annotation.data, config, image): None
        for annotation in annotations
        for name in dict.fromkeys(str(region.get("from_name")) for region in annotation.result)
        if name in drawable
        for image in images_of_control(annotation.data, config, drawable[name])
    }
    return dict(zip(drawn_on, sizes_of(list(drawn_on)), strict=True))


def _read(
    annotation: Annotation, control: Control, config: LabelConfig, sizes: Mapping[str, Size | None]
) -> dict[ImageOfTask, tuple[str, list[Any]]]:
    """Read an annotation's values of a control on each image that can be read, with the reference of the image."""
    read: dict[ImageOfTask, tuple[str, list[Any]]] = {}
    for image, regions in regions_of(annotation, control, config).items():
        reference = reference_of_image(annotation.data, config, image)
        values = model_class(control).read_regions(regions, control, size=sizes.get(reference))
        if values is not None:
            read[ImageOfTask(annotation.task_id, *image)] = reference, values
    return read
