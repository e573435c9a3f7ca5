"""PNG sheets of measured objects: data, model and residual side by side, one row for each object."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sync.images.background import median_and_spread

__all__ = ["OBJECTS_A_SHEET", "SheetRow", "draw_row", "draw_sheet"]

OBJECTS_A_SHEET = 20
SIDE_PX = 160
"""Side of a panel, pixels."""
GAP_PX = 4
TEXT_PX = 34
RESIDUAL_SIGMA = 5.0
"""Residual that is black or white, in units of its noise."""
SOFTENING = 3.0
"""Brightness at which the display of data and model turns from linear to logarithmic, in units of the noise."""


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """The panels of one object, shape (3, `SIDE_PX`, `SIDE_PX`), uint8, and two lines of text."""

    panels: NDArray[np.uint8]
    text: str


def draw_row(data: NDArray[np.float32], model: NDArray[np.float32], text: str, *, from_bottom: bool) -> SheetRow:
    """Draw data and model on one scale, and the residual about grey.

    Parameters
    ----------
    data, model : ndarray, shape (h, w)
        NaN in `data` is drawn black.
    text : str
        At most two lines.
    from_bottom : bool
        Whether the first row is the lowest of the displayed image.
    """
    residual = data - model
    valid = np.isfinite(residual)
    level, noise = median_and_spread(residual[valid]) if valid.any() else (0.0, 1.0)
    noise = noise or float(np.abs(residual[valid]).max(initial=0.0)) or 1.0
    sky = float(np.nanmin(model))
    top = max(float(np.nanmax(model)) - sky, noise)
    scale = np.arcsinh(top / (SOFTENING * noise))
    scaled_planes = [np.arcsinh((plane - sky) / (SOFTENING * noise)) / scale for plane in (data, model)]
    scaled_planes.append(0.5 + (residual - level) / (2 * RESIDUAL_SIGMA * noise))
    panels = [_panel(plane, from_bottom=from_bottom) for plane in scaled_planes]
    return SheetRow(np.stack(panels), text)


def draw_sheet(rows: Sequence[SheetRow]) -> bytes:
    """Return a PNG file with one line of text and three panels for each row."""
    width, step = 3 * SIDE_PX + 4 * GAP_PX, SIDE_PX + TEXT_PX
    sheet = Image.new("L", (width, TEXT_PX // 2 + step * len(rows) + GAP_PX), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for column, title in enumerate(("data", "model", "data - model")):
        draw.text((GAP_PX + column * (SIDE_PX + GAP_PX), 2), title, fill=0, font=font)
    for number, row in enumerate(rows):
        top = TEXT_PX // 2 + number * step
        draw.multiline_text((GAP_PX, top + 2), row.text, fill=0, font=font, spacing=2)
        for column, panel in enumerate(row.panels):
            sheet.paste(Image.fromarray(panel), (GAP_PX + column * (SIDE_PX + GAP_PX), top + TEXT_PX))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def _panel(plane: NDArray[np.floating], *, from_bottom: bool) -> NDArray[np.uint8]:
    """Return a plane of values from 0 to 1 as a square panel, upright as it is displayed."""
    grey = (np.nan_to_num(plane, nan=0.0).clip(0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(grey[::-1] if from_bottom else grey))
    zoom = SIDE_PX / max(picture.size)
    size = (max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom)))
    panel = Image.new("L", (SIDE_PX, SIDE_PX), 0)
    panel.paste(picture.resize(size, Image.Resampling.NEAREST), ((SIDE_PX - size[0]) // 2, (SIDE_PX - size[1]) // 2))
    return np.asarray(panel)
