"""The learned detector: a network on the feature maps of the encoder, with its classes and its score threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from backend.heads import storage
from backend.heads.detection.box_scores import UNCALIBRATED, ScoreCalibration
from backend.heads.detection.fcos.merging import merge
from backend.heads.detection.fcos.network import NORM_GROUPS, DetectorConfig, DetectorNetwork, RawDetections
from backend.heads.detection.fcos.training import TileExample, examples_of, train_network
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.network_weights import arrays_of, restore, round_weights
from backend.heads.training import Report, Schedule
from backend.lvm.feature_maps import FeaturePyramid, Pyramids
from sync.geometry.corners import box_edges
from sync.geometry.shapes import Box

__all__ = ["FINE_TUNING", "LearnedDetector", "targets"]

NAME = "detector"
FINE_TUNING = Schedule(steps=40, rate=5e-4, batch=2 * 256**2)
"""A training of a few seconds on one core, for any number of images."""
DEFAULT_LEAST_SCORE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class LearnedDetector:
    """A detector of objects of some classes.

    Attributes
    ----------
    network : DetectorNetwork
        Frozen.
    classes : tuple of str
    encoder : str
        Fingerprint of the encoder whose feature maps it was trained on.
    least_score : float
        Objects with a lower score are not predicted.
    calibration : ScoreCalibration
        Calibration of the scores of the network.
    preferred : bool
        Whether a shipped detector was better than source extraction on validation images.
    evidence : mapping of str to float
        Metrics on validation images.
    """

    network: DetectorNetwork
    classes: tuple[str, ...]
    encoder: str
    least_score: float = DEFAULT_LEAST_SCORE
    calibration: ScoreCalibration = UNCALIBRATED
    preferred: bool = False
    evidence: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def blank(cls, pyramids: Pyramids, classes: Sequence[str], *, seed: int = 0) -> Self:
        """Return an untrained detector.

        Parameters
        ----------
        pyramids : Pyramids
            Give the shape of the feature maps, and the fingerprint of the encoder.
        classes : sequence of str
        seed : int
            Random seed of the initial weights.

        Raises
        ------
        ValueError
            If there is no class.
        """
        if not classes:
            raise ValueError("a detector needs at least one class")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = DetectorNetwork(DetectorConfig(pyramids.channels, pyramids.strides, len(classes)))
        return cls(round_weights(network), tuple(classes), pyramids.fingerprint)

    def for_classes(self, classes: Sequence[str]) -> Self:
        """Return the detector for other classes, each with the weights of the first class of this detector.

        Raises
        ------
        ValueError
            If there is no class.
        """
        if not classes:
            raise ValueError("a detector needs at least one class")
        if tuple(classes) == self.classes:
            return self
        network = self.network.for_classes(len(classes)).requires_grad_(False)
        return replace(self, network=network, classes=tuple(classes))

    def fit(
        self,
        feature_pyramids: Sequence[FeaturePyramid],
        boxes: Sequence[Sequence[tuple[Box, str]]],
        *,
        schedule: Schedule = FINE_TUNING,
        seed: int = 0,
        report: Report | None = None,
    ) -> Self:
        """Return a detector that is fine-tuned on further images; this detector does not change.

        Parameters
        ----------
        feature_pyramids : sequence of FeaturePyramid
            Feature maps of the images.
        boxes : for each image, a sequence of (box, label)
            Boxes in pixels of the image.
        schedule : Schedule
            Length and learning rate of the training.
        seed : int
            Random seed of the order of the examples.
        report : callable, optional
            Called after each step with its number and its loss.

        Raises
        ------
        NotEnoughLabels
            If no box lies inside its image.
        HeadError
            If the feature maps are from another encoder.
        """
        examples: list[TileExample] = []
        for pyramid, drawn_boxes in zip(feature_pyramids, boxes, strict=True):
            self._check(pyramid)
            examples += examples_of(pyramid, *targets(drawn_boxes, self.classes))
        if not any(len(example.boxes) for example in examples):
            raise NotEnoughLabels(
                f"no box lies in any of the {len(feature_pyramids)} annotated images: at least one is needed to train"
            )
        with torch.random.fork_rng(devices=[]):
            network = self.network.for_classes(len(self.classes))
        trained_network = train_network(network, examples, schedule, seed=seed, report=report)
        return replace(self, network=round_weights(trained_network), preferred=False, evidence={})

    def predict(self, pyramid: FeaturePyramid) -> RawDetections:
        """Return the candidate objects of an image, in pixels of the image, by descending score.

        The caller removes objects with a score below `least_score`.

        Raises
        ------
        HeadError
            If the feature maps are from another encoder.
        ImageError
            If the image cannot be read.
        """
        self._check(pyramid)
        return merge(((tile, self.network(levels, size=tile.scaled_size)) for tile, levels in pyramid), pyramid.size)

    def _check(self, pyramid: FeaturePyramid) -> None:
        if pyramid.fingerprint != self.encoder:
            raise HeadError(
                f"the detector was trained on the encoder {self.encoder}, not on {pyramid.fingerprint}: train it again"
            )

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`, with weights as float16."""
        fields = {
            "classes": list(self.classes),
            "encoder": self.encoder,
            "least_score": self.least_score,
            "calibration": asdict(self.calibration),
            "preferred": self.preferred,
            "evidence": dict(self.evidence),
            "config": asdict(self.network.config),
        }
        storage.write(folder, head=NAME, fields=fields, arrays=arrays_of(self.network))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a detector that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        config = record.build("config", _config)
        classes = record.names("classes")
        if len(classes) != config.classes:
            raise HeadError(f"the detector in {folder} names {len(classes)} classes, and its network has {config.classes}")
        return cls(
            restore(DetectorNetwork(config), record),
            classes,
            record.field("encoder", str),
            record.field("least_score", float),
            ScoreCalibration.from_record(record),
            record.field("preferred", bool),
            record.field("evidence", dict),
        )


def targets(drawn_boxes: Sequence[tuple[Box, str]], classes: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return the edges of boxes, shape (n, 4), and the indices of their labels, shape (n,), without invalid boxes."""
    edges = torch.from_numpy(box_edges([box for box, _ in drawn_boxes])).float()
    labels = torch.tensor([list(classes).index(label) for _, label in drawn_boxes], dtype=torch.int64)
    valid = torch.isfinite(edges).all(dim=1) & (edges[:, 2:] > edges[:, :2]).all(dim=1)
    return edges[valid], labels[valid]


def _config(fields: dict[str, Any]) -> DetectorConfig:
    numbers: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    config = DetectorConfig(**numbers)
    integers = [*config.channels, *config.strides, config.classes, config.width, config.convolutions]
    if not all(isinstance(number, int) and 0 < number <= 4096 for number in integers) or math.prod(config.channels) <= 0:
        raise ValueError("sizes of a network are whole numbers above 0")
    if len(config.channels) != len(config.strides) or config.width % NORM_GROUPS:
        raise ValueError(f"each feature map has a stride, and the width is a multiple of {NORM_GROUPS}")
    return config
