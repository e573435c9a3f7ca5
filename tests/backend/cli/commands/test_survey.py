"""`galaxyloop survey` and wrong calls of `galaxyloop prelabel`; tests/e2e/prelabel tests projects of Label Studio."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as dataset
import pytest
from typer.testing import Result

from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.services import Services
from tests.small_label_studio import KEY, running

Run = Callable[..., Result]


def parts(folder: str = "out") -> list[str]:
    return sorted(file.name for file in Path(folder).glob("*.parquet"))


def rows(folder: str = "out") -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = dataset.dataset(folder).to_table().to_pylist()
    return sorted(table, key=lambda row: str(row["id"]))


def test_every_image_has_one_row(survey: Run) -> None:
    result = survey("--part-images", 3)
    assert result.exit_code == 1, result.output
    assert result.stdout == (
        "out has 4 images in 2 parts; this run predicted 4, 1 of them unreadable: the column error has the reasons\n"
    )
    assert parts() == ["part-000000.parquet", "part-000001.parquet"]
    assert [(row["id"], row["error"] is None, row["version"]) for row in rows()] == [
        ("image_folder/a.PNG", True, "galaxyloop-base"),
        ("image_folder/b.png", True, "galaxyloop-base"),
        ("image_folder/broken.jpg", False, None),
        ("image_folder/deep/c.png", True, "galaxyloop-base"),
    ]


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_writes_the_same_parts(run: Run, many_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in the workers: tests otherwise predict with PyTorch also where the extra `fast` is installed.
    monkeypatch.setattr("backend.prediction.shipped_parts.load_fastest_encoder", load_fastest_encoder)
    words = ("survey", many_images, "--config", "morphology", "--part-images", 64, "--output")
    assert run(*words, "here").exit_code == 0
    result = run(*words, "there", "--engine", "ray")
    assert result.exit_code == 0, result.output
    assert parts("here") == parts("there")
    for row, other in zip(rows("here"), rows("there"), strict=True):
        assert row["id"] == other["id"]
        np.testing.assert_allclose(row["embedding"], other["embedding"], rtol=2e-3, atol=1e-3)


@pytest.mark.slow
def test_a_bucket_gives_the_same_survey_as_a_folder(run: Run, image_folder: Path, s3: Any) -> None:
    for name in ("a.PNG", "b.png", "broken.jpg"):
        s3.put_object(Bucket="sky", Key=f"dr10/{name}", Body=(image_folder / name).read_bytes())
    result = run("survey", "s3://sky/dr10/*", "--output", "out", "--config", "morphology")
    assert result.exit_code == 1, result.output
    assert [(row["id"], row["error"] is None) for row in rows()] == [
        ("s3://sky/dr10/a.PNG", True),
        ("s3://sky/dr10/b.png", True),
        ("s3://sky/dr10/broken.jpg", False),
    ]


@pytest.mark.slow
def test_the_live_heads_of_a_project_predict(run: Run, image_folder: Path, trained_project: Services) -> None:
    result = run("survey", "image_folder", "--output", "out", "--project", 7)
    assert result.exit_code == 1, result.output
    assert {row["version"] for row in rows() if row["error"] is None} == {trained_project.registry.version(7, 2).name}
    assert all(set(row["class"]) == {"Round", "Flat"} for row in rows() if row["error"] is None)


@pytest.mark.slow
def test_an_earlier_version_can_be_chosen_and_is_not_mixed_with_another(
    run: Run, image_folder: Path, trained_project: Services
) -> None:
    words = ("survey", "image_folder", "--output", "out", "--project", 7)
    run_rejected = run(*words, "--version", "v0001", "--config", "morphology")
    assert run_rejected.exit_code == 1, run_rejected.output  # one file is not an image
    assert {row["version"] for row in rows() if row["error"] is None} == {trained_project.registry.version(7, 1).name}
    third = run(*words, "--version", "v0002", "--config", "morphology")
    assert third.exit_code == 1
    base, second = (version.name for version in trained_project.registry.versions(7))
    assert f"out holds the parts of another run: its version is {base!r} and not {second!r}" in third.stderr


@pytest.mark.usefixtures("image_folder")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("prelabel",), "name the PROJECT of Label Studio; for image files without Label Studio use galaxyloop survey"),
        (
            ("prelabel", "7", "--input", "image_folder"),
            "name either a PROJECT of Label Studio, or the INPUT of galaxyloop survey",
        ),
        (("prelabel", "7", "--output", "out"), "belong to galaxyloop survey"),
        (("prelabel", "7", "--ray-address", "host:1"), "--ray-address needs --engine ray"),
        (("prelabel", "--input", "image_folder", "--limit", "3"), "belong to a PROJECT"),
        (("survey", "image_folder", "--config", "morphology"), "a survey needs --output"),
        (("survey", "image_folder", "--output", "out"), "name a labelling config with --config, or with --project"),
        (
            ("survey", "image_folder", "--output", "out", "--config", "morphology", "--version", "v0001"),
            "--version needs a --project",
        ),
        (("survey", "image_folder", "--output", "out", "--project", "8"), "project 8 is not registered here"),
        (("survey", "image_folder", "--output", "out", "--config", "nonsense"), "nonsense is neither an XML file nor a name"),
        (("survey", "nowhere", "--output", "out", "--config", "morphology"), "nowhere does not exist"),
        (("survey", "empty", "--output", "out", "--config", "morphology"), "there is no image in empty"),
        (
            ("survey", "broken.parquet", "--output", "out", "--config", "morphology"),
            "broken.parquet cannot be read as Parquet",
        ),
        (("survey", "image_folder", "--output", "broken.parquet", "--config", "morphology"), "is a file: name a folder"),
        (("survey", "image_folder", "--output", "new.csv", "--config", "morphology"), "new.csv has the suffix of a file"),
        (
            ("survey", "image_folder", "--output", "out", "--config", "morphology", "--key", "id"),
            "--key id names a column of a table: name the table with --table",
        ),
        (
            ("survey", "image_folder", "--output", "out", "--config", "morphology", "--table", "nothing.csv"),
            "there is no file nothing.csv",
        ),
        (
            ("survey", "image_folder", "--output", "image_folder", "--config", "morphology"),
            "holds files that do not belong to a survey",
        ),
    ],
)
def test_invalid_options_are_rejected_in_one_sentence(
    run_rejected: Callable[..., str], registry: Path, words: tuple[str, ...], sentence: str
) -> None:
    Path("empty").mkdir()
    Path("broken.parquet").write_text("no Parquet")
    assert sentence in run_rejected(*words)
    assert not list(Path("out").glob("*.parquet"))


@pytest.mark.slow
def test_an_address_without_a_cluster_is_rejected_in_one_sentence(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(image_folder.parent)
    words = ["survey", "image_folder", "--output", "out", "--config", "morphology"]
    words += ["--engine", "ray", "--ray-address", "127.0.0.1:1"]
    result = subprocess.run([sys.executable, "-m", "backend.cli", *words], capture_output=True, text=True, env=os.environ)
    assert result.returncode == 1
    assert result.stderr.startswith("galaxyloop: no Ray cluster answers at 127.0.0.1:1")
    assert len(result.stderr.splitlines()) == 1


def test_a_config_without_a_supported_control_is_rejected_on_a_cluster(
    run_rejected: Callable[..., str], image_folder: Path, ray_cluster: str
) -> None:
    Path("own.xml").write_text('<View><Image name="i" value="$i"/><Number name="z" toName="i"/></View>')
    words = ("survey", "image_folder", "--output", "out", "--config", "own.xml")
    for engine in ("local", "ray"):
        assert "no control that the heads can predict" in run_rejected(*words, "--engine", engine)


LAST_WORDS = """
import atexit, os, sys
from backend.cli.app import app

def tell():
    import torch
    print(os.getpriority(os.PRIO_PROCESS, 0), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), file=sys.stderr)

atexit.register(tell)
app(sys.argv[1:])
"""
"""Prints the nice level and the number of threads at the end of a run."""


@pytest.mark.slow
@pytest.mark.usefixtures("image_folder")
@pytest.mark.parametrize("words", [("prelabel", "7"), ("survey", "image_folder", "--output", "out", "--config", "morphology")])
def test_bulk_commands_set_their_nice_level_and_threads(words: tuple[str, ...], run: Run) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {"GALAXYLOOP_THREADS": "1", "GALAXYLOOP_WORKER_NICENESS": "9"}
    with running() as studio:
        environment |= {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": KEY}
        result = subprocess.run(
            [sys.executable, "-c", LAST_WORDS, *words], env=environment, capture_output=True, text=True, check=False
        )
    niceness = max(9, os.getpriority(os.PRIO_PROCESS, 0))
    assert f"{niceness} 1 1" in result.stderr.splitlines()


def test_the_earlier_form_of_the_command_works_with_one_warning(image_folder: Path, run: Run) -> None:
    result = run("prelabel", "--input", "image_folder", "--output", "out", "--config", "morphology")
    assert result.exit_code == 1  # one file is not an image
    assert result.stdout.startswith("out has 4 images in one part")
    assert result.stderr.splitlines()[0] == "galaxyloop prelabel --input is now: galaxyloop survey image_folder …"
