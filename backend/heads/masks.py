"""Prompted masks: a click selects a source, further clicks and boxes refine it, on the maps of the source extraction.

Points say which sources; a click on what is too faint to be a source grows a region of its own; negative points take away the
source or the part of it that lies under them; a box says how far out the outline runs. Pixels of a source that nobody asked for
are never given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.errors import NotEnoughLabels
from backend.heads.matching import clearly_better, mask_overlap
from backend.heads.prompts import Pixel, Window, checked_boxes, checked_points
from backend.heads.regions import Outlines, around_click, fit_box, quality_of, take_away
from backend.heads.sources import Extraction, ExtractionSettings, segment
from sync.controls.shapes import Box, Mask, Point

__all__ = ["MINIMUM_MASKS", "PromptedMasks"]

NAME = "masks"
MINIMUM_MASKS = 3
MAXIMUM_MASKS = 100
ISOPHOTES = (0.17, 0.08, 0.11, 0.14, 0.2, 0.25, 0.3, 0.4)
SMOOTHINGS_PX = (1.5, 1.0, 2.5)
SADDLES = (0.5, 0.3)


@dataclass(frozen=True, slots=True)
class PromptedMasks:
    """From points and boxes to a mask; `settings` are those of the extraction, and say where an outline runs."""

    settings: ExtractionSettings = field(default_factory=ExtractionSettings)

    @classmethod
    def base(cls) -> Self:
        """The head that nobody has trained."""
        return cls()

    @classmethod
    def fit(cls, images: Sequence[NDArray[np.float32]], masks: Sequence[Sequence[Mask]]) -> Self:
        """Learn how far out, how smoothly and how finely divided people outline.

        Each mask is judged by its overlap with what a click on its middle gives; the defaults stay unless other settings are
        better by more than one standard error. Of many masks, `MAXIMUM_MASKS` are judged, spread evenly.

        Parameters
        ----------
        images : sequence of ndarray, shape (height, width, 3)
        masks : for each image, a sequence of ndarray of bool, shape (height, width)
            Empty ones are left out.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_MASKS` masks.
        ValueError
            If a mask has not the size of its image, or there is not one list of masks for each image.
        """
        if len(images) != len(masks):
            raise ValueError(f"there are {len(images)} images but masks for {len(masks)}")
        for image, drawn in zip(images, masks, strict=True):
            for mask in drawn:
                if mask.shape != image.shape[:2]:
                    raise ValueError(f"a mask of shape {mask.shape} does not fit an image of shape {image.shape[:2]}")
        places = [(i, mask) for i, drawn in enumerate(masks) for mask in drawn if mask.any()]
        if len(places) < MINIMUM_MASKS:
            raise NotEnoughLabels(f"there are {len(places)} masks, and at least {MINIMUM_MASKS} are needed to train")
        chosen = np.linspace(0, len(places) - 1, min(len(places), MAXIMUM_MASKS)).round().astype(int)
        judged: dict[int, list[Mask]] = {}
        for i, mask in (places[place] for place in chosen):
            judged.setdefault(i, []).append(mask)
        rows = [_overlaps(images[i], drawn) for i, drawn in judged.items()]
        scores = {settings: np.concatenate([row[settings] for row in rows]) for settings in rows[0]}
        best = max(scores, key=lambda settings: float(scores[settings].mean()))
        return cls(best) if clearly_better(scores[best], scores[ExtractionSettings()]) else cls()

    def predict(
        self,
        image: NDArray[np.float32],
        *,
        points: Sequence[tuple[Point, bool]] = (),
        boxes: Sequence[Box] = (),
        sources: Extraction | None = None,
    ) -> tuple[Mask, float] | None:
        """The mask that the prompts ask for.

        Parameters
        ----------
        image : ndarray, shape (height, width, 3)
        points : sequence of (Point, positive)
            In pixels of the image.
        boxes : sequence of Box
            Each asks for the object that fills it; with points, they say how far its outline runs.
        sources : Extraction, optional
            Of the same image, if the caller has it.

        Returns
        -------
        mask : ndarray of bool, shape (height, width)
        quality : float
            0 to 1: how little the mask changes with the isophote (as SAM's stability score), times how well it stands out.

        None if there is nothing under the prompts, or none of them is positive.

        Raises
        ------
        ValueError
            If there are more than 1000 prompts, or one is not finite, outside the image, or without area.
        """
        size = (image.shape[1], image.shape[0])
        positive, negative = checked_points(points, size, others=len(boxes))
        windows = checked_boxes(boxes, size)
        if not positive and not windows:
            return None
        hills = sources.hills if sources is not None else segment(image, settings=self.settings)
        if hills.brightness.shape != image.shape[:2]:
            raise ValueError(f"the sources are of an image of shape {hills.brightness.shape}, not {image.shape[:2]}")
        outlines = Outlines(hills, isophote=self.settings.isophote)
        masks = [fit_box(outlines, window, positive) for window in windows]
        masks.append(_clicked(outlines, [point for point in positive if not _in_any(point, windows)], negative))
        found = [mask for mask in masks if mask is not None]
        if not found:
            return None
        mask = take_away(hills, np.logical_or.reduce(found), positive, negative)
        return (mask, quality_of(hills, mask)) if mask.any() else None

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        storage.write(folder, head=NAME, fields={"settings": asdict(self.settings)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; anything else is a `HeadError`."""
        return cls(storage.read(folder, head=NAME).build("settings", lambda fields: ExtractionSettings(**fields)))


def _overlaps(image: NDArray[np.float32], drawn: Sequence[Mask]) -> dict[ExtractionSettings, NDArray[np.float64]]:
    """For each cell of the grid, defaults first, the overlap of each drawn mask with what a click on its middle gives."""
    found = {}
    for smoothing, saddle in product(SMOOTHINGS_PX, SADDLES):
        hills = segment(image, settings=ExtractionSettings(smoothing_px=smoothing, saddle=saddle))
        for isophote in ISOPHOTES:
            outlines = Outlines(hills, isophote=isophote)
            clicked = [_clicked(outlines, [_middle(mask)], []) for mask in drawn]
            overlaps = [0.0 if a is None else mask_overlap(a, b) for a, b in zip(clicked, drawn, strict=True)]
            settings = ExtractionSettings(smoothing_px=smoothing, saddle=saddle, isophote=isophote)
            found[settings] = np.asarray(overlaps)
    return found


def _clicked(outlines: Outlines, positive: Sequence[Pixel], negative: Sequence[Pixel]) -> Mask | None:
    """The union of what the positive points mean, which is never a source beside them that a negative point lies on."""
    refused = {int(outlines.hills.segments[point]) for point in negative}
    masks = []
    for point in positive:
        mask = outlines.under(point, refused=refused)
        masks.append(around_click(outlines.hills, point) if mask is None else mask)
    found = [mask for mask in masks if mask is not None]
    union: Mask | None = np.logical_or.reduce(found) if found else None
    return union


def _in_any(point: Pixel, windows: Sequence[Window]) -> bool:
    return any(r.start <= point[0] < r.stop and c.start <= point[1] < c.stop for r, c in windows)


def _middle(mask: Mask) -> Pixel:
    """The pixel where a person would click: the centroid, or the mask's pixel next to it."""
    rows, columns = np.nonzero(mask)
    nearest = int(np.hypot(rows - rows.mean(), columns - columns.mean()).argmin())
    return int(rows[nearest]), int(columns[nearest])
