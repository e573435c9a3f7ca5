"""Local images: the files that arguments name, and prefetching."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.images.local import LocalImageStore, prefetch_files
from sync.errors.images import ImageError


@pytest.fixture
def image_store() -> LocalImageStore:
    return LocalImageStore(max_bytes=100_000, max_pixels=30_000)


def test_files_and_errors_are_returned_in_order() -> None:
    def read(path: str) -> str:
        if path == "b":
            raise ImageError("broken")
        return path.upper()

    first, second, third = prefetch_files(["a", "b", "c"], read, ahead=1)
    assert (first, third) == (("a", "A"), ("c", "C"))
    assert str(second[1]) == "broken"


def test_at_most_the_given_number_of_files_is_prefetched() -> None:
    starts: list[str] = []
    third = threading.Event()

    def read(path: str) -> str:
        starts.append(path)
        if path == "c":
            third.set()
        return path

    def paths() -> Iterator[str]:
        yield from "abcdefgh"

    reading = prefetch_files(paths(), read, ahead=2)
    assert next(reading)[0] == "a"
    assert third.wait(10)
    assert starts == ["a", "b", "c"]
    reading.close()  # type: ignore[attr-defined]


def test_an_exception_for_one_file_does_not_stop_the_others() -> None:
    (bad, reason), good = prefetch_files(["0", "2"], lambda path: 1 // int(path), ahead=1)
    assert bad == "0"
    assert "ZeroDivisionError" in str(reason)
    assert good == ("2", 0)


def test_the_same_file_under_two_names_has_one_key(image_store: LocalImageStore, image_folder: Path) -> None:
    (image_folder / "copy.png").write_bytes((image_folder / "b.png").read_bytes())
    assert image_store.open(str(image_folder / "b.png")).key == image_store.open(str(image_folder / "copy.png")).key


def test_a_held_image_is_not_read_again(image_store: LocalImageStore, image_folder: Path) -> None:
    path = str(image_folder / "b.png")
    image = image_store.open(path)
    image_store.hold({path: image})
    Path(path).unlink()
    assert image_store.open(path) is image
    image_store.hold({})
    with pytest.raises(ImageError):
        image_store.open(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.png", "no such file"), ("deep", "not a file"), ("broken.jpg", "starts with")],
)
def test_the_reason_of_an_unreadable_file_is_given(
    image_store: LocalImageStore, image_folder: Path, name: str, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        _ = image_store.open(str(image_folder / name)).pixels


def test_a_large_file_is_rejected_and_the_setting_is_named(image_folder: Path, png: Callable[..., bytes]) -> None:
    with pytest.raises(ImageError, match="GALAXYLOOP_IMAGE_MAX_BYTES"):
        LocalImageStore(max_bytes=100, max_pixels=30_000).open(str(image_folder / "b.png"))
