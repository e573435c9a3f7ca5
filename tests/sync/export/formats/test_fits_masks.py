"""FITS masks, read back by astropy."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sync.export.formats.fits_blocks import image_block, primary_block
from sync.geometry.shapes import Box, Ellipse, Mask

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]

CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 11.0,
    "CRPIX2": 7.0,
    "CD1_1": -1e-4,
    "CD1_2": 2e-5,
    "CD2_1": 2e-5,
    "CD2_2": 1e-4,
    "NAXIS1": 40,
    "NAXIS2": 30,
}


def open_masks(folder: Path, split: str = "train") -> fits.HDUList:
    (file,) = (folder / split).iterdir()
    return fits.open(file)


def flip_rows(hdu: Any) -> Any:
    """Return the image as annotators see it: FITS counts rows from the bottom."""
    return hdu.data[::-1]


@given(arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_integer_images_are_written_bottom_row_first(image: Any) -> None:
    file = fits.HDUList.fromstring(primary_block() + image_block(image, "INSTANCE", version=1, sky=""))
    assert (flip_rows(file["INSTANCE"]) == image).all()


def test_overlapping_masks_are_restored_from_their_layers(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    second = np.zeros_like(ragged_mask)
    second[10:20, 10:30] = True
    apart = np.zeros_like(ragged_mask)
    apart[0:2, 0:2] = True
    masks = [ragged_mask, second, apart]
    regions = [
        region("masks", mask, label=label, size=SIZE) for mask, label in zip(masks, ("Arm", "Galaxy", "Arm"), strict=True)
    ]
    folder, _ = run_export([task(annotation(*regions))], "fits")
    with open_masks(folder) as file:
        file.verify("exception")
        assert [row["layer"] for row in file["OBJECTS"].data] == [1, 2, 1]
        for number, (row, mask) in enumerate(zip(file["OBJECTS"].data, masks, strict=True), start=1):
            assert row["instance"] == number
            assert (flip_rows(file["INSTANCE", int(row["layer"])]) == number)[mask].all()
            assert ((flip_rows(file["INSTANCE", int(row["layer"])]) == number) == mask).all()
            classes = flip_rows(file["CLASS", int(row["layer"])])
            assert (classes[mask] == row["class_number"]).all()
            assert file[0].header[f"CLASS{row['class_number']}"] == row["class"]


def test_masks_have_the_wcs_of_the_cut_out(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    ellipse = region("ellipses", Ellipse(20, 15, 9, 4, 30), label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(ellipse), wcs=CARDS)], "fits")
    before = WCS(fits.Header(CARDS))
    with open_masks(folder) as file:
        for name in ("INSTANCE", "CLASS"):
            after = WCS(file[name].header)
            pixels = np.array([[0.0, 0], [39, 29], [10, 3]])
            assert after.all_pix2world(pixels, 0) == pytest.approx(before.all_pix2world(pixels, 0), abs=1e-9)


def test_a_mask_lies_on_the_pixels_of_the_fits_file_that_was_annotated(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    """The exported mask of an annotation of a FITS file's display covers the file's bright pixels."""
    light = np.zeros((30, 40), dtype=np.float32)
    light[3:9, 5:14] = 100
    file = fits.PrimaryHDU(light, header=fits.Header({key: value for key, value in CARDS.items() if "NAXIS" not in key}))
    content = BytesIO()
    file.writeto(content)
    mask = region("masks", np.ascontiguousarray(light[::-1] > 0), label="Galaxy", size=SIZE)
    folder, summary = run_export(
        [task(annotation(mask), image="/data/cutout.fits")], "fits", files={"/data/cutout.fits": content.getvalue()}
    )
    assert summary.problems == 0
    with open_masks(folder) as masks:
        assert ((masks["INSTANCE"].data > 0) == (light > 0)).all()
        assert WCS(masks["INSTANCE"].header).wcs.crval.tolist() == [150.0, 2.0]


def test_boxes_are_in_the_table_only(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)))], "fits")
    with open_masks(folder) as file:
        assert [(row["kind"], row["layer"]) for row in file["OBJECTS"].data] == [("box", 0)]
        assert not file["INSTANCE"].data.any()
        assert "CTYPE1" not in file["INSTANCE"].header


def test_a_task_of_unknown_size_is_listed(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, summary = run_export([task(annotation(region("morphology", ["Spiral"]))), task(box)], "fits")
    assert (summary.tasks, summary.answers) == (1, 0)
    assert "size of the image" in (folder / "problems.csv").read_text()
