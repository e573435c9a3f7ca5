"""The files of regions that the arguments of a command name: files, folders, patterns and objects of a bucket."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.cli.terminal import stop_for, wrong_call
from sync.importing.s3_client import SCHEME

__all__ = ["RegionFiles"]


class RegionFiles:
    """Files of regions, each once, in the order of the arguments; objects of a bucket are copied into a temporary folder.

    End the command with a wrong call if a bucket has no object that an argument names.

    Parameters
    ----------
    words : sequence of str
        Files, folders of YOLO data sets, other folders (all files of regions in them and in their subfolders), patterns, and
        addresses or patterns of objects of a bucket.
    stack : ExitStack
        Deletes the copies.

    Attributes
    ----------
    paths : list of Path
    """

    def __init__(self, words: Sequence[str], stack: ExitStack) -> None:
        self._folder = ""
        if any(word.startswith(SCHEME) for word in words):
            self._folder = stack.enter_context(TemporaryDirectory(prefix="galaxyloop-regions-"))
        files: dict[str, None] = {}
        for word in words:
            files |= dict.fromkeys(self._copy_objects(word) if word.startswith(SCHEME) else _list_files(word))
        self.paths = [Path(name) for name in files]

    def restore_addresses(self, line: str) -> str:
        """Replace the paths of copies in a message by the addresses of the objects."""
        return line.replace(f"{self._folder}{os.sep}", SCHEME) if self._folder else line

    def _copy_objects(self, word: str) -> list[str]:
        from sync.errors.images import ImageError
        from sync.importing.inputs.item import InputError
        from sync.importing.s3_client import S3Client
        from sync.regions.files import MAX_BYTES
        from sync.regions.formats import SUFFIXES

        copies = []
        try:
            client = S3Client()
            for address in client.find(word, SUFFIXES):
                copy = Path(self._folder, address.removeprefix(SCHEME))
                if not copy.resolve().is_relative_to(Path(self._folder).resolve()):
                    wrong_call(f"{address} has a key that is not a path: rename the object")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(client.read(address, max_bytes=MAX_BYTES))
                copies.append(str(copy))
        except ImageError as error:
            wrong_call(f"{word}: {error}")
        except InputError as error:
            stop_for(error)
        if not copies:
            wrong_call(f"there is no file of regions in {word}")
        return copies


def _list_files(word: str) -> Iterator[str]:
    """Yield the files that an argument names; of a folder without files of regions, the reader reports the error."""
    is_pattern = glob.has_magic(word) and not os.path.lexists(word)
    for match in (sorted(glob.glob(word, recursive=True)) if is_pattern else []) or [word]:
        yield from _open_folder(match) if os.path.isdir(match) else (match,)


def _open_folder(folder: str) -> list[str]:
    """Return the files of regions of a folder; the folder itself if it is a YOLO data set, or has none."""
    from sync.files.find import find_files
    from sync.regions import yolo
    from sync.regions.formats import SUFFIXES

    return [folder] if yolo.is_folder(Path(folder)) else list(find_files(folder, SUFFIXES)) or [folder]
