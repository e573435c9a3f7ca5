"""`galaxyloop import` reports inputs that it cannot import in one sentence before its first request to Label Studio."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from sync.files.lock import hold_lock


@pytest.fixture(autouse=True)
def _no_label_studio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-legacy-token")
    for name in ("GALAXYLOOP_LOCAL_FILES_DOCUMENT_ROOT", "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _images(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    file = tmp_path / "galaxies.csv"
    file.write_text("name,ra,dec\nA,150,2\n")
    return file


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name exactly one input: files and folders, or --catalogue, or --urls"),
        (["a.png", "--urls", "urls.csv"], "name exactly one input"),
        (
            ["b.fits", "--catalogue", "galaxies.csv", "--mosaic", "a.fits"],
            "or --urls; patterns of --mosaic must be quoted",
        ),
        (["--catalogue", "galaxies.csv", "--mosaic", "g=empty"], "there is no mosaic in empty"),
        (["--catalogue", "galaxies.csv"], "--catalogue needs either --mosaic or --survey"),
        (["a.png", "--mosaic", "m.fits"], "--mosaic and --survey need a --catalogue"),
        (["--catalogue", "galaxies.csv", "--survey", "a", "--table", "2"], "selects the table of a --catalogue or --urls"),
        (["--catalogue", "galaxies.csv", "--survey", "a", "--catalogue-table", "2"], "galaxies.csv has no table '2'"),
        (["a.png", "--catalogue-table", "2"], "name the file with --table"),
        (
            ["a.png", "--table", "galaxies.csv"],
            "galaxies.csv has no column 'filename': name that of file names or ids with --key",
        ),
        (["b.png", "--table", "galaxies.csv", "--key", "name"], "the column 'name' holds 'A', the first image is 'b.png'"),
        (["a.png", "--fov-arcsec", "0"], "--fov-arcsec must be above 0 and at most 648,000 (180 degrees), not 0"),
        (["a.png", "--fov-arcsec", "nan"], "(180 degrees), not nan"),
        (["a.png", "--stretch", "log"], "unknown stretch 'log': choose lupton, asinh, zscale, percentile"),
        (["a.fits", "--psf", "psf.fits"], "--psf is the PSF of the images for --restore: add --restore"),
        (["a.fits", "--denoise"], "--denoise is for the pictures of --restore: add --restore"),
        (["a.fits", "--restore", "--psf", "psf.fits", "--denoise", "--storage", "s3", "--bucket", "b"], "exclude each other"),
        (["a.fits", "--restore", "--psf", "no.fits", "--storage", "s3", "--bucket", "b"], "there is no file no.fits"),
        (["a.png", "--storage", "ftp"], "unknown storage 'ftp': choose uploads, local, s3"),
        (["a.png", "--storage", "local"], "--storage local needs LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"),
        (["a.png", "--storage", "s3"], "--storage s3 needs a --bucket"),
        (["empty"], "there is no image in empty"),
        (["--catalogue", "nowhere.csv", "--survey", "a"], "there is no file nowhere.csv"),
        (["--catalogue", "galaxies.csv", "--survey", "a", "--pixels", "0"], "1 to 4096 pixels a side, not 0"),
        (["--catalogue", "galaxies.csv", "--survey", "a", "--ra", "alpha"], "no column 'alpha': it has name, ra, dec"),
        (["--catalogue", "galaxies.csv", "--survey", "a", "--dec", "delta"], "no column 'delta': it has name, ra, dec"),
        (["--catalogue", "galaxies.csv", "--survey", "a", "--columns", "z"], "no column 'z': it has name, ra, dec"),
        (["--catalogue", "galaxies.csv", "--mosaic", "nowhere.fits"], "the mosaic nowhere.fits cannot be read as FITS"),
        (["--catalogue", "galaxies.csv", "--mosaic", "flat.fits"], "flat.fits has no celestial coordinates"),
        (["--urls", "galaxies.csv"], "the list has no column 'url': it has name, ra, dec"),
        (["--urls", "galaxies.csv", "--url-column", "link"], "the list has no column 'link': it has name, ra, dec"),
        (["a.png"], "Label Studio at http://127.0.0.1:1 cannot be reached"),
    ],
)
@pytest.mark.usefixtures("catalogue")
def test_invalid_options_are_rejected_in_one_sentence(
    run_rejected: Callable[..., str], tmp_path: Path, words: list[str], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "flat.fits")
    assert sentence in run_rejected("import", 7, *words)


def test_a_catalogue_without_positions_names_the_options_for_columns(run_rejected: Callable[..., str], tmp_path: Path) -> None:
    Table({"name": ["A"], "x": [1.0]}).write(tmp_path / "galaxies.ecsv")
    sentence = run_rejected("import", 7, "--catalogue", "galaxies.ecsv", "--survey", "a")
    assert "no column of right ascension: name it with --ra, it has name, x" in sentence


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("astroquery.hips2fits", ["--catalogue", "galaxies.csv", "--survey", "a"], "galaxyloop[import]"),
        ("boto3", ["a.png", "--storage", "s3", "--bucket", "b"], "galaxyloop[s3]"),
    ],
)
@pytest.mark.usefixtures("catalogue")
def test_a_missing_extra_is_named(
    run_rejected: Callable[..., str], monkeypatch: pytest.MonkeyPatch, module: str, words: list[str], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert f"install {extra}" in run_rejected("import", 7, *words)


def test_a_second_simultaneous_import_into_a_project_is_rejected(
    run_rejected: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "data" / "imports"
    folder.mkdir(parents=True)
    with hold_lock(folder / "7.lock", wait=False):
        assert "another import into project 7 is running" in run_rejected("import", 7, "a.png")
        assert "cannot be reached" in run_rejected("import", 8, "a.png")
    assert "cannot be reached" in run_rejected("import", 7, "a.png")
