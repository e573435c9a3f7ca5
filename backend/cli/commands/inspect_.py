"""`galaxyloop inspect`: describe what an import reads from files; it opens no model and needs no server."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.output import open_output, reject_input
from backend.cli.progress import track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import Extension, Limit, console, stop, wrong_call

if TYPE_CHECKING:
    from backend.settings import Settings
    from sync.importing.inputs.item import Item

__all__ = ["inspect"]

TABLE_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".ecsv", ".vot", ".votable", ".xml", ".parquet", ".pq", ".cat", ".ldac"),
    *(".tab", ".tbl", ".rdb", ".mrt", ".ipac", ".tex"),
)
PACKING_SUFFIXES = (".gz", ".bz2", ".xz")
FOREIGN_FORMAT, NO_TEXT = "cannot be read as a catalogue: it is ", "it is not text"
"""Parts of the messages about tables in formats that are not supported, such as HTML, and about other files."""
LISTED_ROWS = 20
NOTHING: Mapping[str, Any] = {"ra": None, "dec": None, "pixel_scale_arcsec": None, "shape": None, "bands": []}


def inspect(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...", help="Images or catalogues, folders, patterns, Parquet files, or s3://bucket/prefix."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object per file, one per line.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="PNG file to write: the image as annotators see it; needs exactly one input file.")
    ] = None,
    limit: Limit = None,
    extension: Extension = "",
    stretch: Annotated[str, typer.Option(help="Stretch of FITS images: lupton, asinh, zscale or percentile.")] = "lupton",
) -> None:
    """Describe what an import reads from files: format, extensions, bands, unit, sky, stretch, and what it leaves out and why.

    The exit code is 1 if a file cannot be read.
    """
    if picture is not None and picture.suffix.lower() != ".png":
        wrong_call(f"--picture {picture} must end in .png")
    settings = read_settings()
    from backend.cli.image_files import find_inputs
    from sync.images.stretches import STRETCHES
    from sync.importing.inputs.item import InputError

    if stretch not in STRETCHES:
        wrong_call(f"unknown stretch {stretch!r}: choose {', '.join(STRETCHES)}")
    inputs = find_inputs(files, limit=limit, max_bytes=settings.image_max_bytes)
    if picture is not None and len(inputs) != 1:
        wrong_call(f"--picture takes one file, not {len(inputs)}")
    if picture is not None:
        reject_input(picture, [span.source for span in inputs.spans])
    files_on_disk = {span.source for span in inputs.spans if span.first is None}
    has_failed = False
    try:
        for item in inputs if sys.stdout.isatty() else track_items(inputs, "inspecting", total=len(inputs), unit="inputs"):
            file = Path(item.name) if item.name in files_on_disk else None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about defects that the libraries repair
                answer, is_read = _inspect_file(item, file, settings, extension, stretch, picture)
            has_failed |= not is_read
            if as_json:
                sys.stdout.write(json.dumps({"file": item.name, **answer}, allow_nan=False) + "\n")
            else:
                console.print(_format_description(item.name, answer), highlight=False, soft_wrap=True)
    except InputError as error:
        stop(str(error))
    if has_failed:
        raise typer.Exit(1)


def _inspect_file(
    item: Item, file: Path | None, settings: Settings, extension: str, stretch: str, picture: Path | None
) -> tuple[dict[str, Any], bool]:
    """Return the description of an input, and whether it can be read; `file` is the path of a file, which may have a table."""
    from sync.errors.failures import attempt
    from sync.errors.images import ImageError
    from sync.images.inspection import draw, inspect_image

    content = attempt(item.read)
    if isinstance(content, ImageError):
        return {**NOTHING, "format": None, "problems": [str(content)]}, False
    max_pixels = settings.image_max_pixels
    contents = attempt(lambda: inspect_image(content, extension=extension, stretch=stretch, max_pixels=max_pixels))
    if isinstance(contents, ImageError):
        table = None if extension or file is None else _describe_catalogue(file, content)
        return table or ({**NOTHING, "format": None, "problems": [str(contents)]}, False)
    single = contents.images[0] if len(contents.images) == 1 else None
    answer = {
        "format": contents.format,
        **(single.as_json() if single else {**NOTHING, "pictures": [description.as_json() for description in contents.images]}),
        "extensions": list(contents.extensions),
        "problems": [
            *contents.problems,
            *(f"{p.extension}: {text}" if not single else text for p in contents.images for text in p.problems),
        ],
    }
    if picture is not None:
        drawing = attempt(lambda: draw(content, extension=extension, stretch=stretch, max_pixels=max_pixels))
        if isinstance(drawing, ImageError):
            answer["problems"].append(f"no PNG file was written: {drawing}")
            return answer, False
        with open_output(picture) as output:
            output.write(drawing)
    return answer, True


def _describe_catalogue(path: Path, content: bytes) -> tuple[dict[str, Any], bool] | None:
    """Return the description of a file with a table, and whether it can be read; None if the file has no table."""
    from sync.errors.images import ImageError
    from sync.images.decode import kind_of, unpack

    try:
        kind = kind_of(unpack(content))
    except ImageError:
        kind = ""
    is_fits = kind == "FITS"
    name = path.stem if path.suffix.lower() in PACKING_SUFFIXES else path.name
    is_expected = is_fits or name.lower().endswith(TABLE_SUFFIXES)
    if kind and not is_expected:
        return None
    from sync.importing.inputs.catalogue_summary import summarise_catalogue
    from sync.importing.inputs.item import InputError

    try:
        summary = summarise_catalogue(path)
    except InputError as error:
        # The caller then reports why the file is not an image.
        if is_fits and ("has no table" in str(error) or "cannot be read as a catalogue" in str(error)):
            return None
        if not is_expected and (FOREIGN_FORMAT not in str(error) or NO_TEXT in str(error)):
            return None
        return {**NOTHING, "format": "catalogue", "problems": [str(error)]}, False
    faulty_rows = summary.faulty_rows
    if not is_expected and (faulty_rows or not summary.has_positions):  # a text of any kind
        return None
    problems = [f"row {number}: {reason}" for number, reason in list(faulty_rows.items())[:LISTED_ROWS]]
    if len(faulty_rows) > LISTED_ROWS:
        problems.append(f"{len(faulty_rows) - LISTED_ROWS} more rows cannot be read")
    if summary.problem:
        problems.append(summary.problem)
    answer = {
        "format": "catalogue",
        "rows": summary.row_count,
        "positions": summary.position_count,
        "columns": list(summary.columns),
        "problems": problems,
    }
    return {**NOTHING, **answer}, True


def _format_description(path: str, answer: Mapping[str, Any]) -> str:
    """Format a description as text lines."""
    lines = [f"{path}: {answer['format'] or 'cannot be read'}"]
    for part in answer.get("extensions", ()):
        size = "x".join(str(length) for length in reversed(part["shape"])) or "-"
        lines.append(f"  extension {part['number']} {part['name'] or '-'} ({size}): {part['use']}")
    for description in answer.get("pictures", [answer] if answer["shape"] else []):
        lines += _format_image(description)
    if "rows" in answer:
        advice = (
            f"{answer['positions']} of them with a position: import it with --catalogue"
            if answer["positions"]
            else "none with a known position: join it with --table, or name the columns with --ra and --dec"
        )
        lines.append(f"  {answer['rows']} rows with the columns {', '.join(answer['columns'])}; {advice}")
    lines += [f"  note: {problem}" for problem in answer["problems"]]
    return "\n".join(lines)


def _format_image(description: Mapping[str, Any]) -> list[str]:
    height, width = description["shape"]
    bands = ", ".join(description["bands"]) or f"{description['planes']} without names"
    lines = [f"  image {description['extension'] or ''}".rstrip() + f": {width}x{height} pixels, bands: {bands}"]
    if description["unit"] or description["zero_point"] is not None:
        zero = (
            ""
            if description["zero_point"] is None
            else f", zero point {description['zero_point']:.4g} mag ({description['zero_point_from']})"
        )
        lines.append(f"    unit: {description['unit'] or 'unknown'}{zero}")
    if description["ra"] is not None:
        lines.append(
            f"    sky: ra {description['ra']:.6f}, dec {description['dec']:.6f} (ICRS), "
            f"{description['pixel_scale_arcsec']:.4g} arcsec a pixel, "
            f"up is {description['rotation_deg']:.2f} degrees east of north, east is {description['east']}, "
            f"{description['projection']} in {description['frame']}"
        )
    lines.append(f"    stretch: {description['stretch']}")
    return lines
