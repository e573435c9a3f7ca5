"""The demo's images: crops of a package's image of galaxies, or the images of a folder, in formats that a browser shows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from backend.demo.tiles import cut_deep_field, prepare_folder
from backend.heads.extraction.extract import extract
from sync.errors.images import ImageError
from sync.images.decode import decode


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return cut_deep_field(tmp_path_factory.mktemp("tiles"))


def image(format_: str, side: int = 24) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.arange(side * side, dtype=np.uint8).reshape(side, side)).save(content, format_)
    return content.getvalue()


def cube() -> bytes:
    content = io.BytesIO()
    fits.PrimaryHDU(np.random.default_rng(0).normal(100, 5, (20, 30)).astype(np.float32)).writeto(content)
    return content.getvalue()


# -- the deep field --


@pytest.mark.slow
def test_the_deep_field_gives_enough_tiles_for_several_batches(tiles: list[Path]) -> None:
    assert len(tiles) >= 36
    assert len({file.name for file in tiles}) == len({file.read_bytes() for file in tiles}) == len(tiles)


@pytest.mark.slow
def test_a_tile_is_a_square_png(tiles: list[Path]) -> None:
    for file in tiles:
        with Image.open(file) as tile:
            assert (tile.format, tile.mode) == ("PNG", "RGB")
            assert tile.width == tile.height >= 256


@pytest.mark.slow
def test_a_tile_has_a_galaxy_at_its_centre(tiles: list[Path]) -> None:
    for file in tiles[:5]:
        pixels = decode(file.read_bytes())
        middle = pixels.shape[0] / 2
        nearest = min(np.hypot(source.ellipse.x - middle, source.ellipse.y - middle) for source in extract(pixels).sources)
        assert nearest < pixels.shape[0] / 8


@pytest.mark.slow
def test_a_second_call_keeps_existing_tiles(tiles: list[Path]) -> None:
    before = {file: file.stat().st_mtime_ns for file in tiles}
    assert cut_deep_field(tiles[0].parent) == tiles
    assert {file: file.stat().st_mtime_ns for file in tiles} == before


# -- the user's folder --


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def prepare(images: Path) -> dict[str, Path | ImageError]:
    files = prepare_folder(images, images.parent / "shown")
    return {str(source.relative_to(images)): display_file for source, display_file in files}


@pytest.mark.parametrize(("name", "format_"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("A.JPEG", "JPEG")])
def test_png_and_jpeg_files_are_not_converted(images: Path, name: str, format_: str) -> None:
    (images / name).write_bytes(image(format_))
    assert prepare(images) == {name: images / name}


@pytest.mark.parametrize(("name", "content"), [("a.tif", image("TIFF")), ("a.fits", cube()), ("A.FIT", cube())])
def test_other_formats_are_converted_to_png_of_the_same_size(images: Path, name: str, content: bytes) -> None:
    (images / name).write_bytes(content)
    display_file = prepare(images)[name]
    assert isinstance(display_file, Path)
    assert display_file.read_bytes().startswith(b"\x89PNG")
    assert decode(display_file.read_bytes()).shape == decode(content).shape


def test_images_of_the_same_name_in_two_folders_get_different_files(images: Path) -> None:
    for folder, side in (("one", 20), ("two", 30)):
        (images / folder).mkdir()
        (images / folder / "a.tif").write_bytes(image("TIFF", side))
    sides = [
        decode(display_file.read_bytes()).shape[0]
        for display_file in prepare(images).values()
        if isinstance(display_file, Path)
    ]
    assert sides == [20, 30]


def test_a_broken_image_is_reported_and_the_others_are_converted(images: Path) -> None:
    for name, content in {"a.png": image("PNG"), "b.png": b"no image", "c.fits": cube()[:100], "d.png": image("PNG")}.items():
        (images / name).write_bytes(content)
    results = prepare(images)
    assert list(results) == ["a.png", "b.png", "c.fits", "d.png"]
    assert [isinstance(display_file, ImageError) for display_file in results.values()] == [False, True, True, False]


def test_other_files_are_ignored(images: Path) -> None:
    (images / "notes.txt").write_text("seeing was bad")
    (images / "folder.png").mkdir()
    assert prepare(images) == {}
