"""Methods of the detection benchmark: each is trained on some scenes and then detects galaxies in others."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.extraction.extract import extract
from backend.heads.training import Schedule
from backend.images.store import StoredImage
from backend.lvm.checkpoint import fingerprint, load_encoder
from backend.lvm.feature_maps import Pyramids
from backend.prediction.factory import BASE_DETECTOR
from backend.scenes.scene import Scene
from benchmarks.detection.networks import Recipe, build_frozen, build_resnet50, find, train
from benchmarks.detection.scenes import Scenes
from benchmarks.detection.scores import Finds
from sync.files.cache import FileCache, key_of
from sync.geometry.corners import box_edges
from sync.geometry.shapes import Box

__all__ = ["METHODS", "Bench", "Method"]

CLASSES = ("galaxy",)
RECIPE = Recipe()
HEAD_RATE = 1e-3
CACHE_BYTES = 4 * 2**30

Finder = Callable[[Sequence[Scene]], list[Finds]]


@dataclass(frozen=True)
class Bench:
    """Scenes, encoder checkpoint and cache that the methods share.

    Attributes
    ----------
    scenes : Scenes
    checkpoint : Path
        Checkpoint of the encoder.
    cache : Path
        Folder of the cached feature maps of the product's own head.
    """

    scenes: Scenes
    checkpoint: Path
    cache: Path

    @cached_property
    def pyramids(self) -> Pyramids:
        """Return the encoder's feature pyramids, as the product uses them."""
        cache = FileCache(self.cache, max_bytes=CACHE_BYTES)
        return Pyramids(load_encoder(self.checkpoint), cache, fingerprint=self.encoder)

    @cached_property
    def encoder(self) -> str:
        """Return the fingerprint of the encoder's weights."""
        return fingerprint(self.checkpoint)

    @cached_property
    def shipped_detector(self) -> LearnedDetector | None:
        """Return the detector that the product ships, or None if it was not trained on this encoder."""
        detector = LearnedDetector.load(BASE_DETECTOR) if BASE_DETECTOR.is_dir() else None
        return detector if detector is not None and detector.encoder == self.encoder else None


@dataclass(frozen=True, slots=True)
class Method:
    """One way to detect galaxies.

    Attributes
    ----------
    title : str
        Name in the table.
    learn : callable
        Train on scenes: from the bench, the training scenes and a seed to a finder.
    learns : bool
        Whether the method is trained here. If False, it has one cell, with no scene.
    uses_encoder : bool
        Whether the cells depend on the encoder's checkpoint.
    """

    title: str
    learn: Callable[[Bench, Sequence[Scene], int], Finder]
    learns: bool = True
    uses_encoder: bool = True

    def setting(self, bench: Bench) -> str:
        """Return the setting of the cells; cells with different settings are not comparable."""
        return f"scenes {bench.scenes.fingerprint}; {asdict(RECIPE)}; encoder {bench.encoder if self.uses_encoder else 'none'}"


def _resnet50(bench: Bench, scenes: Sequence[Scene], seed: int) -> Finder:
    torch.manual_seed(seed)
    network = train(build_resnet50(bench.scenes.side), scenes, recipe=RECIPE, seed=seed)
    return lambda others: find(network, others)


def _lvm(bench: Bench, scenes: Sequence[Scene], seed: int) -> Finder:
    torch.manual_seed(seed)
    encoder = load_encoder(bench.checkpoint)
    network = train(build_frozen(bench.scenes.side, encoder), scenes, recipe=RECIPE, seed=seed)
    return lambda others: find(network, others)


def _head(bench: Bench, scenes: Sequence[Scene], seed: int) -> Finder:
    schedule = Schedule(steps=RECIPE.steps(len(scenes)), rate=HEAD_RATE, batch=4 * 256**2)
    looks = [bench.pyramids.of(_stored_image(scene)) for scene in scenes]
    blank = LearnedDetector.blank(bench.pyramids, CLASSES, seed=seed)
    return _detect_by_network(bench, blank.fit(looks, [_label_boxes(scene) for scene in scenes], schedule=schedule, seed=seed))


def _use_shipped(bench: Bench, scenes: Sequence[Scene], seed: int) -> Finder:
    if bench.shipped_detector is None:
        raise LookupError(f"there is no detector in {BASE_DETECTOR} that was trained on the encoder {bench.encoder}")
    return _detect_by_network(bench, bench.shipped_detector)


def _detect_by_network(bench: Bench, detector: LearnedDetector) -> Finder:
    def detect(others: Sequence[Scene]) -> list[Finds]:
        detections = [detector.predict(bench.pyramids.of(_stored_image(scene))) for scene in others]
        return [(detection.boxes.double().numpy(), detection.scores.double().numpy()) for detection in detections]

    return detect


def _extraction(bench: Bench, scenes: Sequence[Scene], seed: int) -> Finder:
    return _detect_by_extraction(SourceDetector.base(CLASSES))


def _fitted_extraction(bench: Bench, scenes: Sequence[Scene], seed: int) -> Finder:
    images, boxes = [scene.image for scene in scenes], [_label_boxes(scene) for scene in scenes]
    return _detect_by_extraction(SourceDetector.fit(images, boxes, classes=CLASSES, seed=seed))


def _detect_by_extraction(detector: SourceDetector) -> Finder:
    base_head = replace(detector, least_score=0.0)  # as for the networks: one later step chooses the threshold of every method

    def detect(others: Sequence[Scene]) -> list[Finds]:
        finds = []
        for scene in others:
            sources = extract(scene.image, settings=base_head.settings).sources
            detections = base_head.select(sources, size=(scene.image.shape[1], scene.image.shape[0]))
            finds.append(
                (
                    box_edges([detection.source.box for detection in detections]),
                    np.array([detection.score for detection in detections]),
                )
            )
        return finds

    return detect


def _label_boxes(scene: Scene) -> list[tuple[Box, str]]:
    """Return the boxes of a scene as labelled boxes."""
    return [(Box(left, top, right - left, bottom - top), CLASSES[0]) for left, top, right, bottom in scene.boxes.tolist()]


def _stored_image(scene: Scene) -> StoredImage:
    """Return a scene as a stored image that the product opens."""
    with io.BytesIO() as file:
        Image.fromarray(np.rint(scene.image * 255).astype(np.uint8)).save(file, "PNG")
        content = file.getvalue()
    return StoredImage(key_of(content), lambda: content, scene.image.shape[0] * scene.image.shape[1])


METHODS = {
    "extraction": Method("source extraction, untrained", _extraction, learns=False, uses_encoder=False),
    "extraction_fitted": Method("source extraction, fitted", _fitted_extraction, uses_encoder=False),
    "resnet50": Method("Mask R-CNN, ResNet50 from scratch", _resnet50, uses_encoder=False),
    "lvm": Method("Mask R-CNN, LVM frozen", _lvm),
    "head": Method("the product's head, LVM frozen", _head),
    "shipped": Method("the product's shipped head", _use_shipped, learns=False),
}
