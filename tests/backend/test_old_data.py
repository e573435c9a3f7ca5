"""A data folder of commit 22c54b2 opens: its database, its version, its caches and its pending event.

The folder holds a project of 18 annotated images with classes, a taxonomy and boxes, one trained, live version, and the cache
of three images. Next to it are these images and, in `predictions.json`, that commit's predictions for them.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from backend.loop.examples.snapshot import read_stamps
from backend.prediction.predictor import PredictionTask
from backend.services import Services
from backend.settings import Settings

ARCHIVE = Path(__file__).parents[1] / "data/data_folder_of_22c54b2.tar.xz"
PROJECT = 600
EMBEDDING_BYTES = 5120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def services(folder: Path, files: Any) -> Services:
    for image in (folder / "images").iterdir():
        files.put(f"/data/upload/{PROJECT}/{image.name}", image.read_bytes())
    return Services(Settings(data_dir=folder, label_studio_url=files.url, label_studio_api_key="a-legacy-token"))


def count_cache_entries(folder: Path) -> dict[str, int]:
    """Return the sizes of cached values by name, bytes."""
    return {file.stem: file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file()}


def contents(predictions: list[dict[str, Any]]) -> list[Any]:
    """Return the regions of predictions without their random ids, sorted."""
    regions = [
        [{key: region[key] for key in ("from_name", "type", "value")} for region in each["result"]] for each in predictions
    ]
    return [sorted(each, key=json.dumps) for each in regions]


def test_the_database_is_migrated_with_its_project_and_versions(services: Services) -> None:
    project = services.registry.project(PROJECT)
    assert project.live_version == 2
    assert "<Taxonomy" in project.label_config
    versions = {version.number: version for version in services.registry.versions(PROJECT)}
    assert {number: version.verdict for number, version in versions.items()} == {1: "base", 2: "live"}
    assert versions[2].learned_from == 15
    assert versions[2].evidence["judged_on"] == 3


def test_an_event_that_was_pending_is_still_pending(services: Services) -> None:
    assert set(services.pending_events.pending()) == {PROJECT}


def test_the_snapshot_of_the_version_is_read(services: Services) -> None:
    assert sorted(read_stamps(services.registry.path(PROJECT, 2))) == list(range(1, 19))


def test_the_live_version_predicts_what_it_predicted_then(services: Services, folder: Path) -> None:
    project = services.registry.project(PROJECT)
    predictor = services.predictors.of(project, label_config=project.label_config)
    tasks = [PredictionTask(number, {"image": f"/data/upload/{PROJECT}/{number}.png"}) for number in (1, 2, 3)]
    before = count_cache_entries(folder)
    predictions = [prediction.as_json() for prediction in predictor.predict(tasks)]
    expected = json.loads((folder / "predictions.json").read_text())
    assert contents(predictions) == contents(expected)
    assert all(0 < each["score"] <= 1 for each in predictions), "the score of objects was defined otherwise then"
    # Small values (names of uploads, lists of sources) may be written again; the old embeddings are read.
    assert all(size < EMBEDDING_BYTES for name, size in count_cache_entries(folder).items() if name not in before)
