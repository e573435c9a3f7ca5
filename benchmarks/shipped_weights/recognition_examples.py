"""Examples for the recognition network: the candidates of scenes, with their kinds.

Survey scenes give galaxies, stars and fragments; deep fields among them give compact galaxies. The older scenes
(`backend.scenes.generator`) add human outlines and more survey frames; they list neither faint galaxies nor stars, so a bright
candidate at none of their galaxies is only no galaxy.
Some scenes are enlarged, and some have a black sky, as cut-outs for people do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from backend.heads.extraction.recognition.candidates import SourceCandidates, find_candidates
from backend.heads.extraction.recognition.patches import StretchedPlanes
from backend.heads.extraction.recognition.profiles import profiles_of
from backend.heads.extraction.sky import GREY_LEVEL
from backend.scenes.exposures import SurveySceneGenerator
from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import Scene, SurveyScene
from sync.images.background import median_and_spread

__all__ = ["FRAGMENT", "GALAXY", "NO_GALAXY", "UNKNOWN", "Examples", "examples_of_scenes", "examples_of_surveys"]

T = TypeVar("T", bound=Scene)

GALAXY, STAR, FRAGMENT, NO_GALAXY, UNKNOWN = 0, 1, 2, 3, -1
"""Kinds as the network counts them; `NO_GALAXY` is a star or a fragment."""
NEAR_PX = 2.5
MOST_CANDIDATES = 150
ENLARGED, LARGEST_ENLARGED_PX = (1.3, 4.0), 300
BLACK_SHARE = 0.5
"""Share of the enlarged scenes whose sky is black."""
LISTED_SNR = 14.0
"""Peak, in units of the noise and at least of a grey level, from which the older scenes list a galaxy."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The candidates of one image: profiles, shape (n, PROFILE_LENGTH), and kinds, shape (n,)."""

    profiles: NDArray[np.float32]
    kinds: NDArray[np.int8]


def examples_of_surveys(
    generator: SurveySceneGenerator, seeds: range, *, sides: Sequence[int], enlarged_share: float
) -> Iterator[Examples]:
    """Yield the examples of survey scenes, of which a share `enlarged_share` is enlarged; seeds have these sides in turn."""
    for seed in seeds:
        scene = generator.draw(seed, sides[seed % len(sides)])
        rng = np.random.default_rng([0, seed])
        if rng.random() < enlarged_share:
            scene = _change(scene, rng)
        candidates = find_candidates(scene.image)
        if len(candidates.rows):
            yield _cut(scene.image, candidates, _kinds_in_survey(scene, candidates))


def examples_of_scenes(generator: SceneGenerator, seeds: range) -> Iterator[Examples]:
    """Yield the examples of the older scenes, each as it is and enlarged."""
    scenes = ((generator.draw(seed, 192), np.random.default_rng([0, seed])) for seed in seeds)
    for scene in (version for first, rng in scenes for version in (first, _change(first, rng))):
        candidates = find_candidates(scene.image)
        if not len(candidates.rows):
            continue
        owners = _owners(scene)
        kinds = _kinds(owners, candidates)
        peaks = candidates.brightness[candidates.rows, candidates.columns] / max(candidates.noise / 1.5, GREY_LEVEL)
        is_unlisted = (peaks < LISTED_SNR) & (owners[candidates.rows, candidates.columns] == 0)
        kinds[kinds == FRAGMENT] = NO_GALAXY
        kinds[(kinds == NO_GALAXY) & is_unlisted] = UNKNOWN
        yield _cut(scene.image, candidates, kinds)


def _cut(image: NDArray[np.float32], candidates: SourceCandidates, kinds: NDArray[np.int8]) -> Examples:
    """Return the profiles and kinds of the brightest candidates."""
    numbers = np.arange(min(len(kinds), MOST_CANDIDATES))
    patches = torch.from_numpy(StretchedPlanes.of(image, candidates).cut(numbers))
    return Examples(profiles_of(patches).numpy(), kinds[numbers])


def _owners(scene: Scene) -> NDArray[np.int16]:
    """Return the number of the galaxy, from 1, of each pixel; where masks overlap, the smaller one's."""
    owners = np.zeros(scene.image.shape[:2], np.int16)
    for index in np.argsort([-int(mask.sum()) for mask in scene.masks], kind="stable").tolist():
        owners[scene.masks[index]] = index + 1
    return owners


def _kinds(owners: NDArray[np.int16], candidates: SourceCandidates) -> NDArray[np.int8]:
    """Return `GALAXY` for the brightest candidate in each galaxy, `FRAGMENT` for all others."""
    kinds = np.full(len(candidates.rows), FRAGMENT, np.int8)
    owner = owners[candidates.rows, candidates.columns]
    first = np.unique(owner, return_index=True)[1]  # candidates come brightest first
    kinds[[index for index in first.tolist() if owner[index] > 0]] = GALAXY
    return kinds


def _kinds_in_survey(scene: SurveyScene, candidates: SourceCandidates) -> NDArray[np.int8]:
    """Return the kinds with stars; a candidate at a galaxy too faint for a mask is `UNKNOWN`."""
    kinds = _kinds(_owners(scene), candidates)
    for place in scene.star_places:
        distances = _distances(candidates, place)
        nearest = int(distances.argmin())
        if distances[nearest] <= NEAR_PX and kinds[nearest] == FRAGMENT:
            kinds[nearest] = STAR
    for place in scene.faint_places:
        kinds[(_distances(candidates, place) <= NEAR_PX) & (kinds == FRAGMENT)] = UNKNOWN
    return kinds


def _distances(candidates: SourceCandidates, place: NDArray[np.float64]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.hypot(candidates.columns + 0.5 - place[0], candidates.rows + 0.5 - place[1])
    return distances


def _change(scene: T, rng: np.random.Generator) -> T:
    """Return a window of the scene with smaller pixels, some with a black sky; boxes and measures are those before."""
    side = len(scene.image)
    factor = math.exp(rng.uniform(*np.log(ENLARGED)))
    cut = min(side, int(LARGEST_ENLARGED_PX / factor))
    top, left = (int(rng.integers(0, side - cut + 1)) for _ in range(2))
    new_side = round(cut * factor)
    window = np.s_[top : top + cut, left : left + cut]
    grey_levels = np.rint(scene.image[window] * 255).astype(np.uint8)
    image = np.asarray(Image.fromarray(grey_levels).resize((new_side, new_side), Image.Resampling.BICUBIC), np.float32) / 255
    masks = [
        np.asarray(Image.fromarray(mask[window]).resize((new_side, new_side), Image.Resampling.NEAREST)) for mask in scene.masks
    ]
    if rng.random() < BLACK_SHARE:
        level, spread = median_and_spread(image.mean(axis=2))
        black = level + rng.uniform(-1, 2) * spread
        image = ((image - black) * rng.uniform(0.8, 1.3) / max(1 - black, 0.1)).clip(0, 1)
        image = np.rint(image * 255) / 255
    places = {
        name: (getattr(scene, name) - [left, top]) * (new_side / cut)
        for name in ("faint_places", "star_places")
        if isinstance(scene, SurveyScene)
    }
    return replace(
        scene, image=image.astype(np.float32), masks=np.asarray(masks, bool).reshape(-1, new_side, new_side), **places
    )
