"""Draws a spectrum for annotators: a PNG with axes, the smoothed flux, its noise, and emission lines at a known redshift.

Pillow draws it, since it is installed everywhere; matplotlib is not, and takes a second to import.
"""

from __future__ import annotations

import io
import math
import textwrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter1d

from sync.spectra.lines import LINES
from sync.spectra.spectrum import Spectrum

__all__ = ["draw_spectrum", "draw_text"]

WIDTH, HEIGHT = 900, 450
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 96, 80
"""Margins, pixels."""
FONT_PX, LINE_PX, NAME_PX, MOST_LETTERS = 25, 3, 70, 60
"""Sizes of letters, lines and names of emission lines; Label Studio shows the plot at half its size beside an image."""
PAPER, INK, GRID, FLUX, NOISE, MARK = "#ffffff", "#222222", "#e3e3e3", "#1c4f9c", "#b9c4d6", "#b03a2e"
SMOOTH_PX = 1.5
"""Standard deviation of the smoothing, pixels of the spectrum."""
CUT = (0.5, 99.5)
"""Percentiles of the flux that the plot shows; strong lines may rise to the top."""
# The font of Pillow has no Greek letters.
NAMES = {"oii_3728": "[OII]", "hbeta": "Hb", "oiii_5008": "[OIII]", "oi_6302": "[OI]", "halpha": "Ha", "sii_6725": "[SII]"}


def draw_spectrum(spectrum: Spectrum, *, title: str = "", redshift: float | None = None) -> bytes:
    """Draw a spectrum as a PNG of 900x450 pixels.

    Parameters
    ----------
    spectrum : Spectrum
    title : str
    redshift : float, optional
        Known redshift; emission lines are marked at it.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=FONT_PX)
    flux = gaussian_filter1d(spectrum.flux, SMOOTH_PX)
    low, high = np.percentile(flux, CUT)
    low, high = min(float(low), 0.0), float(max(high, flux.max() if flux.max() < 1.6 * high else high))
    high = high if high > low else low + 1
    first, last = float(spectrum.wavelength[0]), float(spectrum.wavelength[-1])

    def x_of(wavelength: float) -> float:
        return LEFT + (wavelength - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - (min(max(value, low), high) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    for tick in _ticks(first, last, count=6):
        draw.line([(x_of(tick), TOP), (x_of(tick), HEIGHT - BOTTOM)], fill=GRID)
        draw.text((x_of(tick), HEIGHT - BOTTOM + 6), f"{tick:g}", fill=INK, font=font, anchor="ma")
    for tick in _ticks(low, high, count=5):
        draw.line([(LEFT, y_of(tick)), (WIDTH - RIGHT, y_of(tick))], fill=GRID)
        draw.text((LEFT - 8, y_of(tick)), f"{tick:.3g}", fill=INK, font=font, anchor="rm")
    is_raised = False
    before = -math.inf
    for name, centre in LINES.items():
        observed_angstrom = centre * (1 + redshift) if redshift is not None else math.inf
        if name in NAMES and first < observed_angstrom < last:
            is_raised = not is_raised and x_of(observed_angstrom) - before < NAME_PX
            before = x_of(observed_angstrom)
            draw.line([(before, TOP), (before, HEIGHT - BOTTOM)], fill=MARK)
            draw.text((before, TOP - 4 - is_raised * FONT_PX), NAMES[name], fill=MARK, font=font, anchor="ms")
    if spectrum.noise is not None:
        _draw_curve(draw, spectrum.wavelength, spectrum.noise, x_of, y_of, colour=NOISE)
    _draw_curve(draw, spectrum.wavelength, flux, x_of, y_of, colour=FLUX)
    draw.rectangle([(LEFT, TOP), (WIDTH - RIGHT, HEIGHT - BOTTOM)], outline=INK)
    draw.text((WIDTH / 2, HEIGHT - 10), "observed wavelength, Angstrom", fill=INK, font=font, anchor="ms")
    draw.text((LEFT, 6), title[-MOST_LETTERS:] if title else "flux per wavelength", fill=INK, font=font)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def draw_text(text: str) -> bytes:
    """Draw a sentence as a PNG of the size of a plot, which stands where a spectrum is missing."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=FONT_PX)
    lines = textwrap.wrap(text, 64)[:12]
    draw.multiline_text((WIDTH / 2, HEIGHT / 2), "\n".join(lines), fill=INK, font=font, anchor="mm", align="center")
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _draw_curve(
    draw: ImageDraw.ImageDraw,
    wavelength: NDArray[np.float64],
    values: NDArray[np.float64],
    x_of: object,
    y_of: object,
    *,
    colour: str,
) -> None:
    points = [(x_of(at), y_of(value)) for at, value in zip(wavelength.tolist(), values.tolist(), strict=True)]  # type: ignore[operator]
    draw.line(points, fill=colour, width=LINE_PX)


def _ticks(low: float, high: float, *, count: int) -> list[float]:
    """Return round numbers between two values."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]
