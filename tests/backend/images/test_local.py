"""Images of this machine: what words name, and reading ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.cli.image_files import find_images
from backend.images.local import LocalImageStore, read_ahead
from sync.errors.images import ImageError


@pytest.fixture
def image_store() -> LocalImageStore:
    return LocalImageStore(max_bytes=100_000, max_pixels=30_000)


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
    assert "1 symbolic links in deep lead out of it and are left out, such as deep/outside.png" in capsys.readouterr().err
    assert find_images(["deep/outside.png"]) == ["deep/outside.png"]


def test_files_are_read_in_order_and_errors_stand_in_their_places() -> None:
    def read(path: str) -> str:
        if path == "b":
            raise ImageError("broken")
        return path.upper()

    first, second, third = read_ahead(["a", "b", "c"], read, ahead=1)
    assert (first, third) == (("a", "A"), ("c", "C"))
    assert str(second[1]) == "broken"


def test_no_more_is_read_ahead_than_asked() -> None:
    begun: list[str] = []
    third = threading.Event()

    def read(path: str) -> str:
        begun.append(path)
        if path == "c":
            third.set()
        return path

    def paths() -> Iterator[str]:
        yield from "abcdefgh"

    reading = read_ahead(paths(), read, ahead=2)
    assert next(reading)[0] == "a"
    assert third.wait(10)
    assert begun == ["a", "b", "c"]
    reading.close()  # type: ignore[attr-defined]


def test_whatever_is_raised_for_one_file_the_others_are_read() -> None:
    (bad, reason), good = read_ahead(["0", "2"], lambda path: 1 // int(path), ahead=1)
    assert bad == "0"
    assert "ZeroDivisionError" in str(reason)
    assert good == ("2", 0)


def test_the_same_file_under_two_names_has_one_key(image_store: LocalImageStore, pictures: Path) -> None:
    (pictures / "copy.png").write_bytes((pictures / "b.png").read_bytes())
    assert image_store.open(str(pictures / "b.png")).key == image_store.open(str(pictures / "copy.png")).key


def test_a_held_picture_is_not_read_again(image_store: LocalImageStore, pictures: Path) -> None:
    path = str(pictures / "b.png")
    picture = image_store.open_decoded(path)
    image_store.hold({path: picture})
    Path(path).unlink()
    assert image_store.open(path) is picture
    image_store.hold({})
    with pytest.raises(ImageError):
        image_store.open(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.png", "no such file"), ("deep", "no file"), ("broken.jpg", "starts with")],
)
def test_why_a_file_cannot_be_read_is_said(image_store: LocalImageStore, pictures: Path, name: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        image_store.open_decoded(str(pictures / name))


def test_a_large_file_is_refused_with_the_setting_that_allows_it(pictures: Path, png: Callable[..., bytes]) -> None:
    with pytest.raises(ImageError, match="GALAXYLOOP_IMAGE_MAX_BYTES"):
        LocalImageStore(max_bytes=100, max_pixels=30_000).open(str(pictures / "b.png"))
