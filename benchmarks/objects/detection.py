"""Completeness and purity of detections in survey scenes.

A detection matches the galaxy with the largest overlap of boxes, if that is at least `LEAST_IOU`, or by position: its centre
lies in the galaxy's mask or within `NEAR_PX` of its centre. A detection that matches no listed galaxy, and lies at no faint
or hidden one, is false. Purity is the share of galaxies above the signal-to-noise limit in the sum of those that were
detected and the false detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.scenes.scene import SurveyScene
from benchmarks.detection.scores import Boxes, Finds
from benchmarks.objects.bins import DRAWS, OVERLAP_BINS, SNR_BINS, in_bin, title_of
from sync.geometry.overlap import box_overlaps

__all__ = ["DetectedGalaxies", "choose_least_score", "detect_by_photutils", "detection_rows", "match"]

LEAST_IOU, NEAR_PX, LEAST_SNR = 0.5, 2.5, 10.0
THRESHOLDS = 40
SMOOTHING_PX, THRESHOLD_SIGMA, LEAST_AREA_PX, CONTRAST = 1.5, 3.0, 12, 0.001


@dataclass(frozen=True, slots=True, eq=False)
class DetectedGalaxies:
    """Galaxies of all scenes and whether each was detected, and the number of false detections of each scene.

    Attributes
    ----------
    image : ndarray of int, shape (n,)
        Index of the scene of each galaxy.
    snr, overlap : ndarray, shape (n,)
    by_box, by_place : ndarray of bool, shape (n,)
        Whether a detection matches, by the overlap of boxes or by position.
    false_by_box, false_by_place : ndarray of int, shape (scenes,)
    """

    image: NDArray[np.intp]
    snr: NDArray[np.float64]
    overlap: NDArray[np.float64]
    by_box: NDArray[np.bool_]
    by_place: NDArray[np.bool_]
    false_by_box: NDArray[np.intp]
    false_by_place: NDArray[np.intp]


def match(scenes: Sequence[SurveyScene], finds: Sequence[Finds], *, least_score: float) -> DetectedGalaxies:
    """Match the detections above a score with the galaxies of each scene, each with at most one."""
    hits: dict[str, list[NDArray[np.bool_]]] = {"box": [], "place": []}
    false_counts: dict[str, list[int]] = {"box": [], "place": []}
    for scene, (boxes, scores) in zip(scenes, finds, strict=True):
        boxes = boxes[scores >= least_score]
        scores = scores[scores >= least_score]
        for how, weights in (("box", _box_weights(scene, boxes)), ("place", _place_weights(scene, boxes))):
            hit, free = _assign(weights, scores)
            hits[how].append(hit)
            at_faint = _near(boxes, scene.faint_places)
            false_counts[how].append(int((free & ~at_faint).sum()))
    return DetectedGalaxies(
        np.repeat(np.arange(len(scenes)), [len(scene) for scene in scenes]),
        np.concatenate([scene.snr for scene in scenes]),
        np.concatenate([scene.overlap for scene in scenes]),
        np.concatenate(hits["box"]),
        np.concatenate(hits["place"]),
        np.asarray(false_counts["box"], np.intp),
        np.asarray(false_counts["place"], np.intp),
    )


def choose_least_score(scenes: Sequence[SurveyScene], finds: Sequence[Finds]) -> float:
    """Return the score threshold with the smallest error by position, among `THRESHOLDS` quantiles of the scores."""
    scores = np.concatenate([score for _, score in finds])
    if not len(scores):
        return 0.0
    least = np.unique(np.quantile(scores, np.linspace(0, 1, THRESHOLDS)))
    errors = []
    for threshold in least.tolist():
        result = match(scenes, finds, least_score=threshold)
        bright = result.snr >= LEAST_SNR
        false = int(result.false_by_place.sum())
        errors.append(1 - int(result.by_place[bright].sum()) / max(int(bright.sum()) + false, 1))
    return float(least[int(np.argmin(errors))])


def detection_rows(name: str, result: DetectedGalaxies) -> list[list[str]]:
    """Return the rows of a method: galaxies above the signal-to-noise limit, and the completeness in each bin."""
    bright = result.snr >= LEAST_SNR
    rows = [[name, f"S/N above {LEAST_SNR:g}", str(int(bright.sum()))]]
    for hit, false in ((result.by_place, result.false_by_place), (result.by_box, result.false_by_box)):
        hits, totals = (np.bincount(result.image[members], minlength=len(false)) for members in (hit & bright, bright))
        rows[0] += [
            _share(hits, totals),
            _share(hits, hits + false),
            _share(false + totals - hits, totals + false),
        ]
    groups = {f"S/N {title_of(edges)}": in_bin(result.snr, edges) for edges in SNR_BINS}
    groups |= {f"overlap {title_of(edges)}, S/N above 10": in_bin(result.overlap, edges) & bright for edges in OVERLAP_BINS}
    for title, members in groups.items():
        shares = [f"{hit[members].mean():.3f}" if members.any() else "" for hit in (result.by_place, result.by_box)]
        rows.append([name, title, str(int(members.sum())), shares[0], "", "", shares[1], "", ""])
    return rows


def _share(parts: NDArray[np.intp], totals: NDArray[np.intp]) -> str:
    """Return the sum of `parts` by that of `totals`, of each scene, with its 95 % interval from a bootstrap over the scenes."""
    samples = np.random.default_rng(0).integers(len(parts), size=(DRAWS, len(parts)))
    shares = parts[samples].sum(axis=1) / np.maximum(totals[samples].sum(axis=1), 1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return f"{parts.sum() / max(int(totals.sum()), 1):.3f} ({low:.3f} to {high:.3f})"


def detect_by_photutils(scenes: Sequence[SurveyScene]) -> list[Finds]:
    """Return the sources of photutils, by threshold and deblending, with their peak signal-to-noise ratio as score."""
    from astropy.stats import sigma_clipped_stats
    from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources

    finds: list[Finds] = []
    for scene in scenes:
        smooth = ndimage.gaussian_filter(scene.image.mean(axis=2, dtype=np.float64), SMOOTHING_PX)
        _, level, noise = sigma_clipped_stats(smooth, sigma=3.0)
        noise = max(noise, 1 / 255)
        light = smooth - level
        segments = detect_sources(light, THRESHOLD_SIGMA * noise, LEAST_AREA_PX)
        if segments is None:
            finds.append((np.zeros((0, 4)), np.zeros(0)))
            continue
        catalog = SourceCatalog(light, deblend_sources(light, segments, LEAST_AREA_PX, contrast=CONTRAST, progress_bar=False))
        edges = [(box.ixmin, box.iymin, box.ixmax, box.iymax) for box in catalog.bbox]
        finds.append((np.asarray(edges, np.float64).reshape(-1, 4), np.asarray(catalog.max_value / noise, np.float64)))
    return finds


def _box_weights(scene: SurveyScene, boxes: Boxes) -> NDArray[np.float64]:
    """Return the overlap of each detection with each galaxy, 0 below the limit, shape (detections, galaxies)."""
    overlaps = box_overlaps(boxes, scene.boxes.astype(np.float64))
    return np.where(overlaps >= LEAST_IOU, overlaps, 0)


def _place_weights(scene: SurveyScene, boxes: Boxes) -> NDArray[np.float64]:
    """Return 1 / (1 + distance) of each detection from each galaxy, 0 where it lies elsewhere, shape (detections, galaxies)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    weights = np.zeros((len(boxes), len(scene)))
    height, width = scene.image.shape[:2]
    columns, rows = (np.clip(centres[:, axis].astype(int), 0, side - 1) for axis, side in ((0, width), (1, height)))
    for index, mask in enumerate(scene.masks):
        middle = np.argwhere(mask).mean(axis=0)[::-1] + 0.5
        distance = np.hypot(*(centres - middle).T)
        weights[:, index] = np.where(mask[rows, columns] | (distance <= NEAR_PX), 1 / (1 + distance), 0)
    return weights


def _assign(weights: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Assign detections, highest score first, to the free galaxy with the largest weight; return hits and unassigned ones."""
    free_weights, hit, is_free = weights.copy(), np.zeros(weights.shape[1], bool), np.ones(len(scores), bool)
    for row in np.argsort(-scores, kind="stable").tolist() if weights.shape[1] else []:
        column = int(free_weights[row].argmax())
        if free_weights[row, column] > 0:
            hit[column], is_free[row] = True, False
            free_weights[:, column] = 0
    return hit, is_free


def _near(boxes: Boxes, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which detections contain one of the places within `NEAR_PX` of their centre."""
    if not len(boxes) or not len(places):
        return np.zeros(len(boxes), bool)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near: NDArray[np.bool_] = (np.hypot(*(centres[:, None] - places[None]).transpose(2, 0, 1)) <= NEAR_PX).any(axis=1)
    return near
