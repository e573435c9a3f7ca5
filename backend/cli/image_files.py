"""The image files that the arguments of a command name: files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from backend.cli.terminal import notices
from sync.images.decode import IMAGE_SUFFIXES

__all__ = ["find_images"]


def find_images(words: Iterable[str]) -> list[str]:
    """List the files that arguments name, each once, in the order of the arguments.

    Parameters
    ----------
    words : iterable of str
        Files, folders (all images in them and in their subfolders, sorted) and patterns, with `**` for any folders. A path
        that does not exist is kept: the attempt to read it reports the error.
    """
    found: dict[str, None] = {}
    for word in words:
        if os.path.isdir(word):
            named = _images_below(word)
        elif not os.path.lexists(word) and glob.has_magic(word):
            matches = sorted(glob.glob(word, recursive=True)) or [word]
            named = [file for match in matches for file in (_images_below(match) if os.path.isdir(match) else [match])]
        else:
            named = [word]
        found |= dict.fromkeys(named)
    return list(found)


def _images_below(folder: str) -> list[str]:
    """List a folder's images, without hidden files and folders; a symbolic link counts if its target is in the folder."""
    root = os.path.realpath(folder)
    below: list[str] = []
    outside: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = [name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")]
        paths = [os.path.join(place, name) for name in images]
        outside += [path for path in paths if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(root)]
        below += paths
    if outside:
        example = f"{len(outside)} symbolic links in {folder} lead out of it and are left out, such as {min(outside)}"
        notices.print(f"{example}: name them themselves to read them", markup=False, highlight=False, soft_wrap=True)
    return sorted(set(below) - set(outside))
