"""The images of a survey that are most similar to chosen galaxies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from backend.survey import similar
from backend.survey.errors import SurveyError
from backend.survey.similar import most_similar

DIMENSION = 8


def write_survey(folder: Path, embeddings: np.ndarray, *, parts: int = 3, encoder: str | None = None) -> None:
    """Write a survey of images `0.png`, `1.png`, …; the last image of each part could not be read."""
    folder.mkdir()
    run = {"encoder": encoder or fingerprint(SHIPPED_CHECKPOINT), "parts": parts, "images": len(embeddings)}
    (folder / "_run.json").write_text(json.dumps(run))
    for number, rows in enumerate(np.array_split(np.arange(len(embeddings)), parts)):
        row_numbers = [*rows.tolist(), None]
        columns = {
            "id": pa.array([f"{row}.png" for row in row_numbers]),
            "embedding": pa.array(
                [None if row is None else embeddings[row].astype(np.float16) for row in row_numbers],
                pa.list_(pa.float16(), DIMENSION),
            ),
        }
        pq.write_table(pa.table(columns), folder / f"part-{number:06d}.parquet")


@pytest.fixture
def embeddings() -> np.ndarray:
    embeddings = np.random.default_rng(0).standard_normal((60, DIMENSION)).astype(np.float32)
    embeddings[41] = embeddings[5] + 0.05
    embeddings[17] = embeddings[5] - 0.2
    return embeddings


@pytest.mark.parametrize("chunk", [7, 10_000])
def test_the_most_similar_images_of_all_parts_come_first(
    tmp_path: Path, embeddings: np.ndarray, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(similar, "CHUNK", chunk)
    write_survey(tmp_path / "out", embeddings)
    matches = most_similar(tmp_path / "out", embeddings[[5]], limit=4)
    assert [name for name, _ in matches][:3] == ["5.png", "41.png", "17.png"]
    assert len(matches) == 4
    assert matches[0][1] == pytest.approx(1, abs=1e-3)
    assert matches == sorted(matches, key=lambda row: -row[1])


def test_a_limit_above_the_number_of_images_gives_all_that_could_be_read(tmp_path: Path, embeddings: np.ndarray) -> None:
    write_survey(tmp_path / "out", embeddings)
    assert len(most_similar(tmp_path / "out", embeddings[:2], limit=1000)) == 60


def test_a_folder_without_parts_is_named(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="has no parts of a survey: name the folder"):
        most_similar(tmp_path / "nothing", np.ones((1, DIMENSION), np.float32), limit=3)


def test_embeddings_of_another_encoder_are_refused(tmp_path: Path, embeddings: np.ndarray) -> None:
    write_survey(tmp_path / "out", embeddings, encoder="another")
    with pytest.raises(SurveyError, match="another encoder"):
        most_similar(tmp_path / "out", embeddings[:1], limit=3)


def test_a_damaged_part_is_named(tmp_path: Path, embeddings: np.ndarray) -> None:
    write_survey(tmp_path / "out", embeddings)
    (tmp_path / "out" / "part-000001.parquet").write_bytes(b"PAR1 no longer")
    with pytest.raises(SurveyError, match=r"part-000001\.parquet cannot be read"):
        most_similar(tmp_path / "out", embeddings[:1], limit=3)


@pytest.mark.parametrize("limit", [1, 3, 30, 59, 60])
def test_images_are_those_of_a_full_sort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(similar, "CHUNK", 7)
    embeddings = np.random.default_rng(3).standard_normal((60, DIMENSION)).astype(np.float32)
    write_survey(tmp_path / "out", embeddings)
    complete = most_similar(tmp_path / "out", embeddings[[5, 9]], limit=1000)
    assert most_similar(tmp_path / "out", embeddings[[5, 9]], limit=limit) == complete[:limit]
