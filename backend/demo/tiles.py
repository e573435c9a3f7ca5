"""The demo's images: tiles of the Hubble deep field, or the images of a folder, as files that a browser shows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.data import hubble_deep_field

from backend.heads.extraction.extract import extract
from sync.errors.images import ImageError
from sync.files.find import find_files
from sync.images.decode import IMAGE_SUFFIXES, decode
from sync.images.png import to_png

__all__ = ["cut_deep_field", "prepare_folder"]

TILE_PX = 80
"""Side of a tile, pixels of the field: one galaxy in the middle, and its surroundings."""
TILES = 56
"""Number of tiles, of the brightest galaxies whose tiles do not overlap: five batches of ten, and six more."""
ZOOM = 4
"""Factor by which a tile is enlarged, since most of its galaxies are about ten pixels wide."""
SHOWN_BY_BROWSERS = frozenset({".png", ".jpg", ".jpeg"})


def cut_deep_field(folder: Path) -> list[Path]:
    """Cut the Hubble deep field (NASA/ESA, public domain; it ships with scikit-image) into tiles around its brightest galaxies.

    Returns
    -------
    list of Path
        PNG files, the brightest galaxy first. The name has the pixel of the field at the tile's centre and the tile's width
        in the field; the loop reads from it which tiles show the same sky.
    """
    folder.mkdir(parents=True, exist_ok=True)
    field = np.asarray(hubble_deep_field())
    half = TILE_PX // 2
    files: list[Path] = []
    for x, y in _brightest(field):
        file = folder / f"hubble-deep-field-x{x}-y{y}-w{TILE_PX}.png"
        if not file.exists():
            tile = Image.fromarray(field[y - half : y + half, x - half : x + half])
            buffer = io.BytesIO()
            tile.resize((ZOOM * TILE_PX, ZOOM * TILE_PX), Image.Resampling.BICUBIC).save(buffer, "PNG")
            file.write_bytes(buffer.getvalue())
        files.append(file)
    return files


def _brightest(field: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the centres (x, y), pixels, of the brightest galaxies whose tiles lie in the field and do not overlap."""
    height, width = field.shape[:2]
    half = TILE_PX // 2
    sources = sorted(extract((field / 255).astype(np.float32)).sources, key=lambda source: -source.flux)
    centres = [(round(source.ellipse.x), round(source.ellipse.y)) for source in sources]
    places: list[tuple[int, int]] = []
    for x, y in centres:
        inside = half <= x <= width - half and half <= y <= height - half
        if inside and all(max(abs(x - other), abs(y - below)) >= TILE_PX for other, below in places):
            places.append((x, y))
    return places[:TILES]


def prepare_folder(images: Path, folder: Path) -> Iterator[tuple[Path, Path | ImageError]]:
    """Convert each image of a folder to a file that a browser shows; PNG and JPEG files are not converted.

    Parameters
    ----------
    images : Path
        Folder of the images, with its subfolders.
    folder : Path
        Folder of the converted files; created if it is missing.

    Yields
    ------
    source : Path
        An image of the folder, in order of its path.
    shown : Path or ImageError
        The file to upload, or the error if the image cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(path for path in map(Path, find_files(images, IMAGE_SUFFIXES)) if path.is_file()):
        try:
            pixels = decode(source.read_bytes())
            if source.suffix.lower() in SHOWN_BY_BROWSERS:
                yield source, source
                continue
            target = folder / ("-".join(source.relative_to(images).parts) + ".png")
            target.write_bytes(to_png(pixels))
            yield source, target
        except ImageError as error:
            yield source, error
