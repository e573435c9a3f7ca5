"""The images that the arguments of a command name: files, folders, patterns, Parquet files and objects of a bucket."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Collection as Group
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.terminal import notices, stop, wrong_call
from sync.files.find import find_files
from sync.images.decode import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from sync.importing.inputs.collection import Span
    from sync.importing.inputs.images import InputImages

__all__ = ["find_images", "find_inputs", "open_images"]


def open_images(words: Sequence[str], *, limit: int | None, max_bytes: int) -> InputImages:
    """Return the images that arguments name, each once, in the order of the arguments; they are read later.

    End the command with a wrong call if there is no image, or a named Parquet file or bucket cannot be used.

    Parameters
    ----------
    words : sequence of str
        As for `find_images`; also Parquet files with a column `image`, and `s3://bucket/prefix` or patterns of objects.
    limit : int or None
        Number of images that are taken.
    max_bytes : int
        Largest image, bytes.
    """
    from sync.importing.s3_client import SCHEME

    images = _take(_find_spans(words, max_bytes, _open_rows), words, limit=limit, max_bytes=max_bytes)
    spans = images.spans
    if not any(span.source.startswith(SCHEME) or os.path.lexists(span.source) for span in spans):
        first = spans[0].source
        stop(f"none of {len(images)} images could be read; the first was {first}: there is no such file")
    return images


def find_inputs(words: Sequence[str], *, limit: int | None, max_bytes: int) -> InputImages:
    """Return the inputs that arguments name, as `open_images`; a Parquet file without readable images is one input."""
    return _take(_find_spans(words, max_bytes, _open_rows_or_table), words, limit=limit, max_bytes=max_bytes)


def _take(spans: Iterable[Span], words: Sequence[str], *, limit: int | None, max_bytes: int) -> InputImages:
    from sync.importing.inputs.images import InputImages
    from sync.importing.inputs.item import InputError

    try:
        images = InputImages(list(islice(_unique(spans), limit)), max_bytes=max_bytes).limit(limit)
    except InputError as error:
        wrong_call(str(error))
    if not len(images):
        wrong_call(f"there is no image in {', '.join(words)}")
    return images


def _unique(spans: Iterable[Span]) -> Iterator[Span]:
    known_spans: set[Span] = set()
    for span in spans:
        if span not in known_spans:
            known_spans.add(span)
            yield span


def _find_spans(words: Iterable[str], max_bytes: int, open_table: Callable[[str, str], Span | None]) -> Iterator[Span]:
    """Yield the inputs that arguments name; `open_table` returns that of a Parquet file, given its path and the argument."""
    from sync.importing.inputs.collection import SUFFIXES, Collection, Span, is_parquet
    from sync.importing.s3_client import SCHEME

    for word in words:
        if word.startswith(SCHEME):
            yield from Collection(max_bytes=max_bytes).find(word)
            continue
        for path in find_images([word], SUFFIXES):
            span = open_table(path, word) if is_parquet(path) and os.path.isfile(path) else Span(path)
            if span is not None:
                yield span


def _open_rows(path: str, word: str) -> Span | None:
    """Return the rows of a Parquet file; a file of a folder that has no images is left out with a notice."""
    from sync.importing.inputs.collection import count_parquet_rows
    from sync.importing.inputs.item import InputError

    try:
        return count_parquet_rows(path)
    except InputError as error:
        if path == word:
            raise
        notices.print(f"{error}: the file is left out", highlight=False, soft_wrap=True)
        return None


def _open_rows_or_table(path: str, word: str) -> Span:
    from sync.importing.inputs.collection import Span, count_parquet_rows
    from sync.importing.inputs.item import InputError

    try:
        return count_parquet_rows(path) or Span(path)
    except InputError:
        return Span(path)


def find_images(words: Iterable[str], suffixes: Group[str] = IMAGE_SUFFIXES) -> list[str]:
    """List the files that arguments name, each once, in the order of the arguments.

    Parameters
    ----------
    words : iterable of str
        Files, folders (all images in them and in their subfolders, sorted) and patterns, with `**` for any folders. A path
        that does not exist is kept: the attempt to read it reports the error.
    suffixes : collection of str
        Suffixes of the files that are taken from folders.
    """
    files: dict[str, None] = {}
    for word in words:
        if os.path.isdir(word):
            paths = _list_images(word, suffixes)
        elif not os.path.lexists(word) and glob.has_magic(word):
            matches = sorted(glob.glob(word, recursive=True)) or [word]
            paths = [file for match in matches for file in (_list_images(match, suffixes) if os.path.isdir(match) else [match])]
        else:
            paths = [word]
        files |= dict.fromkeys(paths)
    return list(files)


def _list_images(folder: str, suffixes: Group[str]) -> list[str]:
    """List a folder's images, without hidden files and folders; a symbolic link counts if its target is in the folder."""
    root = os.path.realpath(folder)
    images = list(find_files(folder, suffixes))
    outside = [path for path in images if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(root)]
    if outside:
        example = f"{len(outside)} symbolic links in {folder} point outside of it and are left out, such as {min(outside)}"
        notices.print(f"{example}: to read them, name them as arguments", highlight=False, soft_wrap=True)
    return sorted(set(images) - set(outside))
