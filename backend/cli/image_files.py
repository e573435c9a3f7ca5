"""The image files that the arguments of a command name: files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from backend.cli.terminal import notices
from sync.files.find import find_files
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
    files: dict[str, None] = {}
    for word in words:
        if os.path.isdir(word):
            paths = _list_images(word)
        elif not os.path.lexists(word) and glob.has_magic(word):
            matches = sorted(glob.glob(word, recursive=True)) or [word]
            paths = [file for match in matches for file in (_list_images(match) if os.path.isdir(match) else [match])]
        else:
            paths = [word]
        files |= dict.fromkeys(paths)
    return list(files)


def _list_images(folder: str) -> list[str]:
    """List a folder's images, without hidden files and folders; a symbolic link counts if its target is in the folder."""
    root = os.path.realpath(folder)
    images = list(find_files(folder, IMAGE_SUFFIXES))
    outside = [path for path in images if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(root)]
    if outside:
        example = f"{len(outside)} symbolic links in {folder} point outside of it and are left out, such as {min(outside)}"
        notices.print(f"{example}: to read them, name them as arguments", highlight=False, soft_wrap=True)
    return sorted(set(images) - set(outside))
