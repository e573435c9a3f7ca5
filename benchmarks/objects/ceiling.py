"""How good masks of blends in survey scenes can be: with noise alone, and with fitted profiles of all galaxies.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.objects.ceiling DATA [--part val] [--scenes 160]
(DATA holds fields/, hst_cosmos/ and structure_priors/: docs/scenes.md; a minute of one core for 160 scenes)

Both methods know more than a click tells, and see linear light with white noise instead of a stretched picture in 8 bits:

- *noise alone*: the true share of each galaxy in each pixel is known. Its own light, with noise, is smoothed and cut at the
  stated surface brightness.
- *fitted profiles*: number and approximate places, sizes and fluxes of all galaxies, and the point spread function, are known;
  all other objects are subtracted without error. Sersic profiles are fitted to the blend, and divide its light.

The blends are those of `benchmarks.objects.clicks`. Only `test` writes its section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from backend.scenes.contents import PlacedObject
from backend.scenes.exposures import ISOPHOTE_SIGMA, Exposure
from backend.scenes.folders import survey_generator_of
from benchmarks.objects.bins import interval
from benchmarks.objects.clicks import OBJECTS_A_SCENE
from benchmarks.objects.profile_fit import PARAMETERS, fit_profiles, measure_profile
from benchmarks.objects.run import FIRST_SEED, LEAST_AREA_PX, SIDES
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.geometry.overlap import mask_overlap

NAME = "objects_ceiling"
SMOOTHING_PX = 1.0
"""Standard deviation of the Gaussian that smooths the noise; of 0.7, 1 and 1.5 the best for both methods on blends of `val`."""
BORDER_PX = 6
MOST_GALAXIES = 7
START_SCATTER = (0.3, 0.3, 0.1, 0.1, 0.0, 0.0, 0.0)
"""Errors of the first parameters of the fit."""

Planes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Overlaps with the true mask of one blended galaxy."""

    image: int
    noise_alone: float
    fitted_profiles: float


def main() -> None:
    """Measure, print and, for the test part, write the table."""
    options = _options()
    start_s = time.process_time()
    generator, first = survey_generator_of(options.data, part=options.part), FIRST_SEED[options.part]
    ceilings: list[Ceiling] = []
    for index in range(options.scenes):
        ceilings += ceilings_of(index, generator.draw_exposure(first + index, SIDES[index % len(SIDES)]))
    images, rows = [ceiling.image for ceiling in ceilings], []
    for name in ("noise alone", "fitted profiles"):
        overlaps = [getattr(ceiling, name.replace(" ", "_")) for ceiling in ceilings]
        mean, low, high = interval(overlaps, images)
        rows.append([name, str(len(overlaps)), f"{mean:.3f} ({low:.3f} to {high:.3f})", f"{np.median(overlaps):.3f}"])
    table = markdown_table(("known", "blends", "IoU, mean", "median"), rows, title="How good masks of blends can be")
    minutes = (time.process_time() - start_s) / 60
    Console(width=200).print(f"{table}\n{minutes:.1f} minutes of one core", markup=False)
    if options.part == "test":
        intro = f"{options.scenes} scenes of the test part. One run on {machine_line()}, {minutes:.0f} minutes of one core."
        write_numbers(NAME, {"machine": machine_line(), "scenes": options.scenes, "table": table})
        write_section(NAME, f"{intro}\n\n{table}")


def ceilings_of(number: int, exposure: Exposure) -> Iterator[Ceiling]:
    """Measure the blends among the first galaxies of a scene, which has this number."""
    scene = exposure.scene
    large = np.flatnonzero(scene.masks.sum(axis=(1, 2)) >= LEAST_AREA_PX)[:OBJECTS_A_SCENE]
    blends = [index for index in large.tolist() if scene.is_blended[index]]
    if not blends:
        return
    side, limit = len(scene.image), ISOPHOTE_SIGMA * scene.noise
    galaxies = _planes([item for item in exposure.objects if item.kind != "star"], side)
    stars = _planes([item for item in exposure.objects if item.kind == "star"], side)
    planes = np.concatenate([galaxies, stars])
    owner, noise = planes.argmax(axis=0), np.random.default_rng([11, number]).normal(0, scene.noise, (side, side))
    for index in blends:
        mask = scene.masks[index]
        own = int(np.bincount(owner[mask]).argmax())
        alone = (_smooth(planes[own] + noise) > limit) & (owner == own)
        by_profiles = _mask_by_profiles(exposure, planes, len(galaxies), own, noise=noise)
        yield Ceiling(number, mask_overlap(alone, mask), mask_overlap(by_profiles, mask))


def _mask_by_profiles(exposure: Exposure, planes: Planes, galaxies: int, own: int, *, noise: Planes) -> NDArray[np.bool_]:
    """Return the mask of the galaxy with the number `own` from profiles that are fitted to it and to its neighbours."""
    scene, psf = exposure.scene, exposure.psf.astype(np.float64)
    limit = ISOPHOTE_SIGMA * scene.noise
    parts, _ = ndimage.label((planes[:galaxies] > limit).any(axis=0))
    blend = parts == parts[np.unravel_index(int(planes[own].argmax()), noise.shape)]
    light_in_blend = (planes[:galaxies] * (blend & (planes[:galaxies] > limit))).sum(axis=(1, 2))
    members = [index for index in np.argsort(-light_in_blend)[:MOST_GALAXIES].tolist() if light_in_blend[index] > 0]
    members = members if own in members else [*members[:-1], own]
    rows, columns = (slice(max(places.min() - BORDER_PX, 0), places.max() + BORDER_PX + 1) for places in np.nonzero(blend))
    image = planes[members].sum(axis=0) + noise
    rng = np.random.default_rng([12, own])
    start = np.stack([measure_profile(planes[index][rows, columns], psf) for index in members])
    start += rng.normal(0, 1, (len(members), len(PARAMETERS))) * START_SCATTER
    fits = np.zeros((len(members), *noise.shape))
    fits[:, rows, columns] = fit_profiles(image[rows, columns], start, psf=psf, noise=scene.noise)
    strangers = np.delete(planes, members, axis=0).max(axis=0, initial=0)
    place = members.index(own)
    share = fits[place] / np.maximum(fits.sum(axis=0), 1e-12)
    is_own = (fits.argmax(axis=0) == place) & (fits[place] > strangers)
    mask: NDArray[np.bool_] = is_own & (_smooth(image * share) > limit)
    return mask


def _smooth(plane: Planes) -> Planes:
    smooth: Planes = ndimage.gaussian_filter(plane, SMOOTHING_PX)
    return smooth


def _planes(objects: list[PlacedObject], side: int) -> Planes:
    """Return the mean of the bands of each object's light, shape (n, side, side)."""
    planes = np.zeros((len(objects), side, side))
    for plane, item in zip(planes, objects, strict=True):
        plane[item.window] = item.light.mean(axis=2)
    return planes


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how good masks of blends can be.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", choices=tuple(FIRST_SEED), default="test")
    parser.add_argument("--scenes", type=int, default=160)
    return parser.parse_args()


if __name__ == "__main__":
    main()
