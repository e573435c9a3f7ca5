"""The files that a command writes for its images: the named file for one image, files of a folder for several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from backend.cli.output import reject_input
from backend.cli.terminal import wrong_call
from sync.images.decode import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from sync.importing.inputs.images import InputImages

__all__ = ["name_outputs"]


def name_outputs(
    images: InputImages, output: Path, *, words: Sequence[str], suffix: str, inputs: Sequence[Path] = ()
) -> list[Path]:
    """Return the file to write for each image; end with a wrong call if a name does not suit, or is that of an input.

    Parameters
    ----------
    images : InputImages
    output : Path
        A file for one image; a folder for several, or if an argument of the command is a folder.
    words : sequence of str
        Arguments of the command.
    suffix : str
        Suffix of the written files, with a dot.
    inputs : sequence of Path
        Further files that are not overwritten.
    """
    if len(images) > 1 or output.is_dir() or any(Path(word).is_dir() for word in words):
        if output.is_file() or output.suffix.lower() == suffix:
            wrong_call(f"{output} is the name of a file: name a folder for several images")
        targets = [output / name for name in _unique_names((item.name for item in images), suffix)]
    else:
        if output.suffix.lower() != suffix:
            wrong_call(f"--output {output} must end in {suffix}, or be an existing folder")
        targets = [output]
    sources = [path for path in (*(Path(span.source) for span in images.spans), *inputs) if path.exists()]
    for target in targets:
        reject_input(target, sources)
    return targets


def _unique_names(names: Iterable[str], suffix: str) -> list[str]:
    """Return a file name for each name; equal names of different folders get a number."""
    names_used: dict[str, None] = {}
    for name in names:
        stem = PurePosixPath(name).name
        while PurePosixPath(stem).suffix.lower() in IMAGE_SUFFIXES:
            stem = PurePosixPath(stem).stem
        candidate, number = f"{stem}{suffix}", 2
        while candidate in names_used:
            candidate, number = f"{stem}-{number}{suffix}", number + 1
        names_used[candidate] = None
    return list(names_used)
