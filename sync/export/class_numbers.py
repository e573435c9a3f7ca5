"""Class numbers that stay the same from export to export, also when a class is renamed or removed.

The numbers of COCO, YOLO and FITS are places in a list of labels. The list of each project is a file in the data folder: an
export appends labels that are new, and keeps the place of those that the project no longer has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sync.files.atomic import atomic_write

__all__ = ["keep_numbers", "number_labels"]


def number_labels(labels: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """Return labels in the order of their numbers.

    Parameters
    ----------
    labels : sequence of str
        The project's, in the order of its labelling config.
    file : Path or None
        The list of an earlier export. One that is missing or damaged counts as empty, and so does None.
    """
    try:
        listed = json.loads(file.read_text(encoding="utf-8")) if file is not None else []
    except (OSError, ValueError):
        listed = []
    known = [label for label in listed if isinstance(label, str)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys((*known, *labels)))


def keep_numbers(labels: Sequence[str], file: Path | None) -> None:
    """Store labels in the order of their numbers for the next export.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as opened:
            opened.write(json.dumps(labels).encode("ascii"))
