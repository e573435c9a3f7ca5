"""The files that the arguments of a command name."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.image_files import find_images


@pytest.fixture
def inside(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)


@pytest.mark.usefixtures("inside")
def test_a_folder_means_its_images_and_those_below_sorted() -> None:
    assert find_images(["."]) == ["./a.PNG", "./b.png", "./broken.jpg", "./deep/c.png"]


@pytest.mark.usefixtures("inside")
def test_a_file_is_taken_whatever_it_is_called() -> None:
    assert find_images(["notes.txt"]) == ["notes.txt"]


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("pattern", "files"), [("*.png", ["b.png"]), ("**/*.png", ["b.png", "deep/c.png"]), ("d*", ["deep/c.png"])]
)
def test_a_pattern_means_what_matches_it(pattern: str, files: list[str]) -> None:
    assert find_images([pattern]) == files


@pytest.mark.usefixtures("inside")
def test_each_path_comes_once_in_the_order_of_the_words() -> None:
    assert find_images(["deep", "b.png", "*.png", "deep/c.png"]) == ["deep/c.png", "b.png"]


@pytest.mark.usefixtures("inside")
def test_a_file_with_a_bracket_in_its_name_is_no_pattern() -> None:
    Path("m[31].png").write_bytes(b"")
    assert find_images(["m[31].png"]) == ["m[31].png"]


@pytest.mark.usefixtures("inside")
def test_what_names_nothing_stays_to_be_reported() -> None:
    assert find_images(["missing.png", "*.fits"]) == ["missing.png", "*.fits"]


@pytest.mark.usefixtures("inside")
def test_hidden_files_of_a_folder_are_no_images() -> None:
    Path("deep/._c.png").write_bytes(b"")
    assert find_images(["deep"]) == ["deep/c.png"]


@pytest.mark.usefixtures("inside")
def test_hidden_folders_are_not_entered() -> None:
    Path("deep/.trash").mkdir()
    Path("deep/.trash/d.png").write_bytes(b"")
    assert find_images(["deep"]) == ["deep/c.png"]


@pytest.mark.usefixtures("inside")
def test_links_of_a_folder_are_followed_only_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("deep/below.png").symlink_to("c.png")
    Path("deep/outside.png").symlink_to("../b.png")
    Path("deep/up").symlink_to("..", target_is_directory=True)
    assert find_images(["deep"]) == ["deep/below.png", "deep/c.png"]
    assert "1 symbolic links in deep point outside of it and are left out, such as deep/outside.png" in capsys.readouterr().err
    assert find_images(["deep/outside.png"]) == ["deep/outside.png"]
