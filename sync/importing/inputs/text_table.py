"""Reader of text tables; the first lines determine the format: ECSV, CDS, MRT, IPAC, SExtractor and others, else CSV."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from astropy.table import Table

from sync.importing.inputs.csv_table import read_delimited
from sync.importing.inputs.ecsv_table import read_ecsv
from sync.importing.inputs.item import InputError
from sync.importing.inputs.table_bounds import check_cells
from sync.importing.inputs.table_choice import TableEntry, choose_table
from sync.importing.inputs.text_lines import decode_text

__all__ = ["read_text_table"]

HEAD_LINES = 400
HEAD_CHARACTERS = 100_000
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
RDB_TYPES = re.compile(r"\d*[SNM](?:\t\d*[SNM])*\s*", re.IGNORECASE)
VIZIER_DASHES = re.compile(r"-+(?:[\t;|]-+)*[\t;|]?")
SEXTRACTOR_NUMBER = re.compile(r"#\s*(\d{1,100})\s")
BAR_DASHES = re.compile(r"[|+:\s-]*--[|+:\s-]*")
VIZIER_NAME = re.compile(r"#(?:Name:\s*|Table\s+)([^\s:]+)")
IPAC_TYPES = ("double", "float", "real", "int", "integer", "char", "long", "date", "d", "r", "i", "c", "l", "f")


def read_text_table(content: bytes, *, table: str | None = None, as_text: Collection[str] = (), file: Path) -> Table:
    """Read a text table; its first lines determine the format.

    Parameters
    ----------
    content : bytes
    table : str, optional
        Name or number of one of several tables in a file of VizieR.
    as_text : collection of str
        Columns whose numbers remain strings.
    file : Path
        For messages.

    Raises
    ------
    InputError
        If there are several tables and `table` is None, or too many values.
    """
    text = decode_text(content)
    if CONTROL_CHARACTERS.search(text[:HEAD_CHARACTERS]):
        raise InputError(f"{file} cannot be read as a catalogue: it is not text, and not in a known format")
    if text.startswith("# %ECSV"):
        return read_ecsv(text, file=file)
    kind = _find_format(text)
    if kind == "ascii.sextractor":  # astropy creates a column for each number up to the largest
        lines = text.split("\n")
        largest = max((int(match[1]) for line in lines if (match := SEXTRACTOR_NUMBER.match(line))), default=0)
        check_cells(len(lines), largest, file=file)
    if kind is not None:
        # A list of lines, because astropy treats a string of one line as a file name or a URL.
        return Table.read(text.rstrip("\n").split("\n"), format=kind)
    sections = _vizier_sections(text)
    if sections:
        return read_delimited(choose_table(sections, table, file=file), as_text=as_text, file=file)
    if table is not None:
        choose_table([TableEntry(1, "", None, None)], table, file=file)
    if text.lstrip().startswith("|"):
        text = _remove_outer_bars(text)
    return read_delimited(text, as_text=as_text, file=file)


def _find_format(text: str) -> str | None:
    """Return astropy's name of the format; None for columns separated by a character or spaces."""
    start = text[:HEAD_CHARACTERS]
    lines = [line for line in start.split("\n")[:HEAD_LINES] if line.strip()]
    if not lines:
        return None
    first = lines[0].strip()
    if any(line.lower().startswith("byte-by-byte description of file") for line in lines):
        return "ascii.mrt" if first.lower().startswith("title:") else "ascii.cds"
    if re.match(r"#\s+1\s+\S+", first) and not all(line.startswith("#") for line in lines):
        return "ascii.sextractor"
    if re.match(r"#[KNUF]\s", first):
        return "ascii.daophot"
    if first.startswith("\\begin") or re.match(r"\\(documentclass|startdata|tablehead)", first):
        return "ascii.aastex" if "deluxetable" in start else "ascii.latex"
    bars = [line.strip() for line in lines if line.strip().startswith("|")]
    if len(bars) > 1 and first.startswith(("\\", "|")):
        types = [word.strip().lower() for word in bars[1].strip("|").split("|")]
        if types and all(any(name.startswith(word) for name in IPAC_TYPES) for word in types if word):
            return "ascii.ipac"
    data = [line for line in lines if not line.startswith("#")][:2]
    if len(data) > 1 and RDB_TYPES.fullmatch(data[1]) and "\t" in data[1]:
        return "ascii.rdb"
    if len(lines) > 1 and re.fullmatch(r"-+(?: +-+)+", lines[1].strip()) and "\t" not in lines[0]:
        return "ascii.fixed_width_two_line"
    if re.fullmatch(r"=+(?:\s+=+)+", first):
        return "ascii.rst"
    return None


def _remove_outer_bars(text: str) -> str:
    """Remove the bars around each line of a table like ``| a | b |``, and the line of dashes below its header."""
    lines = [line.strip().removeprefix("|").removesuffix("|") for line in text.strip().split("\n")]
    if len(lines) > 1 and BAR_DASHES.fullmatch(lines[1]):
        del lines[1]
    return "\n".join([*lines, ""])


def _vizier_sections(text: str) -> list[TableEntry[str]]:
    """Return the tables of VizieR's `asu-tsv`: lines of names, units and dashes, then rows up to the next blank line."""
    if "\n---" not in text:
        return []
    lines = text.split("\n")
    dashes = [
        index
        for index, line in enumerate(lines)
        if index >= 2 and line.startswith("--") and VIZIER_DASHES.fullmatch(line.strip())
    ]
    dashes = [index for index in dashes if lines[index - 2].strip() and not lines[index - 2].startswith("#")]
    sections = []
    for number, index in enumerate(dashes, start=1):
        end = index + 1
        while end < len(lines) and lines[end].strip() and not lines[end].startswith("#"):
            end += 1
        before = dashes[number - 2] if number > 1 else 0
        names = [match[1] for line in lines[before:index] if (match := VIZIER_NAME.match(line))]
        rows = end - index - 1
        sections.append(TableEntry(number, names[-1] if names else "", rows, "\n".join(lines[index - 2 : end]) + "\n"))
    return sections
