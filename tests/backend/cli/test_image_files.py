"""The files that the arguments of a command name."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.image_files import find_images


@pytest.fixture
def _in_folder(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(image_folder)


@pytest.mark.usefixtures("_in_folder")
def test_a_folder_gives_its_images_and_those_of_subfolders_sorted() -> None:
    assert find_images(["."]) == ["./a.PNG", "./b.png", "./broken.jpg", "./deep/c.png"]


@pytest.mark.usefixtures("_in_folder")
def test_a_file_is_accepted_with_any_suffix() -> None:
    assert find_images(["notes.txt"]) == ["notes.txt"]


@pytest.mark.usefixtures("_in_folder")
@pytest.mark.parametrize(
    ("pattern", "files"), [("*.png", ["b.png"]), ("**/*.png", ["b.png", "deep/c.png"]), ("d*", ["deep/c.png"])]
)
def test_a_pattern_gives_the_files_that_match(pattern: str, files: list[str]) -> None:
    assert find_images([pattern]) == files


@pytest.mark.usefixtures("_in_folder")
def test_each_path_is_listed_once_in_the_order_of_the_arguments() -> None:
    assert find_images(["deep", "b.png", "*.png", "deep/c.png"]) == ["deep/c.png", "b.png"]


@pytest.mark.usefixtures("_in_folder")
def test_an_existing_file_with_brackets_in_its_name_is_not_a_pattern() -> None:
    Path("m[31].png").write_bytes(b"")
    assert find_images(["m[31].png"]) == ["m[31].png"]


@pytest.mark.usefixtures("_in_folder")
def test_a_path_that_does_not_exist_is_kept() -> None:
    assert find_images(["missing.png", "*.fits"]) == ["missing.png", "*.fits"]


@pytest.mark.usefixtures("_in_folder")
def test_hidden_files_are_left_out() -> None:
    Path("deep/._c.png").write_bytes(b"")
    assert find_images(["deep"]) == ["deep/c.png"]


@pytest.mark.usefixtures("_in_folder")
def test_hidden_folders_are_left_out() -> None:
    Path("deep/.trash").mkdir()
    Path("deep/.trash/d.png").write_bytes(b"")
    assert find_images(["deep"]) == ["deep/c.png"]


@pytest.mark.usefixtures("_in_folder")
def test_links_are_followed_only_inside_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("deep/below.png").symlink_to("c.png")
    Path("deep/outside.png").symlink_to("../b.png")
    Path("deep/up").symlink_to("..", target_is_directory=True)
    assert find_images(["deep"]) == ["deep/below.png", "deep/c.png"]
    assert "1 symbolic links in deep point outside of it and are left out, such as deep/outside.png" in capsys.readouterr().err
    assert find_images(["deep/outside.png"]) == ["deep/outside.png"]
