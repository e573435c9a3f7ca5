"""Quality of masks by number of clicks: the shipped segmenter, its first guess, its fine-tuned versions, and baselines.

The same simulated annotator clicks for every method, and each method's own errors decide the next clicks. It clicks five times,
and then on until the overlap is 90 %, twenty times at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import open_segmenter
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.window_features import WindowEncoder
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.scenes.folders import Part
from benchmarks.prompts.clicking import Clicked, Segment, click_through, prompt_of_clicks
from benchmarks.prompts.objects import Object, StoredImage, objects_of, outlines, scenes
from benchmarks.prompts.opponents import RECIPES, Recipe, source_extraction, watershed_at_click
from sync.geometry.shapes import Mask

__all__ = ["ENOUGH", "LEAST_CLICKS", "MOST_CLICKS", "Judged", "Method", "Quality", "QualityPlan", "measure_quality"]

ENOUGH, LEAST_CLICKS, MOST_CLICKS = 0.9, 5, 20
FIRST_GUESS, SHIPPED = "first guess (isophotes)", "shipped"
OTHERS = ("threshold and watershed at the click", "source extraction")


@dataclass(frozen=True, slots=True)
class QualityPlan:
    """Part, scenes, simulated annotators (each with its own jitter), and numbers of masks for the fine-tuning.

    Attributes
    ----------
    part : {"train", "val", "test"}
        Part whose objects are clicked.
    scenes : int
    hands : dict
        Simulated annotators per object of each group. One is enough for scenes, which have many objects.
    outline_counts, scene_mask_counts : tuple of int
        Numbers of masks to fine-tune on, of annotators' outlines and of scenes.
    """

    part: Part = "test"
    scenes: int = 60
    hands: dict[str, int] = field(default_factory=lambda: {"outlines": 3, "scenes": 1})
    outline_counts: tuple[int, ...] = (20, 40)
    scene_mask_counts: tuple[int, ...] = (20, 50)


@dataclass(frozen=True, slots=True)
class Method:
    """A segmentation method: its name, and from an image to a function from clicks to masks."""

    name: str
    segment: Callable[[StoredImage], Segment]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Result of one method on one object, with one simulated annotator (jitter from `seed`)."""

    method: str
    object: Object
    hand: int
    seed: int
    clicks: Clicked


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """All results.

    Attributes
    ----------
    groups : dict
        Results of "outlines" and of "scenes".
    fits_s : dict
        Seconds that each fine-tuning took, by group and method.
    shipped_method : Method
        Segments again for the contact sheets.
    """

    groups: dict[str, list[Judged]]
    fits_s: dict[str, float]
    shipped_method: Method


def measure_quality(data: Path, plan: QualityPlan, console: Console) -> Quality:
    """Fine-tune the segmenter, click through all objects and return the results."""
    torch.set_num_threads(1)
    name = fingerprint(SHIPPED_CHECKPOINT)
    segmenter = open_segmenter(load_encoder(SHIPPED_CHECKPOINT), fingerprint=name, sam_checkpoint=None)
    encoder, base_masks = segmenter.windows, segmenter.base
    blank = PromptedMasks.blank(base_masks.network.config, encoder=name)
    common = [
        Method(OTHERS[1], lambda image: source_extraction(image.pixels)),
        _head(FIRST_GUESS, blank),
        _head(SHIPPED, base_masks),
    ]
    fits_s: dict[str, float] = {}
    groups: dict[str, list[Judged]] = {}
    for group, counts, teaching, judging in (
        ("outlines", plan.outline_counts, _read_training_outlines, _read_test_outlines),
        ("scenes", plan.scene_mask_counts, _read_training_scenes, _read_test_scenes),
    ):
        methods = [
            _make_watershed(RECIPES[group]),
            *common,
            *_fine_tune(base_masks, teaching(data, plan, encoder), counts, fits_s, group),
        ]
        objects = objects_of(judging(data, plan, encoder))
        groups[group] = []
        for method in methods:
            began = time.monotonic()
            groups[group] += _click_objects(method, objects, hands=plan.hands[group])
            console.print(f"{group}: {method.name}, {len(objects)} objects, {time.monotonic() - began:.0f} s")
    return Quality(groups, fits_s, common[-1])


def _make_watershed(recipe: Recipe) -> Method:
    return Method(OTHERS[0], lambda image: watershed_at_click(image.pixels, recipe=recipe))


def _head(name: str, head: PromptedMasks) -> Method:
    def of(image: StoredImage) -> Segment:
        def segment(clicks: Sequence[Click]) -> Mask:
            result = head.predict(image.windowed_image, prompt_of_clicks(image.windowed_image, clicks))
            return np.zeros(image.masks[0].shape, dtype=bool) if result is None else result[0]

        return segment

    return Method(name, of)


def _click_objects(method: Method, objects: Sequence[Object], *, hands: int) -> Iterator[Judged]:
    """Click through all objects; objects of an image follow one another and share the method's preparation of the image."""
    image: StoredImage | None = None
    for index, object_ in enumerate(objects):
        if object_.image is not image:
            image = object_.image
            segment = method.segment(image)
        for hand in range(hands):
            seed = hands * index + hand
            series = click_through(segment, object_.mask, clicks=MOST_CLICKS, seed=seed, enough=ENOUGH, least=LEAST_CLICKS)
            yield Judged(method.name, object_, hand, seed, series)


def _fine_tune(
    base_masks: PromptedMasks, taught: Sequence[StoredImage], counts: Sequence[int], fits_s: dict[str, float], group: str
) -> Iterator[Method]:
    """Yield the shipped head after a project's fine-tuning on each number of masks."""
    for count in counts:
        images, masks, left = list[StoredImage](), list[list[Mask]](), count
        for image in taught:
            if left:
                images.append(image)
                masks.append(list(image.masks[:left]))
                left -= len(masks[-1])
        if left:
            raise ValueError(f"there are {count - left} {group} to fit on, not {count}")
        name, began = f"shipped, fitted on {count} masks", time.monotonic()
        head = base_masks.fit([image.windowed_image for image in images], masks)
        fits_s[f"{group}: {name}"] = round(time.monotonic() - began, 1)
        yield _head(name, head)


def _read_test_outlines(data: Path, plan: QualityPlan, encoder: WindowEncoder) -> list[StoredImage]:
    return outlines(data, plan.part, encoder)


def _read_test_scenes(data: Path, plan: QualityPlan, encoder: WindowEncoder) -> list[StoredImage]:
    return list(scenes(data, plan.part, encoder, count=plan.scenes))


def _read_training_outlines(data: Path, plan: QualityPlan, encoder: WindowEncoder) -> list[StoredImage]:
    """Return the outlines of the train part, followed by those of the val part if that is not tested."""
    more = outlines(data, "val", encoder) if plan.part == "test" else []
    return [*outlines(data, "train", encoder), *more]


def _read_training_scenes(data: Path, plan: QualityPlan, encoder: WindowEncoder) -> list[StoredImage]:
    """Return scenes of the train part with enough masks."""
    return list(scenes(data, "train", encoder, count=max(plan.scene_mask_counts))) if plan.scene_mask_counts else []
