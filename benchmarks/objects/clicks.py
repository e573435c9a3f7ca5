"""Masks of galaxies of survey scenes after one to three clicks of a simulated annotator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowEncoder
from backend.scenes.scene import SurveyScene
from benchmarks.objects.bins import OVERLAP_BINS, SNR_BINS, in_bin, interval, title_of
from benchmarks.prompts.clicking import click_through, prompt_of_clicks
from benchmarks.prompts.opponents import source_extraction
from benchmarks.prompts.remembered import RememberedWindows
from sync.geometry.shapes import Mask

__all__ = ["ClickedGalaxy", "click_by_extraction", "click_by_network", "click_rows"]

CLICKS = 3
SHOWN_CLICKS = (1, 3)
OBJECTS_A_SCENE = 6


@dataclass(frozen=True, slots=True)
class ClickedGalaxy:
    """Overlaps after each click on a galaxy of a scene, with its signal-to-noise ratio and overlap with others."""

    image: int
    snr: float
    overlap: float
    is_blended: bool
    ious: tuple[float, ...]


def click_by_network(
    head: PromptedMasks, encoder: WindowEncoder, scenes: Sequence[SurveyScene], *, least_area_px: int
) -> Iterator[ClickedGalaxy]:
    """Click on the first galaxies of each scene, with a prompted head."""
    for number, scene in enumerate(scenes):
        image = CachedWindowEncoder(RememberedWindows(encoder), None).of_pixels(scene.image)

        def segment(clicks: Sequence[Click], image=image, scene=scene) -> Mask:  # type: ignore[no-untyped-def]
            result = head.predict(image, prompt_of_clicks(image, clicks))
            return np.zeros(scene.image.shape[:2], bool) if result is None else result[0]

        yield from _click(number, scene, segment, least_area_px)


def click_by_extraction(scenes: Sequence[SurveyScene], *, least_area_px: int) -> Iterator[ClickedGalaxy]:
    """Click on the first galaxies of each scene, with the segments of source extraction."""
    for number, scene in enumerate(scenes):
        yield from _click(number, scene, source_extraction(scene.image), least_area_px)


def _click(number: int, scene: SurveyScene, segment, least_area_px: int) -> Iterator[ClickedGalaxy]:  # type: ignore[no-untyped-def]
    large = np.flatnonzero(scene.masks.sum(axis=(1, 2)) >= least_area_px)[:OBJECTS_A_SCENE]
    for index in large.tolist():
        series = click_through(segment, scene.masks[index], clicks=CLICKS, seed=index)
        ious = tuple(series.after(click) for click in range(1, CLICKS + 1))
        yield ClickedGalaxy(number, float(scene.snr[index]), float(scene.overlap[index]), bool(scene.is_blended[index]), ious)


def click_rows(name: str, galaxies: Sequence[ClickedGalaxy]) -> list[list[str]]:
    """Return the rows of a method: all galaxies, blends, and each bin."""
    snr, overlap = (np.asarray([getattr(galaxy, what) for galaxy in galaxies]) for what in ("snr", "overlap"))
    groups = {
        "all": np.ones(len(galaxies), bool),
        "blends": np.asarray([galaxy.is_blended for galaxy in galaxies], bool),
        **{f"S/N {title_of(edges)}": in_bin(snr, edges) for edges in SNR_BINS},
        **{f"overlap {title_of(edges)}": in_bin(overlap, edges) for edges in OVERLAP_BINS},
    }
    rows = []
    for title, members in groups.items():
        members_of_group = [galaxies[index] for index in np.flatnonzero(members)]
        cells = [
            interval([galaxy.ious[click - 1] for galaxy in members_of_group], [galaxy.image for galaxy in members_of_group])
            for click in SHOWN_CLICKS
        ]
        rows.append(
            [
                name,
                title,
                str(len(members_of_group)),
                *(f"{mean:.3f} ({low:.3f} to {high:.3f})" if members_of_group else "" for mean, low, high in cells),
            ]
        )
    return rows
