"""`galaxyloop inspect` reports what an import would read of a file."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import astropy
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image
from typer.testing import CliRunner, Result

from backend.cli.app import app
from sync.images.display import display
from sync.importing.inputs.catalogue import open_catalogue


def sky_header(
    rotation: float = 0.0, *, mirrored: bool = False, ctype: tuple[str, str] = ("RA---TAN", "DEC--TAN")
) -> fits.Header:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ctype
    wcs.wcs.crval, wcs.wcs.crpix = (150, 2), (15.5, 10.5)
    turn = np.radians(rotation)
    matrix = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * 1e-4
    wcs.wcs.cd = matrix * ([[-1], [1]] if mirrored else [[1], [1]])
    return wcs.to_header()


def image(
    header: fits.Header | None = None, *, seed: int = 0, name: str | None = None, ver: int = 1, **cards: Any
) -> fits.ImageHDU:
    header = header.copy() if header else fits.Header()
    header.update(cards)
    return fits.ImageHDU(np.random.default_rng(seed).normal(100, 5, (20, 30)).astype(np.float32), header, name=name, ver=ver)


def write_fits(path: Path, *hdus: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def run(*words: Any) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, words)])


def answer(*words: Any, code: int = 0) -> dict[str, Any]:
    result = run("--json", *words)
    assert result.exit_code == code, result.output
    (line,) = result.stdout.splitlines()
    description: dict[str, Any] = json.loads(line)
    return description


def test_a_fits_file_is_described_by_sky_bands_unit_and_zero_point(tmp_path: Path) -> None:
    file = write_fits(tmp_path / "a.fits", image(sky_header(30), name="SCI", FILTER="r", BUNIT="nanomaggy"), image(name="WHT"))
    description = answer(file)
    assert (description["format"], description["shape"], description["bands"], description["unit"]) == (
        "FITS",
        [20, 30],
        ["r"],
        "nanomaggy",
    )
    assert (description["ra"], description["dec"]) == pytest.approx((150, 2), abs=1e-5)
    assert description["pixel_scale_arcsec"] == pytest.approx(0.36)
    assert description["rotation_deg"] == pytest.approx(30, abs=0.01)
    assert (description["frame"], description["east"], description["zero_point"]) == ("ICRS", "left of north", 22.5)
    assert [part["use"].split(":")[0] for part in description["extensions"]] == ["no data", "image 1", "left out"]
    assert description["problems"] == []


@pytest.mark.parametrize(
    ("header", "rotation", "east"),
    [
        (sky_header(0, mirrored=True), 0, "right of north, mirrored"),
        (sky_header(90), 90, "left of north"),
        (sky_header(-120), -120, "left of north"),
    ],
)
def test_rotation_and_parity_refer_to_the_displayed_image(
    tmp_path: Path, header: fits.Header, rotation: float, east: str
) -> None:
    description = answer(write_fits(tmp_path / "a.fits", image(header)))
    assert description["rotation_deg"] == pytest.approx(rotation, abs=0.01)
    assert description["east"] == east


def test_the_zero_point_is_computed_from_hubble_photometry_keywords(tmp_path: Path) -> None:
    file = write_fits(tmp_path / "a.fits", image(PHOTFLAM=7.0331e-20, PHOTPLAM=8045.0, BUNIT="ELECTRONS/S"))
    assert answer(file)["zero_point"] == pytest.approx(25.94, abs=0.02)  # F814W of ACS


def test_all_detectors_are_listed_and_an_extension_can_be_chosen(tmp_path: Path) -> None:
    file = write_fits(tmp_path / "a.fits", image(sky_header(), name="SCI"), image(name="SCI", ver=2, seed=1))
    both = answer(file)
    assert [picture["extension"] for picture in both["pictures"]] == ["SCI,1", "SCI,2"]
    assert (both["ra"], both["shape"]) == (None, None)
    assert "--extension SCI,1" in both["problems"][0]
    assert answer(file, "--extension", "SCI,2")["extension"] == "SCI,2"
    assert "no extension 'SCI,3'" in answer(file, "--extension", "SCI,3", code=1)["problems"][0]


def test_padding_and_missing_pixels_are_reported(tmp_path: Path) -> None:
    frame = image()
    frame.data[:5] = 0
    frame.data[5:7] = np.nan
    problems = answer(write_fits(tmp_path / "a.fits", frame))["problems"]
    assert [text.split(" of ")[0] for text in problems[-2:]] == ["10.0%", "25.0%"]


def test_the_written_png_equals_what_annotators_see(tmp_path: Path) -> None:
    file = write_fits(tmp_path / "a.fits", image())
    run(file, "--picture", tmp_path / "out.png", "--stretch", "zscale")
    assert (tmp_path / "out.png").read_bytes() == display(file.read_bytes(), stretch="zscale").image


@pytest.mark.parametrize(("name", "form"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.tif", "TIFF")])
def test_the_format_is_detected_by_content(tmp_path: Path, name: str, form: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(file, form)
    (tmp_path / name).write_bytes(file.getvalue())
    assert (answer(tmp_path / name)["format"], answer(tmp_path / name)["shape"]) == (form, [20, 30])


def test_compression_of_a_file_is_reported(tmp_path: Path) -> None:
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image().data, name="SCI")]).writeto(file)
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(file.getvalue()))
    assert answer(tmp_path / "a.fits.gz")["format"] == "FITS, compressed with RICE_1, gzipped"


def test_a_catalogue_is_reported_as_a_catalogue(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ra,dec\n1,2\n3,4\n")
    description = answer(tmp_path / "a.csv")
    assert (description["format"], description["rows"], description["columns"]) == ("catalogue", 2, ["ra", "dec"])
    assert description["positions"] == 2
    write_fits(tmp_path / "t.fits", fits.BinTableHDU.from_columns([fits.Column("ra", "D", array=np.ones(3))]))
    description = answer(tmp_path / "t.fits")
    assert (description["rows"], description["positions"]) == (3, 0)
    assert "none with a known position" in run(tmp_path / "t.fits").stdout


def test_tables_are_found_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "stars.asc").write_text("name ra dec\nM51 1 2\n")
    assert answer(tmp_path / "stars.asc")["positions"] == 1
    (tmp_path / "table.html").write_text("<html><table><tr><td>1</td></tr></table></html>")
    assert "it is a web page, save the table as CSV" in answer(tmp_path / "table.html", code=1)["problems"][0]
    (tmp_path / "table.xlsx").write_bytes(b"PK\x03\x04rest")
    assert "an Excel workbook" in answer(tmp_path / "table.xlsx", code=1)["problems"][0]
    (tmp_path / "README").write_text("About these data\nthey are good\n")
    assert answer(tmp_path / "README", code=1)["format"] is None


def test_several_tables_and_bad_rows_are_listed(tmp_path: Path) -> None:
    tables = [fits.BinTableHDU.from_columns([fits.Column("ra", "D", array=[1.0])], name=name) for name in ("STARS", "GALAXIES")]
    (problem,) = answer(write_fits(tmp_path / "c.fits", *tables), code=1)["problems"]
    assert problem.endswith("by name or number: 1 STARS (1 rows), 2 GALAXIES (1 rows)")
    file = tmp_path / "c.csv"
    file.write_text("ra,dec\n" + "1,2,3\n" * 22 + "1,2\n" * 30)
    problems = answer(file)["problems"]
    assert (problems[0], problems[-1]) == ("row 1: line 2 has 3 values for 2 columns", "2 more rows cannot be read")


def test_one_broken_file_is_reported_and_the_exit_code_is_1(tmp_path: Path) -> None:
    write_fits(tmp_path / "a.fits", image())
    (tmp_path / "b.fits").write_bytes((tmp_path / "a.fits").read_bytes()[:4000])
    write_fits(tmp_path / "c.fits", fits.ImageHDU(np.ones((1, 50))))
    result = run("--json", tmp_path)
    assert result.exit_code == 1
    problems = [json.loads(line)["problems"] for line in result.stdout.splitlines()]
    assert ["truncated" in problems[1][0], "one line" in problems[2][0]] == [True, True]


@pytest.mark.parametrize("words", [("--stretch", "log"), ("--picture", "out.png", "b.fits"), ()])
def test_a_wrong_call_exits_with_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = (write_fits(tmp_path / "a.fits", image()),) if words else ()
    assert run(*file, *words).exit_code == 2


@pytest.mark.slow
def test_inspect_imports_no_model(tmp_path: Path) -> None:
    file = write_fits(tmp_path / "a.fits", image(sky_header()))
    script = f"""
import sys
from backend.cli.app import app
try:
    app(["inspect", {str(file)!r}])
except SystemExit:
    assert not {{"torch", "pyarrow", "sqlalchemy", "skimage"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


ASTROPY = Path(astropy.__file__).parent
PUBLIC_FILES = [
    file
    for folder in ("io/fits", "io/ascii", "wcs", "modeling", "nddata", "timeseries")
    for file in sorted((ASTROPY / folder).rglob("tests/data/**/*"))
    if file.is_file() and "maps" not in file.parts and "cds" not in file.parts
]


@pytest.mark.slow
@pytest.mark.skipif(not PUBLIC_FILES, reason="this astropy was installed without its tests")
def test_each_public_file_of_astropy_is_described_or_named_in_one_sentence() -> None:
    """Pixels, positions and values are compared in tests/sync."""
    result = run("--json", *PUBLIC_FILES)
    descriptions = [json.loads(line) for line in result.stdout.splitlines()]
    assert [description["file"] for description in descriptions] == list(map(str, PUBLIC_FILES))
    by_name = {Path(description["file"]).name: description for description in descriptions}
    for name in ("m13_rice.fits", "scale.fits", "comp.fits"):
        with fits.open(next(file for file in PUBLIC_FILES if file.name == name)) as hdus:
            assert by_name[name]["shape"] == list(next(hdu.shape for hdu in hdus if hdu.is_image and hdu.shape))
    for name in ("short.rdb", "short.rdb.bz2", "ipac.dat.xz", "latex1.tex.gz", "short.tab", "tb.fits"):
        table = open_catalogue(next(file for file in PUBLIC_FILES if file.name == name))
        assert (by_name[name]["rows"], by_name[name]["columns"]) == (len(table), table.colnames)
    for description in descriptions:
        if description["format"] is None:
            (problem,) = description["problems"]
            assert len(problem.splitlines()) == 1
    assert by_name["hst_sip.hdr"]["problems"] == ["the FITS file is truncated inside a header"]
