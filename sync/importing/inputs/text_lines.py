"""Lines of a text table: encoding, header, delimiter, and line of units."""

from __future__ import annotations

import csv
import re

from sync.importing.inputs.sky_names import is_position_name

__all__ = [
    "NO_DELIMITER",
    "decode_text",
    "find_delimiter",
    "find_quote",
    "is_aligned_with_tabs",
    "is_spaced",
    "replace_tabs",
    "separate_units",
    "start_at_header",
]

DELIMITERS = "\t,;|"
"""Delimiters in descending priority if the header has equal numbers of them."""
NO_DELIMITER = "\x1f"
"""Delimiter of a table of one column: a control character that does not occur in text."""
COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*|([-=*~])\1{2,}[ \t]*)?\n)*")
"""Lines before the header: blank lines, comments, and lines that are drawn with dashes or the like."""
DRAWN_LINE = re.compile(r"\n[ \t]*([-=*~])\1{2,}[ \t]*(?=\n)")
SINGLE_QUOTED = re.compile(r"(?<![^\s])'[^'\n]*[^'\s][ \t]+[^'\s][^'\n]*'(?![^\s])")
"""Words in single quotes, as astropy writes and accepts them: one value that contains a space."""
NUMBER_FIRST = re.compile(r'(?:^|[,;\t|]|\s)\s*"?[+-]?\.?\d')
DASHES = re.compile(r"-+(?:[\t;,|+]-+)*[\t;,|+]?")
"""Line of dashes below the names and units in VizieR's format, and below the names in psql's."""
TAB_OR_QUOTED = re.compile(r'"[^"\n]*"|\t')
HEAD_CHARACTERS = 100_000


def decode_text(content: bytes) -> str:
    """Decode a text as UTF-8, UTF-16 (Excel's "Unicode text") or UTF-32, else as cp1252, with line ends of one character."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        text = content.decode("utf-32", errors="replace")
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    elif b"\0" in content[:200] and not content.startswith(b"\0\0"):
        text = content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")  # Excel's "CSV" format, as opposed to "CSV UTF-8"
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def start_at_header(text: str, separator: str | None) -> str:
    """Return a text from its header on, without leading comments.

    If the first line after the comments contains numbers, the header is a comment with the same number of names: the last one
    with the names of two coordinates, else the only one with the name of a coordinate, else the last one.
    """
    comments = COMMENTS.match(text)
    assert comments is not None, "the pattern also matches nothing"
    body = text[comments.end() :]
    if find_delimiter(body.partition("\n")[0]) == " ":
        body = DRAWN_LINE.sub("", f"{body}\n")
    first = body.partition("\n")[0]
    delimiter = separator or find_delimiter(first)
    if not NUMBER_FIRST.search(first.strip()):
        return f"{body}\n"
    width = len(_split(first, delimiter))
    lines = [line.strip(" \t#") for line in comments[0].split("\n")]
    fitting = [line for line in reversed(lines) if len(_split(line, delimiter)) == width > 1]
    counts = [sum(is_position_name(name) for name in _split(line, delimiter)) for line in fitting]
    with_pair = [line for line, count in zip(fitting, counts, strict=True) if count > 1]
    with_name = [line for line, count in zip(fitting, counts, strict=True) if count == 1]
    if not with_pair and len(with_name) == 1:  # each of several lines may describe one column
        with_pair = with_name
    return "\n".join([*(with_pair or fitting)[:1], body, ""])


def _split(line: str, delimiter: str, quote: str = '"') -> list[str]:
    bare = line.replace("\t", " ").strip(" ") if delimiter == " " else line
    return next(csv.reader([bare], delimiter=delimiter, quotechar=quote, skipinitialspace=True), [])


def find_delimiter(line: str) -> str:
    """Return the delimiter of a header; a space stands for one or more spaces."""
    text = re.sub(r'"[^"]*"', "", line.strip(" "))
    delimiter = max(DELIMITERS, key=text.count)
    if delimiter in text:
        return delimiter
    return " " if len(text.split()) > 1 else NO_DELIMITER


def find_quote(text: str, delimiter: str) -> str:
    """Return the character that quotes values: a single quote if spaces separate the columns and a quoted value has one."""
    head = text[:HEAD_CHARACTERS]
    return "'" if delimiter == " " and '"' not in head and SINGLE_QUOTED.search(head) else '"'


def is_spaced(text: str, quote: str) -> bool:
    """Return whether header and first row have the same number of words; the name of a single column may contain a space."""
    lines = [line for line in text[:HEAD_CHARACTERS].split("\n") if line.strip() and not line.lstrip().startswith("#")][:2]
    widths = {len(_split(line, " ", quote)) for line in lines}
    return len(widths) == 1


def is_aligned_with_tabs(text: str, delimiter: str) -> bool:
    """Return whether several tabs in a row, or tabs and spaces, separate the names of the columns, as spaces would."""
    header = re.sub(r'"[^"]*"', '"', text.lstrip("\n").partition("\n")[0]).strip()
    return delimiter == "\t" and re.search(r"\t[ ]*\t", header) is not None and is_spaced(text, '"')


def replace_tabs(text: str) -> str:
    """Return a text whose columns are separated by spaces, without tabs outside quotes and without spaces around the lines."""
    if '"' in text and "\t" in text:
        text = TAB_OR_QUOTED.sub(lambda match: " " if match[0] == "\t" else match[0], text)
    else:
        text = text.replace("\t", " ")
    return re.sub(r" +\n", "\n", re.sub(r"\n +", "\n", text)).strip(" ")


def separate_units(text: str, delimiter: str) -> tuple[str, list[str]]:
    """Return a text without the lines of units and of dashes that VizieR writes below the header, and the units."""
    parts = text.split("\n", 3)
    if len(parts) == 4 and "-" in parts[2] and delimiter != " " and DASHES.fullmatch(parts[2].strip()):
        column_units = [unit.strip() for unit in next(csv.reader([parts[1]], delimiter=delimiter), [])]
        return f"{parts[0]}\n{parts[3]}", column_units
    if len(parts) == 4 and "-" in parts[1] and delimiter != " " and DASHES.fullmatch(parts[1].strip()):
        return "\n".join([parts[0], parts[2], parts[3]]), []
    return text, []
