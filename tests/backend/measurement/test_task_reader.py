"""Measurements of the galaxy of a task: on its science file, inside outlines of the displayed image."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from backend.heads.structure.psf import gaussian_psf
from backend.images.store import StoredImage, image_key
from backend.measurement.task_reader import TaskMeasurer
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache
from sync.geometry.footprint import Footprint
from sync.images.display import display

Draw = Callable[..., NDArray[np.float32]]
MakeFits = Callable[..., bytes]
SIZE = (81, 81)
OFF_CENTRE = (40.0, 60.0)
"""Place of the galaxy in the array; in the displayed image it is above the middle."""


@pytest.fixture
def content(draw_galaxy: Draw, make_fits: MakeFits) -> bytes:
    return make_fits(draw_galaxy(size=SIZE, centre=OFF_CENTRE, re_px=4.0))


@pytest.fixture
def image(content: bytes) -> StoredImage:
    """Return the displayed image, as Label Studio has it."""
    png = display(content, stretch="lupton").image
    return StoredImage(image_key(png), lambda: png, 10**6)


@pytest.fixture
def science(content: bytes, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "science" / "7").mkdir(parents=True)
    (tmp_path / "science" / "7" / "abc.fits").write_bytes(content)
    return {"science": "science/7/abc.fits"}


def refuse(reference: str) -> StoredImage:
    raise ImageError(f"{reference} is not fetched")


def measurer(folder: Path | None, open_image: Callable[[str], StoredImage] = refuse) -> TaskMeasurer:
    return TaskMeasurer(open_image, MemoryCache(max_bytes=10**6), data_dir=folder)


def outline_above_the_middle() -> Footprint:
    return Footprint(30, 81 - 1 - 70, np.ones((20, 20), bool))


def test_the_science_file_is_measured_inside_an_outline_of_the_display(
    image: StoredImage, science: dict[str, Any], tmp_path: Path
) -> None:
    measurement = measurer(tmp_path).measure(image, science, [outline_above_the_middle()], size=SIZE)
    assert measurement.band == "r"
    assert measurement.values["re_px"].value == pytest.approx(4.0, rel=0.06)
    assert measurement.values["y"].value == pytest.approx(80 - 60, abs=0.2)  # counted from the top
    assert "mag" in measurement.values


def test_a_measurement_is_made_once(image: StoredImage, science: dict[str, Any], tmp_path: Path) -> None:
    reader = measurer(tmp_path)
    first = reader.measure(image, science, None, size=None)
    file = tmp_path / science["science"]
    status = file.stat()
    file.write_bytes(b"damaged")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert reader.measure(image, science, None, size=None) == first
    with pytest.raises(ImageError):
        reader.measure(image, {**science, "zero_point": 20.0}, None, size=None)  # other data, another measurement


def test_indices_are_measured_only_where_they_are_needed(image: StoredImage, science: dict[str, Any], tmp_path: Path) -> None:
    reader = measurer(tmp_path)
    model = reader.measure(image, science, None, size=None, with_indices=False)
    assert "re_px" in model.values
    assert not {"gini", "asymmetry"} & (model.values.keys() | model.reasons.keys())
    full = reader.measure(image, science, None, size=None)
    assert {"gini", "outer_asymmetry", "shape_asymmetry"} <= full.values.keys()
    assert full.values.items() > model.values.items()
    assert reader.measure(image, science, None, size=None, with_indices=False) == full  # from the cache


@pytest.mark.parametrize("value", [99.0, "-99", 999])
def test_a_placeholder_of_a_zero_point_gives_no_magnitude(image: StoredImage, value: object) -> None:
    content = io.BytesIO()
    pixels = np.random.default_rng(0).normal(size=(61, 61)) + 300 * np.exp(-np.hypot(*np.mgrid[-30:31, -30:31]) / 3)
    fits.PrimaryHDU(pixels.astype(np.float32), fits.Header({"MAGZERO": 99.0})).writeto(content)
    image_file = StoredImage("galaxy", content.getvalue, 10**6)
    measurement = measurer(None).measure(image_file, {"zero_point": value}, None, size=None, with_indices=False)
    assert measurement.reasons["mag"] == "the image has no zero point"
    assert "re_px" in measurement.values


def test_a_display_image_has_shape_and_size_only(image: StoredImage) -> None:
    measurement = measurer(None).measure(image, {"pixel_scale_arcsec": "0.2"}, None, size=None)
    assert {"re_px", "re_arcsec", "axis_ratio"} <= measurement.values.keys()
    assert not {"mag", "sersic_n"} & measurement.values.keys()
    assert "display brightness" in measurement.reasons["mag"]
    assert measurement.values["re_px"].error is None


def test_the_psf_of_the_task_is_used(image: StoredImage, science: dict[str, Any], tmp_path: Path) -> None:
    file = io.BytesIO()
    fits.PrimaryHDU(gaussian_psf(3.0).pixels).writeto(file)
    psf_image = StoredImage("psf", file.getvalue, 0)
    measurement = measurer(tmp_path, lambda _: psf_image).measure(
        image, {**science, "psf": "/data/upload/1/p.fits"}, None, size=None
    )
    assert measurement.psf_source == "given"
    broken_image = StoredImage("broken", lambda: b"nothing", 0)
    with pytest.raises(ImageError, match=r"PSF /data/upload/1/p\.fits of the task cannot be used"):
        measurer(tmp_path, lambda _: broken_image).measure(image, {**science, "psf": "/data/upload/1/p.fits"}, None, size=None)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("science/../secrets.fits", "outside of the folder"),
        ("science/7/none.fits", "does not exist"),
        ("/data/local-files/?d=x.fits", "is not fetched"),
    ],
)
def test_a_science_file_that_cannot_be_read_is_not_replaced_by_the_display(
    image: StoredImage, tmp_path: Path, reference: str, sentence: str
) -> None:
    with pytest.raises(ImageError, match=sentence):
        measurer(tmp_path).measure(image, {"science": reference}, None, size=None)


def test_outlines_of_an_image_of_another_size_are_refused(image: StoredImage, science: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="outlines cannot be used"):
        measurer(tmp_path).measure(image, science, [outline_above_the_middle()], size=(162, 162))
