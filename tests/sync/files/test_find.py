"""Search for files by suffix."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.files.find import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files, subfolders, hidden files and links."""
    for name in ("z.png", "b/a.PNG", "b/deep/c.fits", "a/d.png", "notes.txt", ".hidden.png", ".cache/e.png"):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "outside.png").touch()
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "in" / "up").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path / "in"


def test_files_are_found_in_order_without_hidden_ones(folder: Path) -> None:
    files = [str(Path(file).relative_to(folder)) for file in find_files(folder, {".png", ".fits"})]
    assert files == ["link.png", "z.png", "a/d.png", "b/a.PNG", "b/deep/c.fits"]


def test_a_folder_is_searched_lazily(folder: Path) -> None:
    files = find_files(folder, {".png"})
    next(files)
    (folder / "b" / "new.png").touch()
    assert str(folder / "b" / "new.png") in list(files)


def test_the_error_of_an_unreadable_folder_is_passed_on(tmp_path: Path) -> None:
    errors: list[OSError] = []
    assert list(find_files(tmp_path / "missing", {".png"}, on_error=errors.append)) == []
    assert isinstance(errors[0], FileNotFoundError)
