from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import pytest

from sync.files.atomic import atomic_folder, atomic_write, unsynced_write

Write = Callable[[Path], AbstractContextManager[IO[bytes]]]


@pytest.mark.parametrize("write", [atomic_write, unsynced_write])
def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path, write: Write) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with write(file) as temporary:
        temporary.write(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("write", [atomic_write, unsynced_write])
def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, write: Write) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with pytest.raises(TypeError), write(file) as temporary:
        temporary.writelines([b"new", None])  # type: ignore[list-item]
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "secret", mode=0o600) as temporary:
        temporary.write(b"password")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with atomic_folder(folder) as temporary:
        (temporary / "below").mkdir()
        (temporary / "below" / "file").write_bytes(b"content")
        assert not folder.exists()
    assert (folder / "below" / "file").read_bytes() == b"content"
    assert folder.stat().st_mode & 0o777 == 0o755
    assert list(folder.parent.iterdir()) == [folder]


def test_an_interrupted_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "folder") as temporary:
        _ = (temporary / "file").write_bytes(b"content") / 0
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"old")
    with pytest.raises(OSError, match="folder"), atomic_folder(tmp_path / "folder"):
        pass
    assert (tmp_path / "folder" / "file").read_bytes() == b"old"
