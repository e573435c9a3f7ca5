"""Cut-outs around positions from local FITS mosaics: one plane per band, on the pixel grid of the first band."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from astropy.io import fits

from sync.errors.images import DAMAGE, ImageError
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.cube import write_cube
from sync.importing.inputs.curved_maps import is_square, tangent_sky
from sync.importing.inputs.item import InputError
from sync.importing.inputs.reprojection import Plane, project_map, project_tile
from sync.importing.inputs.tiles import MosaicTile, Place, read_tiles
from sync.sky.celestial import CelestialSky
from sync.sky.task_cards import task_cards

__all__ = ["Mosaics"]

MAX_SIDE_PX = 4096


class Mosaics:
    """Open mosaics of one or more fields; a context manager.

    Parameters
    ----------
    words : sequence of str or Path
        Files, the bluest band first, each with an optional prefix ``NAME=`` for the band. Otherwise the band is read from the
        header (`FILTER`, `BAND`, name of the extension) or from the start of the file name. Images of one band are its tiles.

    Raises
    ------
    InputError
        If a file cannot be read, has no image or no celestial coordinates, or its band is ambiguous.
    """

    def __init__(self, words: Sequence[str | Path]) -> None:
        self._open: list[fits.HDUList] = []
        self._lock = threading.Lock()  # all threads share the position in a file
        self._bands: dict[str, list[MosaicTile]] = {}
        try:
            for word in words:
                tiles = self._read(str(word))
                _check_duplicates_in_file(tiles)
                for tile in tiles:
                    self._bands.setdefault(tile.band or tile.file.name.split(".")[0], []).append(tile)
            for tiles in self._bands.values():
                _check_unnamed_bands([tile for tile in tiles if not tile.band])
        except InputError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._open:
            file.close()

    def cut(self, position: Position, *, fov_arcsec: float) -> bytes:
        """Cut a square around a position.

        Parameters
        ----------
        position : Position
        fov_arcsec : float
            Side of the square, arcsec; rounded to pixels of the first band.

        Returns
        -------
        bytes
            A FITS file with one plane per band and the world coordinates of the cut-out; NaN beyond a mosaic's edge.

        Raises
        ------
        ImageError
            If a band does not cover the position, or has no valid pixel there.
        """
        place = (position.ra % 360.0, position.dec)
        with self._lock:
            bands = {band: _covering_tiles(tiles, place, band, position) for band, tiles in self._bands.items()}
            first = next(iter(bands.values()))
            plane, sky = _cut_first_band(first, place, fov_arcsec)
            side = len(plane)
            planes = [_fill_gaps(plane, first, sky)]
            for tiles in list(bands.values())[1:]:
                planes.append(_fill_gaps(np.full((side, side), np.nan, dtype=np.float32), tiles, sky))
        for name, plane in zip(bands, planes, strict=True):
            if not np.isfinite(plane).any():
                raise ImageError(f"the {name} mosaic has no valid pixel {_describe_position(position)}")
        units = [tiles[0].unit for tiles in bands.values()]
        cards, problems = task_cards(sky)
        problems = tuple(
            dict.fromkeys([*problems, *(text for tiles in bands.values() for t in tiles for text in t.sky.omissions)])
        )
        return write_cube(
            np.stack(planes),
            cards,
            bands=tuple(bands),
            units=units,
            cards=_common_photometry(bands.values()),
            sky_problems=problems,
        )

    def _read(self, word: str) -> list[MosaicTile]:
        band, path = ("", word) if os.path.lexists(word) or "=" not in word else word.split("=", 1)
        try:
            # Scaled integers cannot be memory-mapped, and a section reads only its own pixels.
            hdus = fits.open(path, memmap=False, uint=False)  # astropy does not apply BLANK to unsigned integers
            self._open.append(hdus)
        except DAMAGE as error:
            raise InputError(f"the mosaic {path} cannot be read as FITS: {error}") from error
        return list(read_tiles(hdus, Path(path), band=band.strip()))


def _check_duplicates_in_file(tiles: Sequence[MosaicTile]) -> None:
    """Raise InputError if images of one file have the same name and position, because one of them would be ignored."""
    for first, second in combinations(tiles, 2):
        if first.band and first.band == second.band and _overlap(first, second):
            raise InputError(
                f"{first.file} holds several images of the same field, all called {first.band}: "
                "each needs a FILTER or BAND of its own in its header"
            )


def _check_unnamed_bands(nameless: Sequence[MosaicTile]) -> None:
    """Raise InputError if files without a band name have the same position, because one of them would be ignored."""
    for first, second in combinations(nameless, 2):
        if _overlap(first, second):
            raise InputError(
                f"{first.file} and {second.file} show the same field, and no FILTER or BAND distinguishes them: "
                f"name their bands, as in --mosaic g={first.file}"
            )


def _overlap(first: MosaicTile, second: MosaicTile) -> bool:
    return first.contains_centre_of(second) or second.contains_centre_of(first)


def _covering_tiles(tiles: Sequence[MosaicTile], place: Place, band: str, position: Position) -> list[MosaicTile]:
    """Return the tiles of a band that cover a position; raise ImageError if there is none."""
    covering = [tile for tile in tiles if tile.pixel_of(place) is not None]
    if not covering:
        raise ImageError(f"no {band} mosaic covers the position {_describe_position(position)}")
    return covering


def _common_photometry(bands: Iterable[Sequence[MosaicTile]]) -> dict[str, float | str]:
    """Return the cards that are equal for all tiles of all bands, because a card of a cut-out applies to all its planes."""
    first, *further = [tile.photometry for tiles in bands for tile in tiles]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in further)}


def _cut_first_band(tiles: Sequence[MosaicTile], place: Place, fov_arcsec: float) -> tuple[Plane, CelestialSky]:
    """Return the square of the first band, on the pixel grid of the tile that covers most of it."""
    cuts = []
    for tile in tiles:
        scale = tile.sky.pixel_scale_arcsec
        side = max(1, round(fov_arcsec / scale))
        if side > MAX_SIDE_PX:
            raise ImageError(f"{fov_arcsec:g} arcsec are {side} pixels of {tile.file.name}: {MAX_SIDE_PX} are the most")
        pixel = tile.pixel_of(place)
        assert pixel is not None, "only tiles that cover the place are given"
        if is_square(tile.sky, *pixel, side):
            cuts.append(tile.cut(*pixel, side))
        else:
            target = tangent_sky(place, side=side, scale_arcsec=scale)
            cuts.append((project_map(tile, target, side), target))
    return max(cuts, key=lambda cut: np.isfinite(cut[0]).mean())


def _fill_gaps(plane: Plane, tiles: Sequence[MosaicTile], sky: CelestialSky) -> Plane:
    """Fill missing pixels of a plane from the tiles, starting with the tile that has most of them."""
    if np.isfinite(plane).all():
        return plane
    projections = [project_tile(tile, sky, len(plane)) for tile in tiles]
    for projection in sorted(projections, key=lambda projection: -np.isfinite(projection).sum()):
        plane = np.where(np.isfinite(plane), plane, projection)
    return plane


def _describe_position(position: Position) -> str:
    return f"at ra {position.ra:.5f}, dec {position.dec:.5f}"
