"""Escapes characters that a format cannot represent, and reports the affected texts."""

from __future__ import annotations

import re
from typing import Any

from sync.export.reading.annotations import ReportProblem

__all__ = ["DS9", "ECSV", "FITS", "NAMES", "UNICODE", "XML", "Texts", "escape_text", "safe_cell"]

_BLANK_ENDS = r"|\A\s+|\s+\Z"
DS9 = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{}]" + _BLANK_ENDS)
"""A region is one line, and its text is enclosed in braces."""
UNICODE = re.compile("[\ud800-\udfff]")
"""Lone surrogates, which UTF-8 cannot encode."""
ECSV = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]" + _BLANK_ENDS)
"""astropy's reader splits lines at every line boundary of Unicode, and strips cells."""
NAMES = re.compile("[\t\n]|" + ECSV.pattern)
"""Names of columns: readers split the header line before they parse quotes."""
XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]" + _BLANK_ENDS)
"""XML 1.0 allows no other characters, and astropy's reader strips cells."""
FITS = re.compile(r"[^\x20-\x7e]|\s+\Z")
"""FITS allows printable ASCII only, and trailing spaces of a text are not significant."""

MOST_REPORTED = 1000
"""Largest number of texts that are reported one by one."""

# Spreadsheets accept the full-width forms as well.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def escape_text(text: str, pattern: re.Pattern[str]) -> str:
    """Replace the characters that `pattern` matches by Python's escapes, such as ``\\x85``."""
    return pattern.sub(lambda match: "".join(map(_escape, match[0])), text)


class Texts:
    """Converts texts for one format.

    Parameters
    ----------
    pattern : re.Pattern
        Matches the characters that the format cannot represent.
    format : str
        Name of the format in reports.
    report : callable
        Called once for each text that is escaped or cut, up to `MOST_REPORTED`.
    """

    def __init__(self, pattern: re.Pattern[str], *, format: str, report: ReportProblem) -> None:
        self._pattern = pattern
        self._format = format
        self._report = report
        self._report_keys: set[str] = set()

    def __call__(self, text: str, *, task: object = None) -> str:
        """Return a text with escapes for the characters that the format cannot represent; report it if it has any."""
        if not self._pattern.search(text):
            return text
        escaped_text = escape_text(text, self._pattern)
        self._report_once(
            escaped_text, f"{self._format} cannot hold the text {text[:80]!r}: it is written as {escaped_text[:200]!r}", task
        )
        return escaped_text

    def cut(self, text: str, *, task: object = None, length: int) -> str:
        """Return a text with escapes, cut to `length` characters; report it if it changes."""
        escaped_text = self(text, task=task)
        if len(escaped_text) > length:
            reason = f"{self._format} holds {length:,} characters of a text: {text[:80]!r}… of {len(escaped_text):,} is cut"
            self._report_once(f"cut {escaped_text}", reason, task)
        return escaped_text[:length]

    def _report_once(self, key: str, reason: str, task: object) -> None:
        if key in self._report_keys or len(self._report_keys) > MOST_REPORTED:
            return
        self._report_keys.add(key)
        if len(self._report_keys) > MOST_REPORTED:
            reason = f"further texts that {self._format} cannot hold are escaped or cut, and not listed one by one"
        self._report(reason, task=task)


def safe_cell(value: Any) -> Any:
    """Return a cell for a CSV file that spreadsheets do not evaluate: a text that begins like a formula gets a leading quote.

    Numbers are unchanged, also as texts such as ``-1.5``.
    """
    if not isinstance(value, str):
        return value
    text = escape_text(value, _UNSAFE)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _escape(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
