"""Extraction of single images from FITS files with several, without changing the bytes of their extensions.

A task displays one image. An extracted FITS file contains the primary header, the extensions of the image and the lookup tables
that their coordinates may need. A file with one image is returned unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

from astropy.io.fits import Header

from sync.errors.images import ImageError
from sync.images.decode import kind_of, unpack
from sync.images.fits.choice import LOOKUP_TABLES, choose, select_parts
from sync.images.fits.headers import BLOCK, StoredPart, walk
from sync.images.fits.parts import Part, parts_of

__all__ = ["pick_extension", "split_images"]


def split_images(content: bytes) -> list[tuple[str, bytes]]:
    """Return one file for each image of a FITS file.

    Parameters
    ----------
    content : bytes
        Content of a file of any format, which may be gzipped.

    Returns
    -------
    list of (str, bytes)
        Name of each image for `--extension`, and a file with this image only. For a file with one image, or another format,
        one pair of an empty name and the decompressed file.

    Raises
    ------
    ImageError
        If the file is damaged, or a FITS file without an image.
    """
    data = unpack(content)
    if kind_of(data) != "FITS":
        return [("", data)]
    stored_parts = walk(data)
    images = choose(parts_of(part.header for part in stored_parts)).images
    if len(images) == 1:
        return [("", data)]
    return [(image[0].word, _file_of(data, stored_parts, image)) for image in images]


def pick_extension(content: bytes, extension: str) -> bytes:
    """Return a file with the images of a FITS file that `extension` selects; return a file of another format unchanged.

    Parameters
    ----------
    content : bytes
        Content of a file of any format, which may be gzipped.
    extension : str
        A number, a name or ``name,version``; empty for the unchanged file. A name of several images selects all of them.

    Raises
    ------
    ImageError
        If the file is damaged, or no image has this name or number.
    """
    if not extension:
        return content
    data = unpack(content)
    if kind_of(data) != "FITS":
        return content
    stored_parts = walk(data)
    parts = parts_of(part.header for part in stored_parts)
    selected_parts = select_parts(parts, extension)
    try:
        images = choose(parts).images
    except ImageError:  # the file has only auxiliary images such as masks, and `extension` selects one
        images = ()
    if len(images) == 1 and list(images[0]) == selected_parts:
        return content  # the default image: the unchanged file keeps its content id, and thereby its task
    return _file_of(data, stored_parts, selected_parts)


def _file_of(data: bytes, stored_parts: Sequence[StoredPart], parts: Sequence[Part]) -> bytes:
    """Return a file with the primary header, the selected parts and the lookup tables."""
    numbers = {part.number for part in parts}
    tables = {part.number for part in parts_of(part.header for part in stored_parts) if part.name in LOOKUP_TABLES}
    pieces = [data[stored_parts[0].start : stored_parts[0].end] if 0 in numbers else _remove_data(stored_parts[0].header)]
    pieces += [data[stored_parts[number].start : stored_parts[number].end] for number in sorted((numbers | tables) - {0})]
    return b"".join(piece.ljust(-(-len(piece) // BLOCK) * BLOCK, b"\0") for piece in pieces)


def _remove_data(header: Header) -> bytes:
    """Return the primary header without the cards of its data."""
    bare = header.copy()
    for axis in range(1, int(bare["NAXIS"]) + 1):
        del bare[f"NAXIS{axis}"]
    bare["NAXIS"] = 0
    for name in ("BSCALE", "BZERO", "BLANK"):  # cards that scale the removed data
        bare.remove(name, ignore_missing=True)
    text: str = bare.tostring()
    return text.encode("latin-1")
