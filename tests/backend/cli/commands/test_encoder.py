"""`galaxyloop encoder`: a trial on the project's labels, the choice of an encoder, and bad input in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from typer.testing import Result

from backend.services import Services
from sync.controls import choices
from sync.labelling.config import parse
from tests.small_encoders import save_encoder
from tests.small_label_studio import PROJECT, SmallLabelStudio, running

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="mood" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
(CONTROL,) = parse(CONFIG).controls
TASKS = range(1, 41)
KIND = np.array([task % 2 for task in TASKS])


@pytest.fixture
def label_studio(monkeypatch: pytest.MonkeyPatch, png: Callable[..., bytes]) -> Iterator[SmallLabelStudio]:
    """Run a project of forty annotated tasks: those with odd numbers show a large galaxy, the others small ones."""
    with running(CONFIG) as server:
        monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-legacy-token")
        for task in TASKS:
            spots = ((100, 50, 18 + task % 3),) if task % 2 else ((100, 50, 4), (40, 30, 3), (160, 70, 3), (60, 75, 3))
            path = f"/data/upload/{PROJECT}/0a1b2c3d-galaxy-{task}.png"
            server.files[path] = png(spots=spots, seed=task)
            server.add_task(task, data={"image": path})
            server.annotate(task, [{**choices.encode([CONTROL.labels[task % 2].value], control=CONTROL), "id": f"r{task}"}])
        yield server


@pytest.fixture
def project(label_studio: SmallLabelStudio, open_services: Callable[..., Services], run: Callable[..., Result]) -> Services:
    services = open_services(data_dir=Path("galaxyloop-data"), label_studio_url=label_studio.url)
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params={"audit": 0})
    return services


def write_vectors(name: str, vectors: Any, ids: list[Any] | None = None) -> str:
    rows = [np.asarray(vector, np.float32).tolist() for vector in vectors]
    parquet.write_table(pa.table({"id": list(TASKS) if ids is None else ids, "vector": rows}), name)
    return name


def signal(noise: float) -> Any:
    return np.random.default_rng(0).normal(scale=noise, size=(len(TASKS), 6)) + 3 * KIND[:, None]


@pytest.mark.slow
def test_a_trial_finds_the_worse_encoder_and_states_the_speeds(run: Callable[..., Result], project: Services) -> None:
    noise = write_vectors("noise.parquet", np.random.default_rng(1).normal(size=(len(TASKS), 6)))
    worse = run("encoder", "try", PROJECT, "--embeddings", noise)
    assert worse.exit_code == 0, worse.output
    encoders, answer, *speeds = worse.stdout.splitlines()
    assert encoders == "live encoder: shipped; tried encoder: noise.parquet"
    assert re.match(r"mood: the tried encoder is worse \(-0\.\d+, 90 % interval -0\.\d+ to -0\.\d+\); agreement", answer)
    assert answer.endswith("40 tasks, cross-validation")
    assert re.fullmatch(r"shipped: [0-9.]+ images/s", speeds[0])
    assert speeds[1] == "noise.parquet: imported"
    assert project.registry.project(PROJECT).encoder == ""
    assert [version.number for version in project.registry.versions(PROJECT)] == [1]


@pytest.mark.slow
def test_a_network_is_tried_in_the_same_folds(run: Callable[..., Result], project: Services, tmp_path: Path) -> None:
    trial = run("encoder", "try", PROJECT, save_encoder(tmp_path / "mine"))
    assert trial.exit_code == 0, trial.output
    assert "40 tasks, cross-validation" in trial.stdout
    assert len(re.findall(r"[0-9.]+ images/s", trial.stdout)) == 2


def test_an_encoder_is_chosen_listed_and_given_up(run: Callable[..., Result], project: Services, tmp_path: Path) -> None:
    spec = save_encoder(tmp_path / "mine")
    result = run("encoder", "use", PROJECT, spec)
    assert result.exit_code == 0, result.output
    entry = project.encoders.find(spec)
    assert entry is not None
    assert project.registry.project(PROJECT).encoder == entry.fingerprint
    assert PROJECT in project.pending_events.pending()
    listing = run("encoder", "list", PROJECT).stdout
    assert entry.fingerprint in listing
    assert "chosen" in listing
    assert "live" in listing
    assert [word for word in listing.split() if word.startswith("shipped")] == ["shipped", "shipped-classifier"]
    assert run("encoder", "rollback", PROJECT).exit_code == 2


def test_the_json_of_the_list_has_stable_keys(run: Callable[..., Result], project: Services, tmp_path: Path) -> None:
    spec = save_encoder(tmp_path / "mine")
    assert run("encoder", "use", PROJECT, spec).exit_code == 0
    rows = json.loads(run("encoder", "list", PROJECT, "--json").stdout)
    assert {tuple(row) for row in rows} == {
        ("encoder", "specification", "numbers", "image_px", "added_at", "live", "chosen", "versions")
    }
    assert [(row["specification"], row["live"], row["chosen"]) for row in rows] == [
        ("shipped", True, False),
        ("shipped-classifier", False, False),
        (spec, False, True),
    ]
    assert rows[0]["versions"] == [project.registry.version(PROJECT, 1).name]
    assert (rows[0]["numbers"], rows[0]["added_at"]) == (None, None)
    assert rows[2]["added_at"] == project.encoders.encoders()[0].added_at
    all_rows = json.loads(run("encoder", "list", "--json").stdout)
    assert all_rows == [row | {"live": False, "chosen": False, "versions": []} for row in rows]


@pytest.mark.slow
def test_the_json_of_a_trial_has_stable_keys(run: Callable[..., Result], project: Services) -> None:
    noise = write_vectors("noise.parquet", np.random.default_rng(1).normal(size=(len(TASKS), 6)))
    result = run("encoder", "try", PROJECT, "--embeddings", noise, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert list(record) == ["project", "live", "tried", "controls", "not_compared"]
    assert (record["project"], record["not_compared"]) == (PROJECT, {})
    assert record["live"]["specification"] == "shipped"
    assert record["live"]["images_per_s"] > 0
    assert record["tried"]["specification"] == "noise.parquet"
    assert record["tried"]["images_per_s"] is None
    (control,) = record["controls"]
    assert list(control) == [
        *("control", "answer", "difference", "low", "high", "live_score", "tried_score", "tasks", "by"),
    ]
    assert (control["control"], control["answer"], control["tasks"]) == ("mood", "worse", 40)
    assert control["tried_score"] - control["live_score"] == pytest.approx(control["difference"], abs=0.02)


def test_a_version_on_the_earlier_encoder_is_live_again(run: Callable[..., Result], project: Services, tmp_path: Path) -> None:
    entry = project.encoders.add(save_encoder(tmp_path / "mine"))
    numbers = []
    for encoder in (project.encoders.shipped_name, entry.fingerprint):
        writing = project.registry.create_version(
            PROJECT, label_config=CONFIG, fingerprint="f", learned_from=9, encoder=encoder
        )
        with writing as (folder, number):
            (folder / "heads.json").write_text("{}")
        project.registry.promote(PROJECT, number)
        numbers.append(number)
    project.registry.set_encoder(PROJECT, entry.fingerprint)
    back = run("encoder", "rollback", PROJECT)
    assert "stands on shipped: v0002" in back.stdout
    assert project.registry.project(PROJECT).live_version == numbers[0]
    project.registry.set_encoder(PROJECT, entry.fingerprint)
    rollback = run("encoder", "rollback", PROJECT)
    assert "the switch is ended, and the live version stays" in " ".join(rollback.stdout.split())
    assert project.registry.project(PROJECT).encoder == project.encoders.shipped_name


def test_file_names_are_ids_and_missing_vectors_are_counted(run: Callable[..., Result], project: Services) -> None:
    names = [f"galaxy-{task}.png" for task in TASKS]
    result = run("encoder", "use", PROJECT, "--embeddings", write_vectors("some.parquet", signal(1)[:38], names[:38]))
    assert result.exit_code == 1
    assert result.stderr == f"galaxyloop: 2 images of project {PROJECT} have no vector, and cannot be predicted\n"
    assert [encoder.dimension for encoder in project.encoders.encoders()] == [6]


NO_IMAGE = "no id in v.parquet matches an image of the project, such as 'x1'"
BAD_FILES: dict[str, tuple[Callable[[], object], str]] = {
    "no such file": (lambda: None, "the embeddings v.parquet cannot be read: there is no such file"),
    "not Parquet": (
        lambda: Path("v.parquet").write_text("id,vector"),
        "cannot be read as Parquet with the columns id and vector",
    ),
    "other columns": (
        lambda: parquet.write_table(pa.table({"name": [1]}), "v.parquet"),
        "cannot be read as Parquet with the columns id and vector",
    ),
    "no match": (lambda: write_vectors("v.parquet", signal(1), [f"x{task}" for task in TASKS]), NO_IMAGE),
    "twice": (lambda: write_vectors("v.parquet", signal(1), [1, *TASKS[:-1]]), "have the id 1 twice"),
    "lengths": (
        lambda: write_vectors("v.parquet", [[1.0, 2.0], [1.0]], [1, 2]),
        "the vectors in v.parquet differ in length, from 1 to 2 numbers",
    ),
    "not finite": (lambda: write_vectors("v.parquet", [[1.0], [np.nan]], [1, 2]), "the vector of 2 in v.parquet has values"),
    "no list": (
        lambda: parquet.write_table(pa.table({"id": [1], "vector": [1.0]}), "v.parquet"),
        "must hold a list of numbers in each row",
    ),
    "empty": (lambda: write_vectors("v.parquet", [], []), "the embeddings in v.parquet are empty"),
}


@pytest.mark.parametrize("fault", BAD_FILES)
@pytest.mark.parametrize("command", ["try", "use"])
def test_bad_embeddings_change_nothing(command: str, fault: str, run_rejected: Callable[..., str], project: Services) -> None:
    write, reason = BAD_FILES[fault]
    write()
    assert reason in run_rejected("encoder", command, str(PROJECT), "--embeddings", "v.parquet")
    assert project.encoders.encoders() == []
    assert project.registry.project(PROJECT).encoder == ""


def test_a_project_of_boxes_stays_on_the_shipped_network(
    run_rejected: Callable[..., str], project: Services, tmp_path: Path
) -> None:
    boxes = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
    project.registry.register_project(PROJECT, label_config=boxes, extra_params=None)
    reason = "project 7 has no control of classes or numbers: boxes and masks stay on the shipped network"
    assert reason in run_rejected("encoder", "use", "7", save_encoder(tmp_path / "mine"))
    assert project.registry.project(PROJECT).encoder == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("use", "7", "local-dir:/nowhere"), "the encoder local-dir:/nowhere cannot be read: there is no folder /nowhere"),
        (("try", "7", "shipped"), "project 7 stands on the encoder shipped already: try another one"),
        (("use", "7"), "name either an encoder or a file with --embeddings"),
        (("use", "8", "shipped"), "project 8 is not registered here"),
        (("list", "8"), "project 8 is not registered here"),
        (("rollback", "7"), "no version of project 7 was live on another encoder"),
    ],
)
def test_a_wrong_call_is_named_and_the_live_version_stays(
    words: tuple[str, ...], reason: str, run_rejected: Callable[..., str], project: Services
) -> None:
    assert reason in run_rejected("encoder", *words)
    assert project.registry.project(PROJECT).encoder == ""
