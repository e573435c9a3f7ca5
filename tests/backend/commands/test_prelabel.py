"""`galaxyloop prelabel --input`: a survey to Parquet parts; tests/e2e/prelabel has the projects of Label Studio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as dataset
import pyarrow.parquet as parquet
import pytest
from typer.testing import Result

from backend.heads.morphology import Morphology
from backend.project_heads import ProjectHeads
from backend.services import Services
from sync.labelconfig import parse

Run = Callable[..., Result]

DEADLINE_S = 120.0
CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Round"/><Choice value="Flat"/></Choices></View>"""


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests does not step back."""
    monkeypatch.setenv("GALAXYLOOP_WORKER_NICENESS", "0")


@pytest.fixture
def survey(run: Run, pictures: Path) -> Run:
    """Runs a survey of the folder `pictures` into the folder `out`, with further words."""
    return lambda *words: run("prelabel", "--input", "pictures", "--output", "out", "--config", "morphology", *words)


@pytest.fixture
def many(tmp_path: Path, png: Callable[..., bytes]) -> str:
    """A Parquet file of 200 small images in row groups of 30."""
    contents = [png(size=(40, 40), spots=((20, 20, 4),), seed=number) for number in range(10)]
    table = pa.table({"id": [f"galaxy {number}" for number in range(200)], "image": contents * 20})
    parquet.write_table(table, tmp_path / "many.parquet", row_group_size=30)
    return "many.parquet"


@pytest.fixture
def trained(open_services: Callable[..., Services], embeddings: Callable[..., Any]) -> Services:
    """Project 7 with a trained version 2, live, in the data folder that `run` works with."""
    services = open_services(data_dir=Path("galaxyloop-data"))
    services.registry.meet_project(7, label_config=CONFIG, extra_params=None)
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=1280)
    head = Morphology.fit(vectors, targets, classes=("Round", "Flat"), exclusive=True)
    with services.registry.writing_version(7, label_config=CONFIG, fingerprint="f", learned_from=20) as (folder, number):
        ProjectHeads({"class": head}).save(folder, parse(CONFIG))
    services.registry.promote(7, number)
    return services


def parts(folder: str = "out") -> list[str]:
    return sorted(file.name for file in Path(folder).glob("*.parquet"))


def rows(folder: str = "out") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.dataset(folder).to_table().to_pylist()
    return sorted(found, key=lambda row: str(row["id"]))


def test_every_image_is_a_row_of_a_part(survey: Run) -> None:
    done = survey("--part-images", 3)
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "4 images stand in 2 parts in out; this run looked at 4, 1 of them unreadable: their column error says why\n"
    )
    assert parts() == ["part-000000.parquet", "part-000001.parquet"]
    assert [(row["id"], row["error"] is None, row["version"]) for row in rows()] == [
        ("pictures/a.PNG", True, "galaxyloop-base"),
        ("pictures/b.png", True, "galaxyloop-base"),
        ("pictures/broken.jpg", False, None),
        ("pictures/deep/c.png", True, "galaxyloop-base"),
    ]


def test_a_part_that_is_there_is_not_made_again(survey: Run) -> None:
    survey("--part-images", 1)
    before = {name: Path("out", name).stat().st_mtime_ns for name in parts()}
    Path("out/part-000002.parquet").unlink()
    assert "this run looked at 1" in survey("--part-images", 1).stdout
    assert "this run looked at 0" in survey("--part-images", 1).stdout
    after = {name: Path("out", name).stat().st_mtime_ns for name in parts()}
    assert [name for name in before if before[name] != after[name]] == ["part-000002.parquet"]


def test_images_that_come_meanwhile_change_no_part(survey: Run, png: Callable[..., bytes]) -> None:
    survey("--part-images", 2)
    expected = rows()
    Path("out/part-000000.parquet").unlink()
    Path("pictures/0.png").write_bytes(png())
    assert survey("--part-images", 2).exit_code == 0
    assert [row["id"] for row in rows()] == [row["id"] for row in expected]


def test_a_survey_that_was_killed_goes_on_and_has_every_image_once(run: Run, many: str) -> None:
    words = ("prelabel", "--input", many, "--output", "out", "--config", "morphology", "--part-images", "8")
    process = subprocess.Popen([sys.executable, "-m", "backend.cli", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    while len(parts()) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(parts())
    assert there < 25
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert f"this run looked at {200 - 8 * there}\n" in done.stdout
    assert [row["id"] for row in rows()] == sorted(f"galaxy {number}" for number in range(200))
    assert all(row["error"] is None for row in rows())


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_writes_the_same(run: Run, many: str) -> None:
    words = ("prelabel", "--input", many, "--config", "morphology", "--part-images", 64, "--output")
    assert run(*words, "here").exit_code == 0
    done = run(*words, "there", "--engine", "ray")
    assert done.exit_code == 0, done.output
    assert parts("here") == parts("there")
    for one, other in zip(rows("here"), rows("there"), strict=True):
        assert one["id"] == other["id"]
        np.testing.assert_allclose(one["embedding"], other["embedding"], rtol=2e-3, atol=1e-3)


def test_a_bucket_is_surveyed_as_a_folder_is(run: Run, pictures: Path, s3: Any) -> None:
    for name in ("a.PNG", "b.png", "broken.jpg"):
        s3.put_object(Bucket="sky", Key=f"dr10/{name}", Body=(pictures / name).read_bytes())
    done = run("prelabel", "--input", "s3://sky/dr10/*", "--output", "out", "--config", "morphology")
    assert done.exit_code == 0, done.output
    assert [(row["id"], row["error"] is None) for row in rows()] == [
        ("s3://sky/dr10/a.PNG", True),
        ("s3://sky/dr10/b.png", True),
        ("s3://sky/dr10/broken.jpg", False),
    ]


def test_what_a_project_has_learned_predicts(run: Run, pictures: Path, trained: Services) -> None:
    done = run("prelabel", "--input", "pictures", "--output", "out", "--project", 7)
    assert done.exit_code == 0, done.output
    assert {row["version"] for row in rows() if row["error"] is None} == {"v0002"}
    assert all(set(row["class"]) == {"Round", "Flat"} for row in rows() if row["error"] is None)


def test_an_earlier_version_can_be_named_and_does_not_mix_with_another(run: Run, pictures: Path, trained: Services) -> None:
    words = ("prelabel", "--input", "pictures", "--output", "out", "--project", 7)
    refused = run(*words, "--version", "v0001", "--config", "morphology")
    assert refused.exit_code == 0, refused.output
    assert {row["version"] for row in rows() if row["error"] is None} == {"v0001"}
    again = run(*words, "--config", "morphology")
    assert again.exit_code == 1
    assert "out holds the parts of another run: its version is 'v0001' and not 'v0002'" in again.stderr


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name either a PROJECT of Label Studio or a survey's --input"),
        (("7", "--input", "pictures"), "name either a PROJECT of Label Studio or a survey's --input"),
        (("7", "--output", "out"), "belong to a survey"),
        (("7", "--ray-address", "host:1"), "--ray-address needs --engine ray"),
        (("--input", "pictures", "--config", "morphology"), "a survey needs an --output"),
        (("--input", "pictures", "--output", "out"), "a survey needs a --config, or the --project whose heads predict"),
        (("--input", "pictures", "--output", "out", "--config", "morphology", "--limit", "3"), "belong to a PROJECT"),
        (
            ("--input", "pictures", "--output", "out", "--config", "morphology", "--version", "v0001"),
            "--version needs a --project",
        ),
        (("--input", "pictures", "--output", "out", "--project", "8"), "project 8 is not known here"),
        (("--input", "pictures", "--output", "out", "--config", "nonsense"), "nonsense is neither an XML file nor a name"),
        (("--input", "nowhere", "--output", "out", "--config", "morphology"), "there is no nowhere"),
        (("--input", "empty", "--output", "out", "--config", "morphology"), "there is no image in empty"),
        (
            ("--input", "broken.parquet", "--output", "out", "--config", "morphology"),
            "broken.parquet cannot be read as Parquet",
        ),
        (("--input", "pictures", "--output", "broken.parquet", "--config", "morphology"), "is a file: name a folder"),
        (("--input", "pictures", "--output", "pictures", "--config", "morphology"), "holds files that are no survey's"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(refused: Callable[..., str], words: tuple[str, ...], sentence: str) -> None:
    Path("empty").mkdir()
    Path("broken.parquet").write_text("no Parquet")
    assert sentence in refused("prelabel", *words)
    assert not list(Path("out").glob("*.parquet"))


def test_an_address_without_a_cluster_is_one_sentence(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures.parent)
    words = ["prelabel", "--input", "pictures", "--output", "out", "--config", "morphology"]
    words += ["--engine", "ray", "--ray-address", "127.0.0.1:1"]
    done = subprocess.run([sys.executable, "-m", "backend.cli", *words], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 1
    assert done.stderr.startswith("galaxyloop: no Ray cluster answers at 127.0.0.1:1")
    assert len(done.stderr.splitlines()) == 1


def test_a_config_that_nothing_can_be_said_of_is_one_sentence_on_a_cluster_too(
    refused: Callable[..., str], pictures: Path, ray_cluster: str
) -> None:
    Path("own.xml").write_text('<View><Image name="i" value="$i"/><Number name="z" toName="i"/></View>')
    words = ("prelabel", "--input", "pictures", "--output", "out", "--config", "own.xml")
    for engine in ("local", "ray"):
        assert "no control that the heads can fill" in refused(*words, "--engine", engine)


LAST_WORDS = """
import atexit, os, sys
from backend.cli import app

def tell():
    import torch
    print(os.getpriority(os.PRIO_PROCESS, 0), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), file=sys.stderr)

atexit.register(tell)
app(["prelabel", *sys.argv[1:]])
"""
"""Tells, at its end, how far a run stepped back and on how many threads it computed."""


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("words", [("7",), ("--input", "pictures", "--output", "out", "--config", "morphology")])
def test_it_steps_back_behind_the_server_and_keeps_to_its_threads(words: tuple[str, ...], files: Any, run: Run) -> None:
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    own |= {"LABEL_STUDIO_URL": files.url, "LABEL_STUDIO_API_KEY": "a-legacy-token"}
    own |= {"GALAXYLOOP_THREADS": "1", "GALAXYLOOP_WORKER_NICENESS": "9"}
    done = subprocess.run([sys.executable, "-c", LAST_WORDS, *words], env=own, capture_output=True, text=True, check=False)
    niceness = max(9, os.getpriority(os.PRIO_PROCESS, 0))
    assert f"{niceness} 1 1" in done.stderr.splitlines()
