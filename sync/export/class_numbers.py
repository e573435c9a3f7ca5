"""Class numbers that are stable across exports, also when a class is renamed or removed.

The class numbers of COCO, YOLO and FITS are positions in a list of labels. The data folder contains one such list per project:
an export appends new labels, and keeps the positions of labels that the project no longer has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sync.files.atomic import atomic_write

__all__ = ["keep_numbers", "number_labels"]


def number_labels(labels: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """Return labels in the order of their class numbers.

    Parameters
    ----------
    labels : sequence of str
        The project's labels, in the order of its labelling config.
    file : Path or None
        The list of an earlier export. A missing or damaged file counts as an empty list, and so does None.

    Returns
    -------
    tuple of str
        The labels of `file`, followed by those of `labels` that it does not contain.
    """
    try:
        names = json.loads(file.read_text(encoding="utf-8")) if file is not None else []
    except (OSError, ValueError):
        names = []
    earlier = [label for label in names if isinstance(label, str)] if isinstance(names, list) else []
    return tuple(dict.fromkeys((*earlier, *labels)))


def keep_numbers(labels: Sequence[str], file: Path | None) -> None:
    """Store labels in the order of their class numbers for the next export.

    Parameters
    ----------
    labels : sequence of str
        As `number_labels` returns them.
    file : Path or None
        Where the list is stored; None stores nothing.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as stream:
            stream.write(json.dumps(labels).encode("ascii"))
