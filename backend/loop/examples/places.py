"""Where a task lies: its position on the sky, the tile of an image that its file is, or its file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync.label_studio.task_images import value_at

__all__ = ["ImageTile", "diagonal_of", "name_cell", "position_of", "radius_of", "references_of", "tile_of"]

RA_NAMES = ("ra", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "ra_j2000", "alpha_j2000", "right_ascension")
DEC_NAMES = (
    "dec",
    "dej2000",
    "decj2000",
    "_dej2000",
    "de_icrs",
    "dec_icrs",
    "dec_deg",
    "dec_j2000",
    "delta_j2000",
    "declination",
)
"""Keys of a task's position. The order is fixed: another order would move tasks of existing projects to the other side."""
TILE_PX = 96
"""Width of a tile whose file name does not state it: the first tiles of the demo."""
_UPLOAD = re.compile(r"/data/upload/\d+/[0-9a-f]{8}-(.+)")
_TILE = re.compile(r"(?P<image>.+?)-x(?P<x>\d+)-y(?P<y>\d+)(?:-w(?P<width>\d+))?\.\w+")
_NUMBERED = re.compile(r"(hubble-deep-field)-\d\d")
"""The names of the demo's first tiles include a running number after the name of the image that they are cut from."""


@dataclass(frozen=True, slots=True)
class ImageTile:
    """A square tile that was cut from an image: the image's name, the tile's middle and its width, pixels."""

    image: str
    x: int
    y: int
    width: int

    def overlaps(self, other: ImageTile) -> bool:
        reach = (self.width + other.width) / 2
        return abs(self.x - other.x) < reach and abs(self.y - other.y) < reach


def name_cell(data: Mapping[str, Any], image_keys: Sequence[str], *, task: int, sky: float, tiles: int) -> str:
    """Name the cell that a task lies in: a cell of the sky, else of the image that its file is a tile of, else its file."""
    if (place := position_of(data)) is not None:
        return _sky_cell(*place, arcsec=sky)
    if (tile := tile_of(data, image_keys)) is not None:
        side = tiles * tile.width
        return f"tile {tile.image} {tile.x // side} {tile.y // side}"
    if data.get("content_id"):
        return f"content {data['content_id']}"
    references = references_of(data, image_keys)
    return f"file {' '.join(references)}" if references else f"task {task}"


def _sky_cell(ra: float, dec: float, *, arcsec: float) -> str:
    """Name the cell of a position (degrees): rows of equal declination are cut into cells about as wide as they are high."""
    row = math.floor((dec + 90) * 3600 / arcsec)
    middle = math.radians((row + 0.5) * arcsec / 3600 - 90)
    columns = max(1, math.floor(360 * 3600 / arcsec * max(math.cos(middle), 0)))
    return f"sky {arcsec:g} {row} {math.floor(ra % 360 / 360 * columns)}"


def references_of(data: Mapping[str, Any], image_keys: Sequence[str]) -> list[str]:
    """Return the references of all images of a task, those of its pages included."""
    values = [value_at(data, key) for key in dict.fromkeys(image_keys)]
    pages = [page for value in values for page in (value if isinstance(value, list) else [value])]
    return [page for page in pages if isinstance(page, str) and page]


def tile_of(data: Mapping[str, Any], image_keys: Sequence[str]) -> ImageTile | None:
    """Read the position of a tile from its file name, `<image>-x<middle>-y<middle>-w<width>.png`."""
    references = references_of(data, image_keys)
    name = references[0].split("?")[0] if references else ""
    upload_match = _UPLOAD.fullmatch(name)
    match = _TILE.fullmatch(upload_match[1] if upload_match else name)
    if match is None:
        return None
    number_match = _NUMBERED.fullmatch(match["image"].rpartition("/")[2])
    image = number_match[1] if number_match else match["image"]
    return ImageTile(image, int(match["x"]), int(match["y"]), max(int(match["width"] or TILE_PX), 1))


def position_of(data: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return right ascension and declination, degrees; None if the data do not have them."""
    lower = {str(key).lower(): value for key, value in data.items()}
    ra, dec = (_number(lower, names) for names in (RA_NAMES, DEC_NAMES))
    if ra is None or dec is None or abs(ra) > 360 or abs(dec) > 90:
        return None
    return ra % 360, dec


def _number(data: Mapping[str, Any], names: Iterable[str]) -> float | None:
    for name in names:
        try:
            number = float(data[name])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(number):
            return number
    return None


def radius_of(data: Mapping[str, Any], diagonal_px: float) -> float:
    """Return half the diagonal of an image; 0 if its size in pixels or its pixel scale is unknown."""
    cards = data.get("wcs")
    if isinstance(cards, Mapping):
        width, height = (_number(cards, (name,)) or 0.0 for name in ("NAXIS1", "NAXIS2"))
        diagonal_px = math.hypot(width, height) or diagonal_px
    return diagonal_px * (_number(data, ("pixel_scale_arcsec",)) or 0.0) / 2


def diagonal_of(region: Mapping[str, Any]) -> float:
    """Return the diagonal of the image whose size a region states, pixels; 0 if it states none."""
    width, height = (_number(region, (name,)) or 0.0 for name in ("original_width", "original_height"))
    return math.hypot(width, height)
