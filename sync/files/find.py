"""Search for files by suffix in a folder and its subfolders."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

__all__ = ["find_files"]


def find_files(
    folder: str | Path, suffixes: Collection[str], *, on_error: Callable[[OSError], None] | None = None
) -> Iterator[str]:
    """Yield the files of a folder and its subfolders, lazily and in order: first the files of a folder, then its subfolders.

    Hidden files and folders, and links to folders, are left out; links to files are yielded, wherever they point.

    Parameters
    ----------
    folder : str or Path
    suffixes : collection of str
        Suffixes of the files, in lower case with a dot; the case of a file's suffix is ignored.
    on_error : callable, optional
        Called with the error of a folder that cannot be read; without it, such folders are left out.
    """
    for place, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield os.path.join(place, name)
