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
from benchmarks.objects.bins import OVERLAP_BINS, SNR_BINS, in_bin, title_of
from sync.geometry.overlap import box_overlaps

__all__ = ["DetectedGalaxies", "detect_by_photutils", "detection_rows", "match"]

LEAST_IOU, NEAR_PX, LEAST_SNR = 0.5, 2.5, 10.0
SMOOTHING_PX, THRESHOLD_SIGMA, LEAST_AREA_PX, CONTRAST = 1.5, 3.0, 12, 0.001


@dataclass(frozen=True, slots=True, eq=False)
class DetectedGalaxies:
    """Galaxies of all scenes and whether each was detected, and the number of false detections.

    Attributes
    ----------
    snr, overlap : ndarray, shape (n,)
    by_box, by_place : ndarray of bool, shape (n,)
        Whether a detection matches, by the overlap of boxes or by position.
    false_by_box, false_by_place : int
    """

    snr: NDArray[np.float64]
    overlap: NDArray[np.float64]
    by_box: NDArray[np.bool_]
    by_place: NDArray[np.bool_]
    false_by_box: int
    false_by_place: int


def match(scenes: Sequence[SurveyScene], finds: Sequence[Finds], *, least_score: float) -> DetectedGalaxies:
    """Match the detections above a score with the galaxies of each scene, each with at most one."""
    hits: dict[str, list[NDArray[np.bool_]]] = {"box": [], "place": []}
    false_count = {"box": 0, "place": 0}
    for scene, (boxes, scores) in zip(scenes, finds, strict=True):
        boxes = boxes[scores >= least_score]
        scores = scores[scores >= least_score]
        for how, weights in (("box", _box_weights(scene, boxes)), ("place", _place_weights(scene, boxes))):
            hit, free = _assign(weights, scores)
            hits[how].append(hit)
            at_faint = _near(boxes, scene.faint_places)
            false_count[how] += int((free & ~at_faint).sum())
    return DetectedGalaxies(
        np.concatenate([scene.snr for scene in scenes]),
        np.concatenate([scene.overlap for scene in scenes]),
        np.concatenate(hits["box"]),
        np.concatenate(hits["place"]),
        false_count["box"],
        false_count["place"],
    )


def detection_rows(name: str, result: DetectedGalaxies) -> list[list[str]]:
    """Return the rows of a method: galaxies above the signal-to-noise limit, and the completeness in each bin."""
    bright = result.snr >= LEAST_SNR
    rows = [[name, f"S/N above {LEAST_SNR:g}", str(int(bright.sum()))]]
    for hit, false in ((result.by_place, result.false_by_place), (result.by_box, result.false_by_box)):
        hit_count, total = int((hit & bright).sum()), int(bright.sum())
        errors = false + total - hit_count
        rows[0] += [
            f"{hit_count / max(total, 1):.3f}",
            f"{hit_count / max(hit_count + false, 1):.3f}",
            f"{errors / max(total + false, 1):.3f}",
        ]
    groups = {f"S/N {title_of(edges)}": in_bin(result.snr, edges) for edges in SNR_BINS}
    groups |= {f"overlap {title_of(edges)}, S/N above 10": in_bin(result.overlap, edges) & bright for edges in OVERLAP_BINS}
    for title, members in groups.items():
        shares = [f"{hit[members].mean():.3f}" if members.any() else "" for hit in (result.by_place, result.by_box)]
        rows.append([name, title, str(int(members.sum())), shares[0], "", "", shares[1], "", ""])
    return rows


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
