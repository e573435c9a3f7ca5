from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.images.store import StoredImage
from backend.images.task_files import TaskFiles
from backend.prediction.task_spectra import SpectrumReader
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache

WAVELENGTH = np.geomspace(3800, 9200, 3000)
SPECTRUM = "\n".join(["wavelength,flux", *(f"{at},{1.0 if at < 4372 else 1.6}" for at in WAVELENGTH)])


@pytest.fixture
def reader(tmp_path: Path) -> SpectrumReader:
    folder = tmp_path / "science" / "7"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text(SPECTRUM)
    (folder / "b.txt").write_text("flux\n1\n")
    (tmp_path / "secret.txt").write_text(SPECTRUM)

    def refuse(reference: str) -> StoredImage:
        raise ImageError(f"{reference} is not allowed")

    return SpectrumReader(TaskFiles(refuse, data_dir=tmp_path).read, MemoryCache(max_bytes=10**6))


def test_a_spectrum_beside_the_registry_is_measured_once(reader: SpectrumReader, tmp_path: Path) -> None:
    data = {"spectrum": "science/7/a.txt", "redshift": 0.1}
    first = reader(data)
    assert first.values["rest_d4000"] == pytest.approx(1.6, abs=0.05)
    (tmp_path / "science" / "7" / "a.txt").unlink()
    assert reader(data) == first


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (None, "the task has none"),
        ("", "the task has none"),
        (["a"], "the task has none"),
        ("science/7/b.txt", "has no wavelengths"),
        ("science/7/c.txt", "does not exist in the data folder"),
        ("science/../secret.txt", "lies outside of the folder"),
        ("/data/upload/1/a.txt", "is not allowed"),
    ],
)
def test_a_task_without_a_readable_spectrum_has_the_reason(reader: SpectrumReader, reference: object, reason: str) -> None:
    block = reader({"spectrum": reference})
    assert not block.values
    assert reason in block.missing[""]
