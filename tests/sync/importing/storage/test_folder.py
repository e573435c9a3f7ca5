"""Atomic writing of files into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.importing.storage.folder import store_file
from sync.importing.storage.stored import StorageError, StoredFile


def test_a_file_is_written_once(tmp_path: Path) -> None:
    file = StoredFile("a.png", b"picture")
    stored_file = store_file(tmp_path / "new" / "folder", file)
    assert stored_file.read_bytes() == b"picture"
    before = stored_file.stat().st_mtime_ns
    assert store_file(stored_file.parent, file) == stored_file
    assert stored_file.stat().st_mtime_ns == before
    assert [path.name for path in stored_file.parent.iterdir()] == ["a.png"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="file cannot be written"):
        store_file(tmp_path / "file", StoredFile("a.png", b""))
