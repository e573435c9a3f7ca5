"""Prompted masks: clicks, boxes and drawn masks become an object's mask, by SAM's decoder on what the vision model sees.

One stateless function on what was seen of a picture: the same prompts always give the same mask. What a project's annotators
outline fine-tunes decoder and neck; what comes before them is seen once and kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from backend.heads import storage
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.segmentation.grid import Edges
from backend.heads.segmentation.network import SegmenterConfig, SegmenterNetwork
from backend.heads.segmentation.outline_cache import kept_outlines
from backend.heads.segmentation.project_examples import endless_examples
from backend.heads.segmentation.prompt_checks import checked_boxes, checked_points
from backend.heads.segmentation.prompting import boxed, clicked, holds_object, mended, prefetch
from backend.heads.segmentation.rules import keep_clicks, largest_part
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.training import Schedule, train_network
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Box, Mask, Point, Size

__all__ = ["FINE_TUNING", "MINIMUM_MASKS", "PromptedMasks"]

NAME = "masks"
MINIMUM_MASKS = 3
FINE_TUNING = Schedule(steps=40, rate=5e-4, examples=2)
"""A quarter of a minute on one core, however many masks there are: longer gained little."""

AS_DRAWN = 0.97
"""Mean overlap from which on masks are taken for this head's own.

Those that it outlined in boxes of source extraction, and nobody edited, have a mean of 0.985 on 38 masks of simulated scenes,
0.984, 0.979 and 0.963 on test cut-outs of three sets (36 to 41 masks each), and a median of 0.99 on each: it misses some.
"""
COMPARED = 20
"""Masks that are compared, at most: some hundredths of a second each."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptedMasks:
    """From points, boxes and masks to a mask.

    Attributes
    ----------
    network : SegmenterNetwork
        Never changed.
    encoder : str
        Fingerprint of the window encoder whose sight it has learned on.
    """

    network: SegmenterNetwork
    encoder: str
    _reader: WindowReader = field(init=False, repr=False)
    _fingerprint: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", WindowReader(self.network))
        object.__setattr__(self, "_fingerprint", self.network.fingerprint())

    @classmethod
    def blank(cls, config: SegmenterConfig, *, encoder: str, seed: int = 0) -> Self:
        """A head that knows nothing yet."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(_rounded(SegmenterNetwork(config)), encoder)

    def fit(
        self,
        window_encoder: Sequence[WindowedImage],
        masks: Sequence[Sequence[Mask | Footprint]],
        *,
        schedule: Schedule = FINE_TUNING,
        seed: int = 0,
        report: Callable[[int, float], None] | None = None,
    ) -> Self:
        """A head that has learned from people's masks; this one stays what it is.

        Parameters
        ----------
        sights : sequence of PictureSight
        masks : for each picture, a sequence of Footprint, or of ndarray of bool, shape (height, width)
            Empty ones are left out.
        report : callable, optional
            Told each step and its loss.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_MASKS` masks, or where this head draws them already, as after many unedited predictions.
        HeadError
            If the pictures were looked at with another encoder.
        ValueError
            If a mask has not the size of its picture.
        """
        drawn = []
        for windowed_image, some in zip(window_encoder, masks, strict=True):
            self._check(windowed_image)
            drawn.append([cut for mask in some if (cut := _cut(mask, windowed_image.size)) is not None])
        count = sum(len(some) for some in drawn)
        if count < MINIMUM_MASKS:
            raise NotEnoughLabels(f"there are {count} masks, and at least {MINIMUM_MASKS} are needed to train")
        agreement = self._agreement(window_encoder, drawn)
        if agreement >= AS_DRAWN:
            raise NotEnoughLabels(
                f"the masks are as they were predicted (mean overlap {agreement:.2f}): there is nothing to learn from them"
            )
        network = SegmenterNetwork(self.network.config)
        network.load_state_dict(self.network.state_dict())
        examples = endless_examples(window_encoder, drawn, config=network.config, seed=seed)
        trained = train_network(network, examples, schedule, seed=seed, report=report)
        return type(self)(_rounded(trained), self.encoder)

    def _agreement(self, window_encoder: Sequence[WindowedImage], masks: Sequence[Sequence[Footprint]]) -> float:
        """Mean intersection over union of some of the masks with what this head draws in their boxes."""
        every = [(windowed_image, mask) for windowed_image, some in zip(window_encoder, masks, strict=True) for mask in some]
        step = math.ceil(len(every) / COMPARED)
        overlaps = []
        for windowed_image, mask in every[::step]:
            (found,) = self.outline(windowed_image, [mask.box])
            overlaps.append(mask_overlap(found.mask(), mask.full(windowed_image.size)))
        return float(np.mean(overlaps))

    def predict(
        self,
        windowed_image: WindowedImage,
        *,
        points: Sequence[tuple[Point, bool]] = (),
        boxes: Sequence[Box] = (),
        mask: Mask | None = None,
    ) -> tuple[Mask, float] | None:
        """The mask that the prompts ask for.

        Clicks in a box, and all negative ones, are about that box's object; of several boxes, and of clicks beside them, the
        objects are put together.

        Parameters
        ----------
        points : sequence of (Point, positive)
            In pixels of the picture.
        boxes : sequence of Box
        mask : ndarray of bool, shape (height, width), optional
            To be mended by the points.

        Returns
        -------
        mask : ndarray of bool, shape (height, width)
        quality : float
            Intersection over union that the network expects, 0 to 1.

        None if there is nothing but sky under the prompts, or none of them is positive.

        Raises
        ------
        HeadError
            If the picture was looked at with another encoder.
        ImageError
            If the picture is needed and cannot be read.
        ValueError
            If there are too many prompts, one is not finite, outside the picture, or without area, or the mask does not fit.
        """
        self._check(windowed_image)
        checked = checked_points(points, windowed_image.size, others=len(boxes))
        clicks = [(column + 0.5, row + 0.5, positive) for (row, column), positive in checked.items()]
        edges = [box for box in _edges(boxes, windowed_image.size) if holds_object(self._reader, windowed_image, box)]
        if mask is not None and mask.shape != windowed_image.size[::-1]:
            width, height = windowed_image.size
            raise ValueError(f"a mask of {mask.shape[1]}x{mask.shape[0]} pixels does not fit an image of {width}x{height}")
        if mask is None and not edges:
            clicks = self._from_the_first_object(windowed_image, clicks)
        found = self._found(windowed_image, clicks, edges, mask)
        if not found:
            return None
        whole = np.logical_or.reduce([one.mask() for one in found])
        anchors = [largest_part(one.mask()) for one in found[: len(edges)]] + ([mask] if mask is not None else [])
        kept = keep_clicks(whole, clicks, anchors=np.logical_or.reduce(anchors) if anchors else None)
        return (kept, float(np.mean([one.quality for one in found]))) if kept.any() else None

    def outline(self, windowed_image: WindowedImage, boxes: Sequence[Box]) -> list[WindowMask]:
        """The object in each box, in pixels of the picture; they may overlap.

        Raises
        ------
        HeadError, ImageError, ValueError
            As `predict`.
        """
        self._check(windowed_image)
        return kept_outlines(
            windowed_image,
            _edges(boxes, windowed_image.size),
            network=self._fingerprint,
            find=lambda missing: boxed(self._reader, windowed_image, missing),
        )

    def prefetch(self, windowed_image: WindowedImage, boxes: Sequence[Box]) -> None:
        """See what clicks on the objects in these boxes will need.

        Raises
        ------
        HeadError, ImageError, ValueError
            As `predict`.
        """
        self._check(windowed_image)
        prefetch(windowed_image, _edges(boxes, windowed_image.size))

    def _found(
        self, windowed_image: WindowedImage, clicks: Sequence[Click], edges: Sequence[Edges], mask: Mask | None
    ) -> list[WindowMask]:
        """One object for each box, and one for what is clicked beside them, or for the mask."""
        found: list[WindowMask] = []
        for box, begun in zip(edges, boxed(self._reader, windowed_image, edges), strict=True):
            own = [click for click in clicks if not click[2] or _holds(box, click)]
            found.append(mended(self._reader, windowed_image, begun, own, box=box) if own else begun)
        beside = [click for click in clicks if not click[2] or not any(_holds(box, click) for box in edges)]
        if mask is not None and mask.any():
            return [*found, mended(self._reader, windowed_image, mask, beside)]
        for first in (click for click in beside if click[2]):
            shown = self._clicked(windowed_image, first)
            if shown is not None:
                return [*found, mended(self._reader, windowed_image, shown, beside) if len(beside) > 1 else shown]
        return found

    def _from_the_first_object(self, windowed_image: WindowedImage, clicks: Sequence[Click]) -> list[Click]:
        """The clicks without the positive ones on empty sky before the first on an object.

        Those answered nothing, but Label Studio keeps their points and sends them again with each later click.
        """
        for index, click in enumerate(clicks):
            if click[2] and self._clicked(windowed_image, click) is not None:
                return [before for before in clicks[:index] if not before[2]] + list(clicks[index:])
        return list(clicks)

    def _clicked(self, windowed_image: WindowedImage, click: Click) -> WindowMask | None:
        return self._reader.first(windowed_image, click, lambda: clicked(self._reader, windowed_image, click))

    def _check(self, windowed_image: WindowedImage) -> None:
        if windowed_image.fingerprint != self.encoder:
            raise HeadError(
                f"the masks were trained on the encoder {self.encoder}, not on {windowed_image.fingerprint}: train them again"
            )

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`; weights as float16."""
        fields = {"encoder": self.encoder, "config": asdict(self.network.config)}
        weights = {name: value.half().numpy() for name, value in self.network.state_dict().items()}
        storage.write(folder, head=NAME, fields=fields, arrays=weights)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; anything else is a `HeadError`."""
        stored = storage.read(folder, head=NAME)
        network = SegmenterNetwork(stored.build("config", _config))
        expected = network.state_dict()
        network.load_state_dict(
            {name: torch.from_numpy(np.array(stored.array(name, *value.shape))) for name, value in expected.items()}
        )
        return cls(network.eval().requires_grad_(False), stored.field("encoder", str))


def _rounded(network: SegmenterNetwork) -> SegmenterNetwork:
    """The network, frozen, with the weights that `save` keeps, so that what comes back from disk decodes exactly the same."""
    return network.half().float().eval().requires_grad_(False)


def _config(fields: dict[str, Any]) -> SegmenterConfig:
    numbers: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    config = SegmenterConfig(**numbers)
    whole = [*config.channels, config.light, config.width, config.hidden, config.cells, config.shown_px]
    if not all(isinstance(number, int) and 0 < number <= 4096 for number in whole):
        raise ValueError("sizes of a network are whole numbers above 0")
    if config.width % 16 or config.shown_px % config.cells:
        raise ValueError("the width is a multiple of 16, and a window is cut into whole cells")
    return config


def _edges(boxes: Sequence[Box], size: Size) -> list[Edges]:
    windows = checked_boxes(boxes, size)
    return [(float(c.start), float(r.start), float(c.stop), float(r.stop)) for r, c in windows]


def _cut(mask: Mask | Footprint, size: Size) -> Footprint | None:
    """A mask on a picture of `size` (width, height), cut to the rectangle around it; None where it is empty."""
    if isinstance(mask, Footprint):
        return mask
    if mask.shape != size[::-1]:
        raise ValueError(f"a mask of shape {mask.shape} does not fit an image of {size[0]}x{size[1]} pixels")
    return Footprint.of_mask(mask) if mask.any() else None


def _holds(box: Edges, click: Click) -> bool:
    return box[0] <= click[0] < box[2] and box[1] <= click[1] < box[3]
