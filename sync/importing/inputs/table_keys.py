"""Matching of a table's keys with the paths of images: file names and ids, with and without folder, suffix and leading zeros.

Matching ignores case. A key with folders is compared as a path, from its end. A key without folders is compared with the file
name, then with the name without its suffix, then as an integer, so that 123 and 123.0 match 000123.jpg.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

__all__ = ["KeyIndex", "file_names", "index_keys", "is_rounded", "stem_of"]

SUFFIX = re.compile(r"\.(?:png|jpe?g|gif|webp|tiff?|fits?|fts|fz)(?:\.(?:gz|bz2|fz))?$|\.gz$", re.IGNORECASE)
WHOLE = re.compile(r"([+-]?\d{1,100})(?:\.0*|,0{0,2})?")
"""Integers, including those with a decimal part of zeros; three zeros after a comma are thousands."""
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[,.'\u2019\u00a0\u202f ]\d{3}){1,30}")
ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+")
EXCEL_TEXT = re.compile(r"=\"(.*)\"|'(.*)")
"""Notations of spreadsheets for numbers as text."""


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """Rows indexed by the forms of their keys, the most reliable first.

    Attributes
    ----------
    paths : dict
        Rows of keys with folders, by the full path.
    tails : dict
        Parts of the path and row of the same keys, by the file name without suffix.
    names, stems : dict
        Rows of keys without folders, by the name with and without suffix.
    integers : dict
        Rows of integer keys in another notation than Python's, such as 000123 and 123.0.
    """

    paths: dict[str, list[int]]
    tails: dict[str, list[tuple[list[str], int]]]
    names: dict[str, list[int]]
    stems: dict[str, list[int]]
    integers: dict[int, list[int]]

    def match(self, image: str, *, counts: Mapping[str, int] | None) -> list[int]:
        """Return the rows whose key matches an image.

        Parameters
        ----------
        image : str
            Path of the image.
        counts : mapping
            Number of images for each file name without suffix, from `file_names`. None if it is not known: a key with folders
            then matches only an image in a folder of the same name.
        """
        parts = _path(image).split("/")
        for start in range(len(parts) - 1 if self.paths else 0):  # the longest end first
            end = "/".join(parts[start:])
            rows = self.paths.get(end) or self.paths.get(stem_of(end))
            if rows:
                return rows
        name, stem = parts[-1], stem_of(parts[-1])
        rows = self.names.get(name) or self.names.get(stem) or self.stems.get(stem)
        if rows:
            return rows
        match = WHOLE.fullmatch(stem)
        if match is not None:
            number = int(match[1])
            rows = sorted({*self.names.get(str(number), ()), *self.integers.get(number, ())})
        return rows or self._match_folders(parts, is_only=counts is not None and counts.get(stem, 0) < 2)

    def _match_folders(self, parts: list[str], *, is_only: bool) -> list[int]:
        """Return the rows whose path has the longest common end with that of an image, for files in different base folders.

        The file name alone is sufficient if no other image and no other row has the same one.
        """
        stem = stem_of(parts[-1])
        candidates = self.tails.get(stem, [])
        same_suffix = [(key, row) for key, row in candidates if key[-1] == parts[-1]]
        candidates = same_suffix or candidates
        lengths = [_common_folders(key, parts) for key, _ in candidates]
        longest = max(lengths, default=0)
        if longest == 0 and not (is_only and len(candidates) == 1):
            return []
        return [row for (_, row), length in zip(candidates, lengths, strict=True) if length == longest]


def index_keys(values: Mapping[int, str]) -> KeyIndex:
    """Return an index of the keys in `values`, which maps rows to keys."""
    index = KeyIndex({}, {}, {}, {}, {})
    for row, value in values.items():
        path = _path(value)
        if "/" in path:
            parts = path.split("/")
            index.paths.setdefault(path, []).append(row)
            index.tails.setdefault(stem_of(parts[-1]), []).append((parts, row))
            continue
        index.names.setdefault(path, []).append(row)
        stem = stem_of(path)
        if stem != path:
            index.stems.setdefault(stem, []).append(row)
        number = _integer(stem)
        if number is not None and str(number) != path:
            index.integers.setdefault(number, []).append(row)
    return index


def file_names(images: Iterable[str]) -> Counter[str]:
    """Count the file names of images, without suffix."""
    return Counter(stem_of(_path(image).rpartition("/")[2]) for image in images)


def is_rounded(key: str) -> bool:
    """Return whether a spreadsheet has rounded an id, as in 5.877e+17."""
    return ROUNDED.fullmatch(key) is not None


def stem_of(name: str) -> str:
    """Return the name of an image without its suffix; what follows the point of another name, as in J1234.5+0607, is kept."""
    return SUFFIX.sub("", name) if "." in name else name


def _integer(text: str) -> int | None:
    if match := WHOLE.fullmatch(text):
        return int(match[1])
    return int(re.sub(r"[^\d+-]", "", text)) if THOUSANDS.fullmatch(text) else None


def _path(name: str) -> str:
    """Return a path in its normal form for comparison: with slashes, without `./`, in lower case."""
    if match := EXCEL_TEXT.fullmatch(name.strip()):
        name = match[1] or match[2] or name
    if "://" in name:
        address = urlsplit(name)
        name = f"{address.netloc}{unquote(address.path)}"
    path = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).lower()
    return path.strip("/") if "/./" not in path and not path.startswith("./") else PurePosixPath(path).as_posix().strip("/")


def _common_folders(first: list[str], second: list[str]) -> int:
    count = 0
    for left, right in zip(reversed(first[:-1]), reversed(second[:-1]), strict=False):
        if left != right:
            break
        count += 1
    return count
