"""A survey that is started again continues with its first version."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as dataset
import pyarrow.parquet as parquet
import pytest
from typer.testing import Result

from backend.services import Services

pytestmark = pytest.mark.slow

Run = Callable[..., Result]

DEADLINE_S = 120.0


def parts(folder: str = "out") -> list[str]:
    return sorted(file.name for file in Path(folder).glob("*.parquet"))


def rows(folder: str = "out") -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = dataset.dataset(folder).to_table().to_pylist()
    return sorted(table, key=lambda row: str(row["id"]))


def test_an_existing_part_is_not_computed_again(survey: Run) -> None:
    survey("--part-images", 1)
    before = {name: Path("out", name).stat().st_mtime_ns for name in parts()}
    Path("out/part-000002.parquet").unlink()
    assert "this run predicted 1" in survey("--part-images", 1).stdout
    assert "this run predicted 0" in survey("--part-images", 1).stdout
    after = {name: Path("out", name).stat().st_mtime_ns for name in parts()}
    assert [name for name in before if before[name] != after[name]] == ["part-000002.parquet"]


def test_images_added_during_a_survey_change_no_part(survey: Run, png: Callable[..., bytes]) -> None:
    survey("--part-images", 2)
    expected = rows()
    Path("out/part-000000.parquet").unlink()
    Path("image_folder/0.png").write_bytes(png())
    assert survey("--part-images", 2).exit_code == 0
    assert [row["id"] for row in rows()] == [row["id"] for row in expected]


@pytest.mark.slow
def test_a_killed_survey_continues_and_has_every_image_once(run: Run, many_images: str) -> None:
    words = ("survey", many_images, "--output", "out", "--config", "morphology", "--part-images", "8")
    process = subprocess.Popen([sys.executable, "-m", "backend.cli", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    while len(parts()) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    parts_before_kill = len(parts())
    assert parts_before_kill < 25
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert f"this run predicted {200 - 8 * parts_before_kill}\n" in result.stdout
    assert [row["id"] for row in rows()] == sorted(f"galaxy {number}" for number in range(200))
    assert all(row["error"] is None for row in rows())


def test_the_same_command_continues_after_a_new_version_and_a_new_config(
    run: Run, image_folder: Path, trained_project: Services
) -> None:
    words = ("survey", "image_folder", "--output", "out", "--project", 7, "--part-images", 1)
    assert run(*words).exit_code == 1  # one file is not an image
    before = rows()
    Path("out/part-000001.parquet").unlink()
    trained_project.registry.promote(7, 1)
    trained_project.registry.register_project(
        7, label_config=trained_project.registry.project(7).label_config.replace("Flat", "Edge-on"), extra_params=None
    )
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "this run predicted 1" in result.stdout
    base, second = (version.name for version in trained_project.registry.versions(7))
    assert f"out is continued with {second}, with which it was started; {base} is live now" in result.stderr
    assert [(row["id"], row["version"], row["class"]) for row in rows()] == [
        (row["id"], row["version"], row["class"]) for row in before
    ]


def test_a_survey_continues_from_any_working_directory(
    run: Run, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png: Callable[..., bytes]
) -> None:
    out = tmp_path / "out"
    words = ("--output", out, "--config", "morphology", "--part-images", 1)
    assert run("survey", "image_folder", *words).exit_code == 1  # one file is not an image
    before = rows(str(out))
    (out / "part-000001.parquet").unlink()
    (tmp_path / "elsewhere" / "image_folder").mkdir(parents=True)
    (tmp_path / "elsewhere" / "image_folder" / "b.png").write_bytes(png(seed=7))
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = run("survey", "image_folder", *words)
    assert result.exit_code == 1
    assert f"its input is '{image_folder}' and not '{tmp_path / 'elsewhere' / 'image_folder'}'" in result.stderr
    assert run("survey", "../image_folder", *words).exit_code == 0
    assert rows(str(out)) == before


@pytest.mark.slow
def test_a_changed_parquet_file_ends_the_survey(run: Run, many_images: str) -> None:
    words = ("survey", many_images, "--output", "out", "--config", "morphology", "--part-images", 64)
    assert run(*words).exit_code == 0
    Path("out/part-000002.parquet").unlink()
    content = Path(many_images).read_bytes()
    parquet.write_table(parquet.read_table(many_images).slice(0, 100), many_images)
    run_rejected = run(*words)
    assert run_rejected.exit_code == 1
    assert "many.parquet has changed since its rows were counted: restore it, or start again" in run_rejected.stderr
    Path(many_images).write_bytes(content)
    assert run(*words).exit_code == 0
    assert len(rows()) == 200


def test_a_truncated_plan_is_reported_in_one_sentence(survey: Run) -> None:
    survey("--part-images", 1)
    Path("out/part-000001.parquet").unlink()
    plan = Path("out/_plan.jsonl.gz")
    plan.write_bytes(plan.read_bytes()[:-10])
    result = survey("--part-images", 1)
    assert result.exit_code == 1
    assert result.stderr == "galaxyloop: the plan out/_plan.jsonl.gz is damaged, as after a power cut: name a new folder\n"
