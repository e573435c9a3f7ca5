"""Region files of DS9, CASA (CRTF) and FITS, read by astropy's `regions`.

The package stops at the first line that it cannot parse, and skips others with a warning. The reader therefore parses blocks of
DS9 statements, splits a block with an error in halves, and reports each statement that is left out.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from astropy.io import fits
from astropy.table import QTable

from sync.errors.images import ImageError
from sync.images.fits.headers import read_headers
from sync.regions.files import read_bytes, read_text
from sync.regions.marks import Mark, MarkedImage, Problem, RegionsError
from sync.regions.region_shapes import draw_region, first_line, position_of

if TYPE_CHECKING:
    from regions import Region

__all__ = ["read"]

FRAMES = frozenset({"image", "icrs", "fk5", "j2000", "fk4", "b1950", "galactic", "ecliptic"})
"""Coordinate frames that `regions` supports."""
OTHER_FRAMES = re.compile(r"(linear|amplifier|detector|physical|tile|wcs[0-9a-z]?)")
MAX_REGIONS = 1_000_000
BLOCK = 1024
"""Number of statements that are parsed together."""
_STATEMENT = re.compile(r"[#+\- ]*([A-Za-z0-9_]+)")
_QUOTED = 60


def read(file: Path) -> tuple[list[MarkedImage], list[Problem]]:
    """Read a region file.

    Parameters
    ----------
    file : Path
        Regions in pixels belong to the image with the name of the file, regions on the sky to all images that contain their
        centre.

    Returns
    -------
    images : list of MarkedImage
    problems : list of (str, str)
        Name of each statement that is left out, and the reason.

    Raises
    ------
    RegionsError
        If the file cannot be read or contains no region.
    """
    start = read_bytes(file)[:8]
    problems: list[Problem] = []
    if start.startswith(b"SIMPLE"):
        named_regions = _of_table(read_bytes(file), problems)
    else:
        text = read_text(file)
        named_regions = _crtf(text, problems) if text.lstrip().startswith("#CRTF") else _ds9(text, problems)
    marks: list[Mark] = []
    for name, region in named_regions:
        if len(marks) == MAX_REGIONS:
            raise RegionsError(f"the file has more than the {MAX_REGIONS:,} regions that are read: split it")
        try:
            marks.append(_mark(name, region))
        except RegionsError as error:
            problems.append((name, str(error)))
    if not marks and not problems:
        raise RegionsError("the file has no regions")
    in_pixels = tuple(mark for mark in marks if mark.position is None)
    on_sky = tuple(mark for mark in marks if mark.position is not None)
    images = [MarkedImage("", (file.name,), marks=in_pixels)] if in_pixels else []
    return images + ([MarkedImage("", (file.name,), marks=on_sky, by_place=True)] if on_sky else []), problems


def _of_table(content: bytes, problems: list[Problem]) -> Iterator[tuple[str, Region]]:
    """Parse the extension REGION of a FITS file."""
    from regions import Regions

    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        try:
            read_headers(content)
            with fits.open(io.BytesIO(content), memmap=False) as hdus:
                if "REGION" not in hdus:
                    raise RegionsError("the FITS file has no extension REGION, as region files have")
                parsed_regions = Regions.parse(QTable.read(hdus["REGION"]), format="fits")
        except RegionsError:
            raise
        except ImageError as error:
            raise RegionsError(str(error)) from error
        except Exception as error:  # the parser raises many kinds of exceptions
            raise RegionsError(f"the file cannot be read as a table of regions: {first_line(error)}") from error
    problems += [("a region", str(warning.message)) for warning in messages if "not supported" in str(warning.message)]
    yield from ((f"region {number}", region) for number, region in enumerate(parsed_regions, start=1))


def _ds9(text: str, problems: list[Problem]) -> Iterator[tuple[str, Region]]:
    """Parse a DS9 file in blocks of statements; a block that fails is split in halves."""
    if any(character in text for character in "\0\x01\x02"):
        raise RegionsError("the file is not text, as DS9 region files must be")
    statements = list(_statements(text))
    blocks = [statements[start : start + BLOCK] for start in range(0, len(statements), BLOCK)][::-1]
    while blocks:
        block = blocks.pop()
        parsed_regions = _parse(block)
        if parsed_regions is not None:
            yield from zip((name for name, _, _ in block), parsed_regions, strict=True)
        elif len(block) > 1:
            blocks += [block[len(block) // 2 :], block[: len(block) // 2]]
        else:
            yield from _parse_alone(*block[0], problems)


def _parse(block: list[tuple[str, str, str]]) -> list[Region] | None:
    """Parse statements together; return None unless each of them is one region."""
    from regions import Regions

    lines, before = [], ""
    for _, prefix, statement in block:
        lines += [prefix, statement] if prefix != before else [statement]
        before = prefix
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            parsed_regions = list(Regions.parse("\n".join(lines), format="ds9"))
        except Exception:  # the caller finds the statement by splitting the block
            return None
    return parsed_regions if len(parsed_regions) == len(block) else None


def _parse_alone(name: str, prefix: str, statement: str, problems: list[Problem]) -> Iterator[tuple[str, Region]]:
    """Parse one statement, or add the reason why it is left out to `problems`.

    An annulus with several rings is several regions.
    """
    from regions import Regions

    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        try:
            parsed_regions = list(Regions.parse(f"{prefix}\n{statement}", format="ds9"))
        except Exception as error:  # the parser raises many kinds of exceptions
            problems.append((name, f"{_shorten(statement)} cannot be read: {first_line(error)}"))
            return
    if not parsed_regions:
        reason = str(messages[0].message).rstrip(".") if messages else "it is not a region"
        problems.append((name, _why_not(prefix, statement, reason)))
    yield from ((name, region) for region in parsed_regions)


def _crtf(text: str, problems: list[Problem]) -> Iterator[tuple[str, Region]]:
    """Parse a CRTF file line by line; `global` lines are prepended to each."""
    from regions import Regions

    global_lines = ["#CRTFv0"]
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.lstrip().lower().startswith("global"):
            global_lines.append(line)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                parsed_regions = list(Regions.parse("\n".join([*global_lines[-8:], line]), format="crtf"))
            except Exception as error:  # the parser raises many kinds of exceptions
                problems.append((f"line {number}", f"{_shorten(line)} cannot be read: {first_line(error)}"))
                continue
        yield from ((f"line {number}", region) for region in parsed_regions)


def _statements(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the prefix (global statements and the frame) and the text of each statement with a region."""
    global_lines: list[str] = []
    frame = ""
    for number, line in enumerate(text.splitlines(), start=1):
        for part in _parts(line):
            statement = part.strip()
            if not statement or (statement.startswith("#") and not statement.startswith(("# text(", "# composite("))):
                continue
            match = _STATEMENT.match(statement)
            word = match[1].lower() if match else ""
            if word == "global":
                global_lines.append(statement)
            elif (word in FRAMES or OTHER_FRAMES.fullmatch(word)) and "(" not in statement.partition("#")[0]:
                frame = word
            elif word != "composite":
                yield f"line {number}", "\n".join([*global_lines[-8:], frame]), statement


def _parts(line: str) -> list[str]:
    """Split a line at semicolons outside of braces and quotes."""
    if ";" not in line:
        return [line]
    parts, begin, closing = [], 0, ""
    for place, character in enumerate(line):
        if closing:
            closing = "" if character == closing else closing
        elif character in "{'\"" and "#" in line[begin:place]:  # before the #, quotes are units of angles
            closing = "}" if character == "{" else character
        elif character == ";":
            parts.append(line[begin:place])
            begin = place + 1
    return [*parts, line[begin:]]


def _why_not(prefix: str, statement: str, reason: str) -> str:
    frame = prefix.rpartition("\n")[2]
    if not frame:
        return (
            f"{_shorten(statement)} has no coordinate frame before it: write image, icrs, fk5 or galactic on a line of its own"
        )
    if OTHER_FRAMES.fullmatch(frame):
        return f"{_shorten(statement)} is in the frame {frame!r}: save the regions in image, fk5, icrs or galactic coordinates"
    return f"{_shorten(statement)} is left out: {reason}"


def _mark(name: str, region: Region) -> Mark:
    import regions

    if isinstance(region, regions.TextPixelRegion | regions.TextSkyRegion):
        raise RegionsError("a text does not mark an object")
    if isinstance(region, regions.LinePixelRegion | regions.LineSkyRegion):
        raise RegionsError("a line does not mark an object")
    if str(region.meta.get("include", 1)) in ("0", "-", "False"):
        raise RegionsError("the region is excluded (it begins with a minus)")
    tags = [str(tag) for tag in region.meta.get("tag", ())]
    texts = [region.meta.get("text", region.meta.get("label", "")), *tags]
    labels = tuple(str(text).strip() for text in texts if str(text).strip())
    position = position_of(region) if isinstance(region, regions.SkyRegion) else None
    control = tags[0] if tags else ""  # as `galaxyloop export` writes it
    return Mark(name, partial(draw_region, region), labels, may_be_unlabelled=True, position=position, control=control)


def _shorten(statement: str) -> str:
    return repr(statement if len(statement) <= _QUOTED else statement[:_QUOTED] + "…")
