"""The doctor's checks of this machine: data folder without space or permission, missing or changed model files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from backend.cli.app import app
from backend.doctor.machine import MODELS, PACKAGE, check_data_folder, check_models
from tests.printed_tables import rows_of


class Usage(NamedTuple):
    free: int


def test_a_writable_folder_is_created_and_left_empty(tmp_path: Path) -> None:
    assert check_data_folder(tmp_path / "data").ok
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    check = check_data_folder(tmp_path / "data")
    assert not check.ok
    assert check.message.startswith(f"{tmp_path / 'data'} cannot be written")


def test_a_nearly_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**28))
    assert check_data_folder(tmp_path).message == f"{tmp_path} has 0.2 GiB free: make room for 1 GiB or more"


def test_all_shipped_model_files_are_listed_and_unchanged() -> None:
    check = check_models()
    assert check.ok, (
        f"{check.message}: after a change of weights, in backend/: "
        "find . -path '*weights/*' -type f | sed 's|^./||' | LC_ALL=C sort | xargs sha256sum > doctor/models.sha256"
    )
    paths = [line.split()[1] for line in MODELS.read_text().splitlines()]
    assert paths == sorted(str(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("weights/**/*") if file.is_file())


def test_a_missing_or_changed_model_file_is_named(tmp_path: Path) -> None:
    for line in MODELS.read_text().splitlines():
        file = line.split()[1]
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / file, tmp_path / file)
    assert check_models(tmp_path).ok
    (tmp_path / "heads/weights/morphology/head.json").write_text("{}")
    (tmp_path / "lvm/weights/encoder.safetensors").unlink()
    says = check_models(tmp_path).message
    assert "heads/weights/morphology/head.json, lvm/weights/encoder.safetensors" in says
    assert "detector" not in says


def test_the_doctor_runs_all_possible_checks_and_fails(tmp_path: Path, new_database: bytes) -> None:
    (tmp_path / "galaxyloop.db").write_bytes(new_database)
    environment: dict[str, Any] = {
        "GALAXYLOOP_DATA_DIR": str(tmp_path),
        "LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "LABEL_STUDIO_API_KEY": "a-key",
        "COLUMNS": "250",
    }
    result = CliRunner().invoke(app, ["doctor"], env=environment)
    assert result.exit_code == 1
    assert "the worker" not in result.stdout
    rows = [row for row in rows_of(result.stdout) if len(row) == 3][1:]
    assert [(name, state) for name, state, _ in rows] == [
        ("data folder", "ok"),
        ("model files", "ok"),
        ("database and queue", "ok"),
        ("versions", "ok"),
        ("server", "failed"),
        ("worker", "failed"),
        ("Label Studio and its key", "failed"),
    ]
    assert rows[-1][2].endswith(": start it, or set LABEL_STUDIO_URL")
    nowhere = environment | {"GALAXYLOOP_DATABASE_URL": "postgresql://galaxyloop@127.0.0.1:1/galaxyloop"}
    result = CliRunner().invoke(app, ["doctor"], env=nowhere)
    assert (result.exit_code, "galaxyloop at 127.0.0.1:1 cannot be used" in result.stdout) == (1, True)


def test_the_doctor_checks_label_studio_without_a_data_folder(tmp_path: Path) -> None:
    environment: dict[str, Any] = {
        "GALAXYLOOP_DATA_DIR": str(tmp_path / "data"),
        "LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "LABEL_STUDIO_API_KEY": "a-key",
        "COLUMNS": "250",
    }
    result = CliRunner().invoke(app, ["doctor"], env=environment)
    assert result.exit_code == 1
    rows = [row for row in rows_of(result.stdout) if len(row) == 3][1:]
    states = [(name, state) for name, state, _ in rows]
    assert states == [("data folder", "failed"), ("model files", "ok"), ("Label Studio and its key", "failed")]
    assert f"there is no data folder {tmp_path / 'data'}: set GALAXYLOOP_DATA_DIR" in rows[0][2]
    assert not (tmp_path / "data").exists()
