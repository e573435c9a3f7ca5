"""The demo's images: tiles of the Hubble deep field, or a folder of the user's own, as files that a browser shows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import hubble_deep_field

from sync.images.decode import decode
from sync.images.errors import ImageError
from sync.images.stretch import to_png

__all__ = ["IMAGE_SUFFIXES", "cut_deep_field", "prepare_folder"]

TILE_PX = 124
"""Seven by eight tiles of the 872 x 1000 field: a few galaxies on each."""
ZOOM = 3
"""A tile is shown enlarged, since most of its galaxies are some ten pixels wide."""
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".fits", ".fit", ".fts", ".gz", ".fz"})
SHOWN_BY_BROWSERS = frozenset({".png", ".jpg", ".jpeg"})


def cut_deep_field(folder: Path) -> list[Path]:
    """Cut the Hubble deep field (NASA/ESA, public domain; it ships with scikit-image) into 56 tiles.

    Returns
    -------
    list of Path
        PNG files, named by row and column.
    """
    folder.mkdir(parents=True, exist_ok=True)
    field = np.asarray(hubble_deep_field())
    files = []
    for row in range(field.shape[0] // TILE_PX):
        for column in range(field.shape[1] // TILE_PX):
            file = folder / f"hubble-deep-field-r{row}-c{column}.png"
            if not file.exists():
                tile = field[row * TILE_PX : (row + 1) * TILE_PX, column * TILE_PX : (column + 1) * TILE_PX]
                side = ZOOM * TILE_PX
                encoded = io.BytesIO()
                Image.fromarray(tile).resize((side, side), Image.Resampling.BICUBIC).save(encoded, "PNG")
                file.write_bytes(encoded.getvalue())
            files.append(file)
    return files


def prepare_folder(images: Path, folder: Path) -> Iterator[tuple[Path, Path | ImageError]]:
    """Make each image of the user's folder one that a browser shows; PNG and JPEG stay as they are.

    Yields
    ------
    source : Path
        An image of the folder, in order of name.
    shown : Path or ImageError
        The file to upload, or why there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(path for path in images.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()):
        try:
            pixels = decode(source.read_bytes())
            if source.suffix.lower() in SHOWN_BY_BROWSERS:
                yield source, source
                continue
            shown = folder / ("-".join(source.relative_to(images).parts) + ".png")
            shown.write_bytes(to_png(pixels))
            yield source, shown
        except ImageError as error:
            yield source, error
