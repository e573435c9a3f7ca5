"""The pictures of a FITS file of several, each as a file of its own that keeps the bytes of its parts.

A task shows one picture. What is cut out here is a FITS file that any reader opens: the first header, the picture's extensions
and the lookup tables that their coordinates may need. A file with one picture stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from astropy.io.fits import Header

from sync.errors.images import ImageError
from sync.images.decode import kind_of, unpacked
from sync.images.fits.headers import BLOCK, StoredPart, walk
from sync.images.fits.parts import LOOKUP_TABLES, Part, choose, named_parts, parts_of

__all__ = ["pick_extension", "split_pictures"]


def split_pictures(content: bytes) -> list[tuple[str, bytes]]:
    """Give a file for each picture that a FITS file holds.

    Parameters
    ----------
    content : bytes
        A whole file of any kind, also gzipped.

    Returns
    -------
    list of (str, bytes)
        What `--extension` calls each picture, and a file that holds it alone; one pair, with an empty word and the unpacked
        file as it is, where there is one picture or the file is no FITS.

    Raises
    ------
    ImageError
        If the file is damaged, or a FITS file without an image.
    """
    data = unpacked(content)
    if kind_of(data) != "FITS":
        return [("", data)]
    stored = walk(data)
    pictures = choose(parts_of(part.header for part in stored)).pictures
    if len(pictures) == 1:
        return [("", data)]
    return [(picture[0].word, _file_of(data, stored, picture)) for picture in pictures]


def pick_extension(content: bytes, extension: str) -> bytes:
    """Return a file that holds what `--extension` names of a FITS file; any other file stays as it is.

    Parameters
    ----------
    content : bytes
        A whole file of any kind, also gzipped.
    extension : str
        A number, a name or ``name,version``; empty for the file as it is. A name of several images keeps them all.

    Raises
    ------
    ImageError
        If the file is damaged, or no image is called so.
    """
    if not extension:
        return content
    data = unpacked(content)
    if kind_of(data) != "FITS":
        return content
    stored = walk(data)
    parts = parts_of(part.header for part in stored)
    named = named_parts(parts, extension)
    try:
        pictures = choose(parts).pictures
    except ImageError:  # the file holds only what describes others, and one of these is asked for
        pictures = ()
    if len(pictures) == 1 and list(pictures[0]) == named:
        return content  # what is shown without a word: the same file is the same task
    return _file_of(data, stored, named)


def _file_of(data: bytes, stored: Sequence[StoredPart], kept: Sequence[Part]) -> bytes:
    """Write the first header, the parts that are kept and the lookup tables into a file."""
    numbers = {part.number for part in kept}
    tables = {part.number for part in parts_of(part.header for part in stored) if part.name in LOOKUP_TABLES}
    pieces = [data[stored[0].start : stored[0].end] if 0 in numbers else _without_data(stored[0].header)]
    pieces += [data[stored[number].start : stored[number].end] for number in sorted((numbers | tables) - {0})]
    return b"".join(piece.ljust(-(-len(piece) // BLOCK) * BLOCK, b"\0") for piece in pieces)


def _without_data(header: Header) -> bytes:
    """The first header of a file whose first image is left out."""
    bare = header.copy()
    for axis in range(1, int(bare["NAXIS"]) + 1):
        del bare[f"NAXIS{axis}"]
    bare["NAXIS"] = 0
    for name in ("BSCALE", "BZERO", "BLANK"):  # without values there is nothing to scale
        bare.remove(name, ignore_missing=True)
    text: str = bare.tostring()
    return text.encode("latin-1")
