from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sync.errors.images import ImageError
from sync.importing.drawing import Drawer
from sync.importing.inputs.item import InputError, Item
from sync.importing.spectra import attach_spectra, spectrum_data
from sync.importing.storage.stored import StoredFile

WAVELENGTH = np.arange(3800.0, 9200.0, 5.0)
SPECTRUM = "\n".join(["wavelength,flux", *(f"{at},{10 + at / 1000}" for at in WAVELENGTH)]).encode()


def png() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(content, "PNG")
    return content.getvalue()


class Folder:
    """A storage in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put_images(self, files: Any) -> list[str]:
        return [self.put_science(file) for file in files]

    def put_science(self, file: StoredFile) -> str:
        self.files[file.name] = file.content
        return f"science/1/{file.name}"


def item(filename: str, read: Any, **data: object) -> Item:
    return Item(filename, read, filename, data)


@pytest.fixture
def spectra(tmp_path: Path) -> Path:
    folder = tmp_path / "spectra"
    (folder / "plates").mkdir(parents=True)
    (folder / "g1.csv").write_bytes(SPECTRUM)
    (folder / "plates" / "spec-7.csv").write_bytes(SPECTRUM)
    (folder / "g3.csv").write_text("flux\n1\n2\n")
    (tmp_path / "secret.csv").write_bytes(SPECTRUM)
    return folder


def test_spectra_are_found_by_column_or_name_and_the_others_have_a_reason(spectra: Path) -> None:
    images = [
        item("g1.png", png),
        item("g2.png", png, spectrum="plates/spec-7.csv", redshift=0.1),
        item("g3.png", png),
        item("g4.png", png),
        item("g5.png", png, spectrum="../secret.csv"),
    ]
    drawer = Drawer(frozenset(), "lupton", "", 10**7, 10**7)
    storage, tasks = Folder(), []
    for each in attach_spectra(images, spectra):
        ((_, image),) = drawer.draw(each)
        assert image is not None
        assert not isinstance(image, ImageError)
        assert image.plot is not None
        tasks.append(spectrum_data(image.spectrum, "plot.png", image.spectrum_problem, storage))
        assert "spectrum" not in image.item.data  # the path on this computer
    assert [task.get("spectrum", "") != "" for task in tasks] == [True, True, False, False, False]
    assert storage.files[tasks[0]["spectrum"].removeprefix("science/1/")] == SPECTRUM
    assert all(task["spectrum_plot"] == ["plot.png"] for task in tasks)
    assert "has no wavelengths" in tasks[2]["spectrum_problem"]
    assert tasks[3]["spectrum_problem"] == "there is no spectrum of this galaxy in the folder"
    assert "there is no spectrum ../secret.csv below" in tasks[4]["spectrum_problem"]


@pytest.mark.parametrize("name", ["587722.png", "587722", "587722.fits.gz", "J1234.5+0607", "J1234.5+0607.jpg"])
def test_a_galaxy_has_the_spectrum_of_its_name_with_and_without_a_suffix(spectra: Path, name: str) -> None:
    for stem in ("587722", "J1234.5+0607"):
        (spectra / f"{stem}.csv").write_text(stem)
    (galaxy,) = attach_spectra([item(name, png)], spectra)
    assert galaxy.read_spectrum is not None
    assert name.startswith(galaxy.read_spectrum().decode())


def test_several_files_of_one_name_are_not_chosen_from(spectra: Path) -> None:
    (spectra / "plates" / "G1.fits.gz").write_bytes(SPECTRUM)
    by_name, by_column = attach_spectra([item("g1.png", png), item("g1.png", png, spectrum="g1.csv")], spectra)
    assert by_name.read_spectrum is not None
    with pytest.raises(ImageError, match=r"2 files have the name of this galaxy, such as g1\.csv and plates/G1\.fits\.gz"):
        by_name.read_spectrum()
    assert by_column.read_spectrum is not None
    assert by_column.read_spectrum() == SPECTRUM


def test_a_named_spectrum_is_not_that_of_another_folder(spectra: Path) -> None:
    """A table with `plates/g1.csv` must not get `g1.csv`, which may be another galaxy's."""
    (spectrum_item,) = attach_spectra([item("a.png", png, spectrum="plates/g1.csv")], spectra)
    assert spectrum_item.read_spectrum is not None
    sentence = f"there is no spectrum plates/g1.csv below {spectra}, only g1.csv: correct the column spectrum"
    with pytest.raises(ImageError, match=re.escape(sentence)):
        spectrum_item.read_spectrum()


@pytest.mark.parametrize("name", ["plates/spec-7.csv", "spectra/plates/spec-7.csv", "./spectra/plates/spec-7.csv"])
def test_a_path_starts_at_the_folder_of_spectra_or_at_the_current_one(
    spectra: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(spectra.parent)
    (spectrum_item,) = attach_spectra([item("a.png", png, spectrum=name)], Path("spectra"))
    assert spectrum_item.read_spectrum is not None
    assert spectrum_item.read_spectrum() == SPECTRUM


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder of spectra"):
        next(attach_spectra([], tmp_path / "none"))
