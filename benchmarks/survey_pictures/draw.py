"""Draws docs/images/surveys.png: `python -m benchmarks.survey_pictures.draw`.

All pictures are made from the Hubble deep field (NASA/ESA, public domain) of scikit-image: a galaxy of 44 pixels is convolved
with the PSF of a survey and sampled with its pixels. They show resolution, not colour or depth of a survey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage.data import hubble_deep_field

import galaxyloop

__all__ = ["SURVEYS", "Survey", "observe"]

OUTPUT = Path(__file__).parents[2] / "docs" / "images" / "surveys.png"
GALAXY_PX = 44
"""Diameter of the galaxy in the deep field, pixels."""
SPIRAL, GROUP, STAR = (124, 400), (452, 158), (754, 577)
"""Centres (x, y) of a spiral galaxy, a group and a star in the deep field, pixels."""
WINDOW = 2.2
"""Side of a picture in diameters of the galaxy."""
SIDE_PX, MARGIN_PX, CAPTION_PX = 190, 8, 40

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Survey:
    """Pixel scale and full width at half maximum of the PSF of a survey, arcsec; noise of a pixel, levels of 255."""

    name: str
    pixel_arcsec: float
    fwhm_arcsec: float
    noise: float


SURVEYS = (
    Survey("SDSS", 0.396, 1.3, 6),
    Survey("DECaLS", 0.262, 1.2, 4),
    Survey("KiDS", 0.2, 0.7, 3),
    Survey("Euclid VIS", 0.1, 0.17, 2),
    Survey("HST ACS", 0.05, 0.1, 2),
)


def cut(centre: tuple[int, int], side: int) -> Pixels:
    """Cut a square of `side` pixels from the deep field; outside of it the picture is black."""
    field = np.pad(np.asarray(hubble_deep_field()), ((side, side), (side, side), (0, 0)))
    x, y = centre[0] + side - side // 2, centre[1] + side - side // 2
    return field[y : y + side, x : x + side]


def observe(pixels: Pixels, survey: Survey, *, galaxy_arcsec: float, seed: int = 0) -> Pixels:
    """Show a picture as a survey would: convolved with the PSF, sampled with its pixels, with noise.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        A galaxy of `GALAXY_PX` pixels.
    survey : Survey
        Finer pixels than those of `pixels` are not made up: the picture then keeps its own.
    galaxy_arcsec : float
        Diameter of the galaxy, arcsec.
    """
    source_arcsec = galaxy_arcsec / GALAXY_PX
    sigma = survey.fwhm_arcsec / 2.355 / source_arcsec
    blurred_pixels = ndimage.gaussian_filter(pixels.astype(np.float64), (sigma, sigma, 0))
    factor = min(source_arcsec / survey.pixel_arcsec, 1.0)
    resampled_pixels = ndimage.zoom(blurred_pixels, (factor, factor, 1), order=1, grid_mode=True, mode="nearest")
    noisy = resampled_pixels + np.random.default_rng(seed).normal(0, survey.noise, resampled_pixels.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def spoil(pixels: Pixels) -> dict[str, Pixels]:
    """Return pictures that suit neither annotators nor the shipped heads, by what is wrong with them."""
    half = len(pixels) // 2
    return {
        "too dark": (pixels * 0.12).astype(np.uint8),
        "saturated": (pixels.astype(np.float64) * 8).clip(0, 255).astype(np.uint8),
        "cut off": pixels[half - 8 :, half - 8 :],
        "negative": 255 - pixels,
        "several galaxies": cut(GROUP, len(pixels)),
    }


def draw_cell(pixels: Pixels, title: str) -> Image.Image:
    """Draw a picture with the predicted outline of the object in its middle, and below it the most probable class."""
    image = galaxyloop.load_image(pixels)
    height, width = pixels.shape[:2]
    (row,) = galaxyloop.classify(image)
    label = max(row.colnames, key=lambda name: float(row[name]))
    mask = galaxyloop.segment(image, points=[(width / 2, height / 2)]).mask
    large = np.asarray(Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST)).copy()
    inside = np.asarray(Image.fromarray(mask).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST))
    large[inside & ~ndimage.binary_erosion(inside, iterations=2)] = (80, 230, 255)
    cell = Image.new("RGB", (SIDE_PX, SIDE_PX + CAPTION_PX), "white")
    cell.paste(Image.fromarray(large))
    text = ImageDraw.Draw(cell)
    text.text((2, SIDE_PX + 2), title, "black", ImageFont.load_default(14))
    text.text((2, SIDE_PX + 20), f"{label} {float(row[label]):.2f}", (90, 90, 90), ImageFont.load_default(14))
    return cell


def draw_sheet(rows: Sequence[tuple[str, Sequence[tuple[str, Pixels]]]]) -> Image.Image:
    """Draw rows of pictures, each row with a heading."""
    columns = max(len(cells) for _, cells in rows)
    step_x, step_y = SIDE_PX + MARGIN_PX, SIDE_PX + CAPTION_PX + MARGIN_PX + 24
    sheet = Image.new("RGB", (MARGIN_PX + columns * step_x, len(rows) * step_y + MARGIN_PX), "white")
    text = ImageDraw.Draw(sheet)
    for number, (heading, cells) in enumerate(rows):
        text.text((MARGIN_PX, number * step_y + 4), heading, "black", ImageFont.load_default(16))
        for column, (title, pixels) in enumerate(cells):
            sheet.paste(draw_cell(pixels, title), (MARGIN_PX + column * step_x, number * step_y + 26))
    return sheet


def main() -> None:
    """Write the sheet."""
    window = cut(SPIRAL, round(WINDOW * GALAXY_PX))
    rows = [
        (
            f"A spiral galaxy of {arcsec:g} arcsec",
            [
                (f"{survey.name}, {survey.pixel_arcsec:g} arcsec/px", observe(window, survey, galaxy_arcsec=arcsec))
                for survey in SURVEYS
            ],
        )
        for arcsec in (12.0, 3.0)
    ]
    rows.append(("The same galaxy in unsuitable pictures, and a group", list(spoil(window).items())))
    draw_sheet(rows).quantize(128).save(OUTPUT, optimize=True)


if __name__ == "__main__":
    main()
