"""Training: a snapshot becomes the heads of a new version, one for each control that has enough labels."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.annotators import Annotators, read_config
from backend.fillers import base_offset
from backend.heads import Head, NotEnoughLabels
from backend.heads.detection import Detection
from backend.heads.masks import PromptedMasks
from backend.heads.morphology import Morphology
from backend.heads.parameters import Parameters
from backend.heads.tree import DecisionTree
from backend.loop.examples import Examples, ImageOfTask, gather_examples
from backend.loop.snapshot import Snapshot
from backend.observer import Observation, Observer
from backend.project_heads import SHAPES, ProjectHeads, controls_to_fill
from backend.records import Project
from backend.services import Services
from sync.images.errors import ImageError
from sync.labelconfig import Control, LabelConfig

__all__ = ["train"]

log = logging.getLogger("galaxyloop.train")

OBJECT_IMAGES = 200
"""Newest annotated images that object heads learn from: their few parameters gain nothing from more, and time grows with it."""
OBJECT_PIXELS = 50_000_000
"""Pixels of these that are held at once, 0.6 GB: of full frames, the newest 18."""


def train(services: Services, project: Project, snapshot: Snapshot, *, allow_none: bool, holder: str | None = None) -> int:
    """Train a version on a snapshot's training side and write it.

    Parameters
    ----------
    allow_none : bool
        Write a version without trained heads rather than none: after a change of the labelling config the old one's
        predictions no longer fit.
    holder : str, optional
        Name of the lease that the project must still be held by at the end.

    Returns
    -------
    int
        Number of the new version, not judged yet.

    Raises
    ------
    NotEnoughLabels
        If no control has enough labels; the message says what is missing for which.
    LeaseLostError
        If another worker has taken the project over.
    """
    started = time.monotonic()
    log.info("event=training project=%d annotations=%d", project.id, len(snapshot.training))
    config = read_config(project.label_config)
    heads, reasons = _fit_all(services, config, snapshot)
    if not heads.filling and heads.prompted is None and not allow_none:
        raise NotEnoughLabels("; ".join(reasons) or "the labelling config has no control that can be learned")
    with services.registry.writing_version(
        project.id,
        label_config=project.label_config,
        fingerprint=snapshot.fingerprint,
        learned_from=len(snapshot.training),
        holder=holder,
    ) as (folder, number):
        heads.save(folder, config)
        snapshot.save(folder)
    log.info(
        "event=trained project=%d version=%d annotations=%d heads=%s seconds=%.1f",
        project.id, number, len(snapshot.training), ",".join(heads.filling), time.monotonic() - started,
    )  # fmt: skip
    return number


def _fit_all(services: Services, config: LabelConfig, snapshot: Snapshot) -> tuple[ProjectHeads, list[str]]:
    controls = controls_to_fill(config)
    gathered = gather_examples(snapshot.training, config, controls, sizes_of=services.annotators.observer.sizes)
    filling: dict[str, Head] = {}
    prompted: PromptedMasks | None = None
    reasons = []
    for control in controls:
        examples = gathered[control.name]
        try:
            if control.tag in SHAPES:
                filling[control.name], learned = _fit_objects(services.annotators, control, examples)
                prompted = prompted or learned
            elif control.tag == "Number":
                filling[control.name] = _fit_number(services.annotators.observer, examples)
            else:
                base = services.annotators.base_morphology
                filling[control.name] = _fit_classes(services.annotators.observer, base, control, examples)
        except NotEnoughLabels as error:
            reasons.append(f"{control.name}: {error}")
    return ProjectHeads(filling, prompted), reasons


def _fit_classes(observer: Observer, base: Morphology, control: Control, examples: Examples) -> Morphology | DecisionTree:
    images, embeddings = _embeddings(observer, examples.targets, examples)
    if not images:
        raise NotEnoughLabels("there are no labelled images yet")
    targets = np.stack([examples.targets[image] for image in images])
    offset = base_offset(embeddings, control, base)
    exclusive = not control.multiple
    if control.tag == "Taxonomy":
        return DecisionTree.fit(embeddings, targets, paths=control.paths, exclusive=exclusive, offset=offset)
    classes = [label.value for label in control.labels]
    return Morphology.fit(embeddings, targets, classes=classes, exclusive=exclusive, offset=offset)


def _fit_number(observer: Observer, examples: Examples) -> Parameters:
    images, embeddings = _embeddings(observer, examples.values, examples)
    return Parameters.fit(embeddings, np.array([examples.values[image] for image in images]))


def _fit_objects(annotators: Annotators, control: Control, examples: Examples) -> tuple[Detection, PromptedMasks | None]:
    newest = sorted(examples.objects)[-OBJECT_IMAGES:]
    pixels: list[NDArray[np.float32]] = []
    looks, sights, objects, room = [], [], [], OBJECT_PIXELS
    observed = _observe(annotators.observer, newest, examples, embed=False, look=True)
    for image, seen in reversed(list(zip(newest, observed, strict=True))):
        if isinstance(seen, ImageError) or seen.look is None or seen.sight is None:
            continue
        room -= seen.look.size[0] * seen.look.size[1]
        if room < 0 and pixels:
            break
        try:
            pixels.append(seen.picture.pixels)
        except ImageError:
            continue
        looks.append(seen.look)
        sights.append(seen.sight)
        objects.append(examples.objects[image])
    detection = Detection.fit(
        pixels,
        [[(one.box, one.label) for one in drawn] for drawn in objects],
        classes=[label.value for label in control.labels],
        looks=looks,
        detector=annotators.base_detector,
    )
    masks = [
        [one.mask for one in drawn if one.mask is not None and one.mask.shape == picture.shape[:2]]
        for picture, drawn in zip(pixels, objects, strict=True)
    ]
    if not any(masks):
        return detection, None
    try:
        return detection, annotators.base_masks.fit(sights, masks)
    except NotEnoughLabels:
        return detection, None


def _embeddings(
    observer: Observer, wanted: Mapping[ImageOfTask, Any], examples: Examples
) -> tuple[list[ImageOfTask], NDArray[np.float32]]:
    """Embeddings of the wanted images that can be read."""
    images = list(wanted)
    seen = _observe(observer, images, examples, embed=True)
    readable = [
        (image, one.embedding)
        for image, one in zip(images, seen, strict=True)
        if isinstance(one, Observation) and one.embedding is not None
    ]
    if not readable:
        return [], np.empty((0, 1), np.float32)
    return [image for image, _ in readable], np.stack([embedding for _, embedding in readable])


def _observe(
    observer: Observer,
    images: Sequence[ImageOfTask],
    examples: Examples,
    *,
    embed: bool,
    look: bool = False,
) -> list[Observation | ImageError]:
    return observer.observe([examples.references[image] for image in images], embed=embed, look=look)
