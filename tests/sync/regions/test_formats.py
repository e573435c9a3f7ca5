"""The format of a file: by its content, and by its name if texts are ambiguous."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from sync.regions.formats import Reading, format_of, read
from sync.regions.marks import RegionsError

ELLIPSES = {name: [3.0] for name in ("X_IMAGE", "Y_IMAGE", "A_IMAGE", "B_IMAGE")}


def test_formats_are_detected_from_the_content(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "labels.fits", np.ones((4, 5), np.int16))
    Table(ELLIPSES).write(tmp_path / "rows.fits")
    Table({"SHAPE": ["circle"], "X": [1.0], "Y": [1.0], "R": [2.0]}).write(tmp_path / "regions.fits")
    (tmp_path / "instances.txt").write_text(json.dumps({"annotations": []}))
    (tmp_path / "region.txt").write_text("image\ncircle(1,1,1)\n")
    Table(ELLIPSES).write(tmp_path / "rows.csv")
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    (tmp_path / "set" / "labels").mkdir(parents=True)
    (tmp_path / "set" / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    formats = {file.name: format_of(file) for file in tmp_path.iterdir()}
    assert formats == {
        "labels.fits": "labels",
        "rows.fits": "catalogue",
        "regions.fits": "ds9",
        "instances.txt": "coco",
        "region.txt": "ds9",
        "rows.csv": "catalogue",
        "rows.csv.gz": "catalogue",
        "set": "yolo",
    }
    for name in ("rows.fits", "rows.csv", "rows.csv.gz"):
        (image,), problems = read(tmp_path / name, Reading())
        assert (len(image.marks), problems) == (1, [])


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8bdamaged", b"SIMPLE  =", b"\x89PNG\r\n\x1a\n", b"{", b"0 0.5 0.5 0.1 0.1\n", b"\xff\xfe\0"]
)
@pytest.mark.parametrize("suffix", ["", ".fits", ".reg", ".txt", ".csv", ".json", ".cat"])
def test_damaged_files_are_rejected_with_one_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    try:
        images, problems = read(file, Reading())
    except RegionsError:
        return
    assert problems or not any(image.marks for image in images)
