"""`galaxyloop measure` writes a catalogue of measured objects, and their models and residuals."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from typer.testing import Result

from backend.heads.structure.psf import gaussian_psf

Run = Callable[..., Result]
SIZE = 61


@pytest.fixture
def galaxy(tmp_path: Path) -> Path:
    """Return a FITS file with a round exponential disc of 4 pixels, flux 20,000, sky 0 and noise 1, without PSF."""
    y, x = np.mgrid[-SIZE // 2 + 1 : SIZE // 2 + 1, -SIZE // 2 + 1 : SIZE // 2 + 1]
    light = np.exp(-1.678 * np.hypot(x, y) / 4.0)
    pixels = 20_000 * light / light.sum() + np.random.default_rng(0).standard_normal(light.shape)
    path = tmp_path / "galaxy.fits"
    fits.PrimaryHDU(pixels.astype(np.float32), fits.Header({"MAGZERO": 25.0})).writeto(path)
    return path


@pytest.mark.slow
def test_a_catalogue_and_models_are_written_and_bad_files_are_listed(run: Run, galaxy: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.fits").write_bytes(galaxy.read_bytes()[:3000])
    result = run("measure", "galaxy.fits", "bad.fits", "--catalogue", "out/objects.ecsv", "--models", "models")
    assert result.exit_code == 1, result.output
    assert "galaxyloop: 1 is left out:" in result.stderr
    assert "bad.fits: the FITS file is" in result.stderr
    (row,) = Table.read(tmp_path / "out" / "objects.ecsv")
    assert row["file"] == "galaxy.fits"
    assert row["is_central"]
    assert row["re_px"] == pytest.approx(4.0, rel=0.15)  # the pixels sample the disc without averaging over them
    assert row["mag"] == pytest.approx(25 - 2.5 * np.log10(20_000), abs=0.1)
    assert row["psf"] == "none"
    assert "1 objects have no PSF" in result.stderr
    assert "re_arcsec: " in row["missing"]
    with fits.open(tmp_path / "models" / "galaxy_1.fits") as file:
        assert [part.name for part in file[1:]] == ["DATA", "MODEL", "RESIDUAL", "MASK"]
        assert np.allclose(file["DATA"].data - file["MODEL"].data, file["RESIDUAL"].data)
    with Image.open(tmp_path / "models" / "sheet-0001.png") as sheet:
        assert sheet.width > 3 * 100


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["fits", "vot", "csv"])
def test_the_suffix_of_the_catalogue_is_its_format(run: Run, galaxy: Path, tmp_path: Path, suffix: str) -> None:
    result = run("measure", galaxy, "--catalogue", f"a.{suffix}", "--pixel-scale-arcsec", "0.5", "--objects", "central")
    assert result.exit_code == 0, result.output
    table = Table.read(tmp_path / f"a.{suffix}")
    assert float(table["re_arcsec"][0]) == pytest.approx(0.5 * float(table["re_px"][0]))
    if suffix == "fits":
        header = fits.getheader(tmp_path / "a.fits", 1)
        column = table.colnames.index("re_arcsec") + 1
        assert (header[f"TUNIT{column}"], header[f"TUCD{column}"]) == ("arcsec", "phys.angSize.smajAxis")


@pytest.mark.slow
def test_the_psf_of_a_file_is_used(run: Run, galaxy: Path, tmp_path: Path) -> None:
    fits.PrimaryHDU(gaussian_psf(2.5).pixels).writeto(tmp_path / "psf.fits")
    assert run("measure", galaxy, "--catalogue", "a.csv", "--psf", "psf.fits").exit_code == 0
    (row,) = Table.read(tmp_path / "a.csv")
    assert row["psf"] == "given"


@pytest.mark.slow
def test_cards_that_cannot_be_used_are_quoted(run: Run, galaxy: Path) -> None:
    cards = {"MAGZERO": "n/a", "SEEING": -1.0, "SATURATE": 0, "BUNIT": "adu", "GAIN": "two"}
    fits.writeto("cards.fits", fits.getdata(galaxy), fits.Header(cards))
    result = run("measure", "cards.fits", "--catalogue", "a.csv", "--no-indices")
    assert result.exit_code == 0, result.output
    assert "the zero point of the header is not used: MAGZERO = 'n/a'" in result.stderr
    assert "the width of a star in the header is not used: the header gives SEEING = -1.0" in result.stderr
    assert "the saturation level of the header is not used: SATURATE = 0" in result.stderr
    assert "the gain of the header is not used: GAIN = 'two'" in result.stderr
    assert "note: the zero point of the header is not used: MAGZERO = 'n/a'" in run("inspect", "cards.fits").stdout


def test_a_psf_that_is_larger_than_an_image_leaves_the_image_out(run: Run, galaxy: Path, tmp_path: Path) -> None:
    fits.PrimaryHDU(gaussian_psf(80.0).pixels).writeto(tmp_path / "psf.fits")
    result = run("measure", galaxy, "--catalogue", "a.csv", "--psf", "psf.fits")
    assert result.exit_code == 1
    assert "larger than the image" in result.stderr
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_measures_the_same_and_lists_the_same_files(run: Run, galaxy: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.fits").write_bytes(galaxy.read_bytes())
    (tmp_path / "bad.fits").write_bytes(galaxy.read_bytes()[:3000])
    words = (
        "measure",
        "galaxy.fits",
        "copy.fits",
        "bad.fits",
        "--no-indices",
        "--seeing-arcsec",
        0.5,
        "--pixel-scale-arcsec",
        0.3,
    )
    local, remote = (
        run(*words, "--catalogue", f"{engine}.ecsv", "--models", engine, "--engine", engine) for engine in ("local", "ray")
    )
    assert (local.exit_code, remote.exit_code) == (1, 1), remote.output
    assert "bad.fits: " in remote.stderr
    local_rows, ray_rows = (Table.read(tmp_path / f"{engine}.ecsv") for engine in ("local", "ray"))
    assert list(local_rows["file"]) == list(ray_rows["file"]) == ["galaxy.fits", "copy.fits"]
    assert set(local_rows["psf"]) == {"seeing"}
    assert not {"gini", "asymmetry"} & {name for name in local_rows.colnames if not np.ma.getmaskarray(local_rows[name]).all()}
    for name in ("re_px", "re_px_err", "sersic_n", "mag"):
        np.testing.assert_allclose(local_rows[name], ray_rows[name], rtol=1e-4)
    assert sorted(file.name for file in (tmp_path / "ray").iterdir()) == ["copy_1.fits", "galaxy_1.fits", "sheet-0001.png"]


@pytest.mark.slow
def test_a_display_image_has_no_magnitude_and_the_catalogue_has_the_reason(run: Run, tmp_path: Path) -> None:
    y, x = np.mgrid[-40:40, -60:60]
    noise = np.random.default_rng(0).normal(12, 3, (80, 120))
    grey = (200 * np.exp(-((x / 8) ** 2 + (y / 5) ** 2)) + noise).clip(0, 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert run("measure", "a.png", "--catalogue", "a.ecsv", "--objects", "central").exit_code == 0
    (row,) = Table.read(tmp_path / "a.ecsv")
    assert row["mag"] is np.ma.masked
    assert row["sersic_n"] is np.ma.masked
    assert float(row["axis_ratio"]) == pytest.approx(0.63, abs=0.1)
    assert "display brightness" in row["missing"]


def empty_psf() -> bytes:
    content = io.BytesIO()
    fits.PrimaryHDU(np.zeros((5, 5))).writeto(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--catalogue", "a.txt"), "must end in one of .ecsv, .fits"),
        (("--catalogue", "a.csv", "--psf", "nowhere.fits"), "nowhere.fits"),
        (("--catalogue", "a.csv", "--psf", "zero.fits"), "0 in all pixels"),
        (("--catalogue", "a.csv", "--seeing-arcsec", "inf"), "less than or equal"),
        (("--catalogue", "a.csv", "--pixel-scale-arcsec", "inf"), "less than or equal"),
        (("--catalogue", "a.csv", "--zero-point", "99"), "--zero-point 99 is a placeholder"),
        (("--catalogue", "a.csv", "--models", "galaxy.fits"), "is a file"),
        (("--catalogue", "a.csv", "--ray-address", "a:1"), "needs --engine ray"),
    ],
)
def test_wrong_calls_are_rejected_before_any_work(
    run: Run, galaxy: Path, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "zero.fits").write_bytes(empty_psf())
    result = run("measure", galaxy, *words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_the_measured_band_is_that_of_the_option(run: Run, tmp_path: Path) -> None:
    y, x = np.mgrid[-SIZE // 2 + 1 : SIZE // 2 + 1, -SIZE // 2 + 1 : SIZE // 2 + 1]
    light = np.exp(-1.678 * np.hypot(x, y) / 4.0)
    noise = np.random.default_rng(0).standard_normal((2, *light.shape))
    planes = np.array([20_000, 40_000])[:, None, None] * light / light.sum() + noise
    header = fits.Header({"MAGZERO": 25.0, "CTYPE3": "BAND", "BANDS": "gi", "BAND0": "g", "BAND1": "i"})
    fits.PrimaryHDU(planes.astype(np.float32), header).writeto(tmp_path / "cube.fits")
    words = ("--objects", "central", "--no-indices", "--catalogue")
    magnitudes = []
    for band in ("g", "i"):
        result = run("measure", "cube.fits", "--band", band, *words, f"{band}.ecsv")
        assert result.exit_code == 0, result.output
        magnitudes.append(float(Table.read(tmp_path / f"{band}.ecsv")["mag"][0]))
    assert magnitudes[0] - magnitudes[1] == pytest.approx(2.5 * np.log10(2), abs=0.05)
    result = run("measure", "cube.fits", "--band", "z", *words, "z.ecsv")
    assert result.exit_code == 1
    assert "the file has no band 'z': it has g, i" in " ".join(result.stderr.split())
