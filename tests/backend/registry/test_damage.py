"""Damaged versions are detected before use, never used under their name, and replaced by the last good version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from backend.doctor.versions import check_versions
from backend.heads.classification.morphology import Morphology
from backend.prediction.project_heads import ProjectHeads
from backend.registry.damage import describe_damage, find_version_damage, list_replacements, replace_damaged
from backend.registry.records import DAMAGED
from backend.registry.tables import ProjectRow
from backend.server.app import create_app
from backend.services import Services
from sync.labelling.config import parse

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
projects = count(700)


def truncate(folder: Path) -> None:
    file = folder / "head-0" / "head.safetensors"
    file.write_bytes(file.read_bytes()[:-7])


def replace_bytes(folder: Path) -> None:
    file = folder / "head-0" / "head.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def empty_index(folder: Path) -> None:
    (folder / "heads.json").write_bytes(b"")


def list_for_index(folder: Path) -> None:
    (folder / "heads.json").write_text("[1, 2]")


def remove_head(folder: Path) -> None:
    shutil.rmtree(folder / "head-0")


def junk_manifest(folder: Path) -> None:
    (folder / "version.json").write_bytes(b"\xff\x00{")


def manifest_without_files(folder: Path) -> None:
    (folder / "version.json").write_text('{"files": {}}')


def deep_manifest(folder: Path) -> None:
    (folder / "version.json").write_text("[" * 100_000)


def deep_index(folder: Path) -> None:
    (folder / "heads.json").write_text("[" * 100_000)


def no_permission(folder: Path) -> None:
    file = folder / "head-0" / "head.json"
    file.unlink()
    file.mkdir()  # root cannot read a folder as a file either


DAMAGES = [
    shutil.rmtree, truncate, replace_bytes, empty_index, list_for_index, remove_head, junk_manifest, manifest_without_files,
    deep_manifest, deep_index, no_permission,
]  # fmt: skip


@pytest.fixture
def project(predicting: Services, embeddings: Callable[..., Any]) -> int:
    """Return a project with two trained versions, v0002 and v0003; the second is live."""
    id_ = next(projects)
    registry = predicting.registry
    registry.register_project(id_, label_config=CONFIG, extra_params=None)
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=predicting.predictors.extractor.dimension)
    head = Morphology.fit(vectors, targets, classes=("Calm", "Wild"), exclusive=True)
    for _ in range(2):
        with registry.create_version(id_, label_config=CONFIG, fingerprint="f", learned_from=20) as (folder, number):
            ProjectHeads({"class": head}).save(folder, parse(CONFIG))
        registry.promote(id_, number, heads={"class": number})
    return id_


def predicting_version(services: Services, project: int) -> str:
    return services.predictors.of(services.registry.project(project), label_config=CONFIG).version[:5]


def take_lease(services: Services, project: int) -> str:
    """Hold the project's lease during this test."""
    with Session(services.engine) as session:
        session.execute(update(ProjectRow).where(ProjectRow.id == project).values(lease_owner="test"))
        session.commit()
    return "test"


def test_an_undamaged_version_predicts(predicting: Services, project: int) -> None:
    assert find_version_damage(predicting.registry, project, 3) == ""
    assert predicting_version(predicting, project) == "v0003"
    assert replace_damaged(predicting.registry, project, holder=take_lease(predicting, project)) == ""
    assert describe_damage(predicting.registry, project) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_last_undamaged_version_predicts_under_its_own_name(
    predicting: Services, project: int, damage: Callable[[Path], None]
) -> None:
    registry = predicting.registry
    damage(registry.path(project, 3))
    assert "v0003" in find_version_damage(registry, project, 3)
    assert predicting_version(predicting, project) == "v0002"
    assert describe_damage(registry, project)[0].startswith(f"project {project}: v0003-")

    sentence = replace_damaged(registry, project, holder=take_lease(predicting, project))
    assert sentence.startswith("v0003-")
    assert "is damaged (" in sentence
    assert registry.project(project).live_version == 2
    assert registry.version(project, 3).verdict == DAMAGED
    assert "rollback" in describe_damage(registry, project)[0]


@pytest.mark.parametrize("damage", [truncate, empty_index, list_for_index, deep_index, remove_head])
def test_damage_without_checksums_is_detected_when_heads_are_read(
    predicting: Services, project: int, damage: Callable[[Path], None]
) -> None:
    """Versions of earlier releases have a manifest that lists no files."""
    folder = predicting.registry.path(project, 3)
    manifest = json.loads((folder / "version.json").read_text())
    del manifest["files"]
    (folder / "version.json").write_text(json.dumps(manifest))
    damage(folder)
    assert predicting_version(predicting, project) == "v0002"
    assert replace_damaged(predicting.registry, project, holder=take_lease(predicting, project)).startswith("v0003-")


def test_a_version_with_a_head_of_a_damaged_version_is_damaged(predicting: Services, project: int) -> None:
    registry = predicting.registry
    registry.promote(project, 3, heads={"class": 2})
    truncate(registry.path(project, 2))
    assert "v0002" in find_version_damage(registry, project, 3)
    assert predicting_version(predicting, project) == "v0001"
    replace_damaged(registry, project, holder=take_lease(predicting, project))
    assert registry.project(project).live_version == 1


def test_the_base_version_predicts_if_all_others_are_damaged(predicting: Services, project: int) -> None:
    for number in (2, 3):
        shutil.rmtree(predicting.registry.path(project, number))
    assert predicting_version(predicting, project) == "v0001"
    assert [version.number for version in list_replacements(predicting.registry, project, label_config=CONFIG)] == [2, 1]


def test_a_restored_version_can_be_made_live_again(predicting: Services, project: int, tmp_path: Path) -> None:
    registry = predicting.registry
    shutil.copytree(registry.path(project, 3), tmp_path / "backup")
    shutil.rmtree(registry.path(project, 3))
    replace_damaged(registry, project, holder=take_lease(predicting, project))
    shutil.copytree(tmp_path / "backup", registry.path(project, 3))
    registry.promote(project, 3)
    assert predicting_version(predicting, project) == "v0003"
    assert describe_damage(registry, project) == []


def test_the_doctor_names_a_damaged_version(predicting: Services, project: int) -> None:
    remove_head(predicting.registry.path(project, 3))
    check = check_versions(predicting.registry)
    assert not check.ok
    assert f"project {project}: v0003-" in check.message


def test_a_request_for_a_damaged_version_marks_the_project(predicting: Services, project: int, files: Any, png: Any) -> None:
    replace_bytes(predicting.registry.path(project, 3))
    task = {"id": 1, "data": {"image": files.put("/data/upload/700/1.png", png())}}
    with TestClient(create_app(predicting)) as client:
        predicting.pending_events.acknowledge(project, predicting.pending_events.pending()[project])
        body = {"tasks": [task], "project": f"{project}.1", "label_config": CONFIG, "params": {}}
        answer = client.post("/predict", json=body).json()
    assert answer["model_version"].startswith("v0002-")
    assert len(answer["results"][0]["result"]) == 1
    assert project in predicting.pending_events.pending()
