"""Prompted masks: SAM's decoder on the features of the encoder predicts the mask of an object from clicks, boxes and masks.

The head has no state: the same prompts on the same features always give the same mask. Decoder and neck are fine-tuned on the
masks of a project; the features, their input, are computed once and cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from backend.heads import storage
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.extraction.source import Source
from backend.heads.network_weights import arrays_of, restore, round_weights
from backend.heads.segmentation.fusion_network import FusionNetwork
from backend.heads.segmentation.network import SegmenterConfig, SegmenterNetwork
from backend.heads.segmentation.outline_cache import cached_outlines
from backend.heads.segmentation.project_examples import endless_examples
from backend.heads.segmentation.prompt import Prompt, edges_of_boxes
from backend.heads.segmentation.prompt_answer import answer_prompt
from backend.heads.segmentation.prompting import masks_from_boxes, prefetch
from backend.heads.segmentation.training import train_network
from backend.heads.segmentation.unedited_masks import SAME_ABOVE, measure_agreement
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.training import Report, Schedule
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Mask, Size

__all__ = ["FINE_TUNING", "MINIMUM_MASKS", "PromptedMasks"]

NAME = "masks"
MINIMUM_MASKS = 3
FINE_TUNING = Schedule(steps=40, rate=5e-4, batch=2)
"""A training of 15 s on one core, for any number of masks; longer training improved little."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptedMasks:
    """A head that predicts the mask of an object from points, boxes and masks.

    Attributes
    ----------
    network : SegmenterNetwork
        Frozen.
    encoder : str
        Fingerprint of the window encoder whose features the network was trained on.
    decoded_from_px : float
        Longer side of the outline of a detected object, pixels, from which the network draws its mask. A smaller object keeps
        the outline of source extraction, which overlaps more with the masks of validation images. 0 for a head that was
        fine-tuned on a project's masks, and for SAM.
    fusion : FusionNetwork or None
        Fuses the candidate masks of a first click. None for a head that was fine-tuned on a project's masks, whose candidates
        it was not trained on, and for SAM.
    """

    network: SegmenterNetwork
    encoder: str
    decoded_from_px: float = 0.0
    fusion: FusionNetwork | None = None
    _reader: WindowReader = field(init=False, repr=False)
    _fingerprint: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", WindowReader(self.network, fusion=self.fusion))
        object.__setattr__(self, "_fingerprint", self.network.fingerprint())

    @classmethod
    def blank(cls, config: SegmenterConfig, *, encoder: str, seed: int = 0) -> Self:
        """Return an untrained head."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(round_weights(SegmenterNetwork(config)), encoder)

    def fit(
        self,
        images: Sequence[WindowedImage],
        masks: Sequence[Sequence[Mask | Footprint]],
        *,
        schedule: Schedule = FINE_TUNING,
        seed: int = 0,
        report: Report | None = None,
    ) -> Self:
        """Return a head that is fine-tuned on annotated masks; this head does not change.

        Parameters
        ----------
        images : sequence of WindowedImage
        masks : for each image, a sequence of Footprint, or of ndarray of bool, shape (height, width)
            Empty masks are left out.
        schedule : Schedule
            Length and learning rate of the training.
        seed : int
            Random seed of the examples and the simulated clicks.
        report : callable, optional
            Called after each step with its number and its loss.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_MASKS` masks, or if they equal the predictions of this head, as unedited predictions do.
        HeadError
            If the features of the images are from another encoder.
        ValueError
            If a mask has another size than its image.
        """
        footprints = []
        for image, masks_of_image in zip(images, masks, strict=True):
            self._check(image)
            footprints.append([cut for mask in masks_of_image if (cut := _footprint(mask, image.size)) is not None])
        count = sum(len(masks_of_image) for masks_of_image in footprints)
        if count < MINIMUM_MASKS:
            raise NotEnoughLabels(f"there are {count} masks, and at least {MINIMUM_MASKS} are needed to train")
        agreement = measure_agreement(self, images, footprints)
        if agreement >= SAME_ABOVE:
            raise NotEnoughLabels(
                f"the masks equal the predicted ones (mean overlap {agreement:.2f}): there is nothing to learn from them"
            )
        network = SegmenterNetwork(self.network.config)
        network.load_state_dict(self.network.state_dict())
        examples = endless_examples(images, footprints, config=network.config, seed=seed)
        trained_network = train_network(network, examples, schedule, seed=seed, report=report)
        return type(self)(round_weights(trained_network), self.encoder)

    def predict(self, image: WindowedImage, prompt: Prompt) -> tuple[Mask, float] | None:
        """Return the mask that a prompt selects, shape (height, width), and its expected intersection over union, 0 to 1.

        Positive clicks in a box, and all negative clicks, refine the object of that box. The result is the union of the objects
        of all boxes, of the mask, and of clicks outside the boxes. None if all prompts are on empty sky, or no prompt is
        positive.

        Raises
        ------
        HeadError
            If the features of the image are from another encoder.
        ImageError
            If the image is needed and cannot be read.
        """
        self._check(image)
        return answer_prompt(self._reader, image, prompt)

    def keeps_outline(self, source: Source) -> bool:
        """Return whether a detected object keeps the outline of source extraction."""
        return source.is_measured and max(source.crop.shape) < self.decoded_from_px

    def outline(self, image: WindowedImage, boxes: Sequence[Box]) -> list[WindowMask]:
        """Return the mask of the object in each box, in pixels of the image; the masks can overlap.

        Raises
        ------
        HeadError, ImageError
            As `predict`.
        ValueError
            If a box is not finite, has no area, or lies outside the image.
        """
        self._check(image)
        return cached_outlines(
            image,
            edges_of_boxes(boxes, image.size),
            network=self._fingerprint,
            decode=lambda boxes: masks_from_boxes(self._reader, image, boxes),
        )

    def prefetch(self, image: WindowedImage, boxes: Sequence[Box]) -> None:
        """Encode and cache the windows that clicks on the objects in these boxes need.

        Raises
        ------
        HeadError, ImageError, ValueError
            As `outline`.
        """
        self._check(image)
        prefetch(image, edges_of_boxes(boxes, image.size))

    def _check(self, image: WindowedImage) -> None:
        if image.fingerprint != self.encoder:
            raise HeadError(
                f"the masks were trained on the encoder {self.encoder}, not on {image.fingerprint}: train them again"
            )

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`, with weights as float16."""
        fields = {
            "encoder": self.encoder,
            "decoded_from_px": self.decoded_from_px,
            "config": asdict(self.network.config),
            "has_fusion": self.fusion is not None,
        }
        arrays = arrays_of(self.network) | ({} if self.fusion is None else arrays_of(_as_part(self.fusion)))
        storage.write(folder, head=NAME, fields=fields, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        decoded_from_px = (
            record.field("decoded_from_px", float) if "decoded_from_px" in record.fields else 0.0
        )  # not in old heads
        network = restore(SegmenterNetwork(record.build("config", _config)), record)
        has_fusion = "has_fusion" in record.fields and record.field("has_fusion", bool)  # not in old heads
        fusion = FusionNetwork() if has_fusion else None
        if fusion is not None:
            restore(_as_part(fusion), record)
        return cls(network, record.field("encoder", str), decoded_from_px, fusion)


def _as_part(fusion: FusionNetwork) -> nn.ModuleDict:
    """Return a network whose weights have the names of the arrays of a head."""
    return nn.ModuleDict({"fusion": fusion})


def _config(fields: dict[str, Any]) -> SegmenterConfig:
    numbers: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    config = SegmenterConfig(**numbers)
    integers = [*config.channels, config.light, config.width, config.hidden, config.cells, config.shown_px]
    if not all(isinstance(number, int) and 0 < number <= 4096 for number in integers):
        raise ValueError("sizes of a network are whole numbers above 0")
    if config.width % 16 or config.shown_px % config.cells:
        raise ValueError("the width is a multiple of 16, and a window is cut into whole cells")
    return config


def _footprint(mask: Mask | Footprint, size: Size) -> Footprint | None:
    """Crop a mask on an image of `size` (width, height) to its bounding box; return None if it is empty."""
    if isinstance(mask, Footprint):
        return mask
    if mask.shape != size[::-1]:
        raise ValueError(f"a mask of shape {mask.shape} does not fit an image of {size[0]}x{size[1]} pixels")
    return Footprint.of_mask(mask) if mask.any() else None
