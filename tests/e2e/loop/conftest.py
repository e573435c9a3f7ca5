"""The loop in production form: server and worker as processes, against the real Label Studio.

The tests share the processes, and each test has its own project; a test that kills a process restarts it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage.data import hubble_deep_field
from typer.testing import CliRunner

from backend.cli.app import app
from backend.demo.processes import Child
from backend.heads import HEADS
from backend.loop.audit import held_out_tasks
from backend.loop.examples.snapshot import SNAPSHOT_FILE
from backend.registry.records import Version
from backend.registry.version_files import INDEX
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project, project_state, upload_images
from sync.label_studio.tasks import read_tasks

BATCH = 8
TILE_PX = 96
TILES = 24
DEADLINE_S = 120.0
"""A busy machine takes ten times as long as an idle one."""
SECRETS = {"GALAXYLOOP_BASIC_AUTH_PASSWORD": "a-password", "GALAXYLOOP_WEBHOOK_SECRET": "a-secret"}
TRAINED = re.compile(r"event=trained project=(\d+) version=(\d+)")


class Process(Child):
    """A process of the loop that can also be killed or frozen."""

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """Stop it with SIGSTOP, as on a suspended machine."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def read_log(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def choice(value: str) -> list[dict[str, Any]]:
    """Return an annotation's result under the config `morphology`."""
    region = {"id": "c1", "from_name": "morphology", "to_name": "image", "type": "choices"}
    return [region | {"value": {"choices": [value]}}]


def kind_of(data: dict[str, Any]) -> int:
    """Return which of two kinds of tiles a task's data refer to, 0 or 1."""
    return int(re.findall(r"tile-(\d+)", str(data))[0]) % 2


class Stored(NamedTuple):
    """A prediction in Label Studio."""

    task: int
    version: str
    score: float
    result: list[dict[str, Any]]


@dataclass
class Project:
    """A Label Studio project with a backend, with access to Label Studio and to the registry."""

    loop: Loop
    id: int

    # -- annotators

    @property
    def tasks(self) -> list[int]:
        return [task.id for task in read_tasks(self.loop.client, self.id)]

    def teachers(self, count: int = BATCH) -> list[int]:
        """Return training tasks, alternately of both kinds of tiles."""
        held_out, kinds = self.held_out, {task.id: kind_of(task.data) for task in read_tasks(self.loop.client, self.id)}
        either = [[task for task in kinds if kinds[task] == kind and task not in held_out] for kind in (0, 1)]
        return [task for pair in zip(*either, strict=False) for task in pair][:count]

    @property
    def held_out(self) -> frozenset[int]:
        """Return the held-out tasks."""
        return held_out_tasks(self.record, read_tasks(self.loop.client, self.id))

    def annotate(self, tasks: Iterable[int], *classes: str, **more: Any) -> list[int]:
        """Submit a class for each task, by the kind of its image; return the annotations' ids."""
        return [
            int(
                self.loop.client.send(
                    "POST",
                    f"/api/tasks/{task}/annotations/",
                    json={"result": choice(classes[self.kind(task) % len(classes)]), **more},
                )["id"]
            )
            for task in tasks
        ]

    def kind(self, task: int) -> int:
        """Return which of two kinds of tiles a task shows; a few labels are enough to train classes by kind."""
        return kind_of(self.loop.client.get(f"/api/tasks/{task}/")["data"])

    def edit(self, annotations: Iterable[int], *classes: str) -> None:
        """Change annotations to classes by the kind of their images."""
        for annotation in annotations:
            task = int(self.loop.client.get(f"/api/annotations/{annotation}/")["task"])
            body = {"result": choice(classes[self.kind(task) % len(classes)])}
            self.loop.client.send("PATCH", f"/api/annotations/{annotation}/", json=body)

    def press_start_training(self) -> None:
        (backend,) = self.loop.client.get("/api/ml", project=self.id)
        self.loop.client.send("POST", f"/api/ml/{backend['id']}/train", json={})

    def import_again(self, count: int) -> None:
        """Import tasks with the same images again."""
        task_data = [task.data for task in read_tasks(self.loop.client, self.id)]
        data = [task_data[number % len(task_data)] for number in range(count)]
        self.loop.client.send("POST", f"/api/projects/{self.id}/import", json=data)

    def configure(self, label_config: str) -> None:
        self.loop.client.send("PATCH", f"/api/projects/{self.id}/", json={"label_config": label_config})

    # -- Label Studio

    @property
    def state(self) -> Any:
        return project_state(self.loop.client, self.id)

    @property
    def title(self) -> str:
        """Return the backend's title in Label Studio."""
        (backend,) = self.loop.client.get("/api/ml", project=self.id)
        return str(backend["title"])

    @property
    def predictions(self) -> list[Stored]:
        predictions = self.loop.client.get("/api/predictions/", project=self.id)
        return [
            Stored(int(prediction["task"]), prediction["model_version"], prediction["score"], prediction["result"])
            for prediction in predictions
        ]

    def predicted_by(self, version: str) -> list[int]:
        return sorted(prediction.task for prediction in self.predictions if prediction.version == version)

    def to_do(self) -> list[int]:
        return [task.id for task in read_tasks(self.loop.client, self.id) if not task.annotated]

    # -- registry

    @property
    def record(self) -> Any:
        return self.loop.services.registry.project(self.id)

    @property
    def versions(self) -> list[Version]:
        return self.loop.services.registry.versions(self.id)

    @property
    def numbers(self) -> list[int]:
        return [version.number for version in self.versions]

    def name_of(self, number: int) -> str:
        """Return the name of a version in Label Studio."""
        return self.loop.services.registry.version(self.id, number).name

    def read_labels(self, version: Version) -> dict[int, str]:
        """Return the annotations of a version's snapshot, with the time of their last change."""
        folder = self.loop.services.registry.path(self.id, version.number)
        return {row["annotation"]: row["updated_at"] for row in json.loads((folder / SNAPSHOT_FILE).read_text())}

    # -- waiting

    def wait_until_quiet(self) -> str:
        """Wait until no event is pending and all predictions are published; return the loop's last logged action."""
        self.loop.wait_until(
            lambda: self.id not in self.loop.services.pending_events.pending(), f"project {self.id} answered", self
        )
        return str(self.record.status)

    def wait_for_version(self, number: int) -> Version:
        """Wait until a version is live and published."""
        self.loop.wait_until(
            lambda: self.record.published_version == self.record.live_version == number, f"version {number} live", self
        )
        self.wait_until_quiet()
        return self.loop.services.registry.version(self.id, number)

    def wait_for_training(self, number: int) -> Version:
        """Wait until a version is trained and the gate has decided."""
        self.loop.wait_until(
            lambda: any(version.number == number and version.verdict != "trained" for version in self.versions),
            f"{number} judged",
            self,
        )
        self.wait_until_quiet()
        return self.loop.services.registry.version(self.id, number)

    def make_live(self, number: int) -> Version:
        """Wait until a version is trained; make it live if the gate rejected it, since a few labels give wide intervals."""
        if self.wait_for_training(number).verdict == "rejected":
            self.loop.command("rollback", str(self.id), self.name_of(number))
        return self.wait_for_version(number)

    def assert_sound(self) -> None:
        """Check the invariants that hold after any kill."""
        live = self.record.live_name
        assert self.state.model_version == self.title == live
        duplicates = [
            key
            for key, count in Counter((prediction.task, prediction.version) for prediction in self.predictions).items()
            if count > 1
        ]
        assert not duplicates
        assert set(self.to_do()) <= set(self.predicted_by(live))
        trained_versions = [version for version in self.versions if version.verdict != "base"]
        for version in trained_versions:
            folder = self.loop.services.registry.path(self.id, version.number)
            for entry in json.loads((folder / INDEX).read_text()).values():
                HEADS[entry["kind"]].load(folder / entry["folder"])
            assert version.verdict in ("live", "retired", "rejected"), f"{version.name} was never judged"
        made_from = Counter((version.fingerprint, version.config_hash, version.encoder) for version in trained_versions)
        assert not [key for key, count in made_from.items() if count > 1]
        trainings = Counter(
            number for project, number in TRAINED.findall(self.loop.worker.read_log()) if int(project) == self.id
        )
        assert not [number for number, count in trainings.items() if count > 1]

    def assert_nothing_lost(self) -> None:
        """Check that the newest version was trained on every submitted annotation in its current state."""
        stamps = {annotation.id: annotation.updated_at for annotation in read_annotations(self.loop.client, self.id)}
        assert self.read_labels(self.versions[-1]) == stamps


@dataclass
class Loop:
    """Server and worker with one data folder, and access to their state."""

    client: LabelStudioClient
    environment: dict[str, str]
    folder: Path

    def __post_init__(self) -> None:
        self.server, self.worker = self.process("server"), self.process("worker")

    @cached_property
    def settings(self) -> Settings:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            return Settings()

    @cached_property
    def services(self) -> Services:
        """Return services with the registry and the pending events, as in a third process."""
        return Services(self.settings)

    @cached_property
    def tiles(self) -> list[Path]:
        """Return small crops of the Hubble deep field; every other one has a large galaxy in the foreground."""
        field = np.asarray(hubble_deep_field())
        offsets = np.indices((TILE_PX, TILE_PX)) - TILE_PX / 2
        front = (230 * np.exp(-np.hypot(*offsets) / 16)).astype(np.uint8)[..., None]
        tiles = []
        for number in range(TILES):
            row, column = divmod(number, field.shape[1] // TILE_PX)
            rows, columns = (slice(start * TILE_PX, (start + 1) * TILE_PX) for start in (row, column))
            tiles.append(self.folder / f"tile-{number:02d}.png")
            Image.fromarray(np.maximum(field[rows, columns], front if number % 2 else 0)).save(tiles[-1])
        return tiles

    def process(self, command: str, *, name: str = "") -> Process:
        """Return a `galaxyloop server` or `galaxyloop worker` that is not started."""
        arguments = [sys.executable, "-m", "backend.cli", command]
        return Process(name or command, arguments, environment=self.environment, logs=self.folder / "logs")

    def start(self) -> None:
        self.server.start()
        self.worker.start()
        self.wait_for_server()

    def stop(self) -> None:
        self.worker.stop()
        self.server.stop()

    def wait_for_server(self) -> None:
        def healthy() -> bool:
            try:
                return httpx.get(f"{self.settings.public_url}/health", timeout=2, trust_env=False).is_success
            except httpx.HTTPError:
                return False

        self.wait_until(healthy, "the server answers")

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run a `galaxyloop` command that exits with `code`, and return its output."""
        result = CliRunner().invoke(app, list(arguments), env={**self.environment, "COLUMNS": "300"}, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    def new_project(
        self,
        config: str = "morphology",
        *,
        batch: int | None = None,
        before_attaching: Callable[[Project], None] = lambda _: None,
    ) -> Project:
        """Create a project with images, attach the backend, and wait for the base version's predictions."""
        xml = files("labeling_configs").joinpath(f"{config}.xml").read_text()
        return self.project_of(xml, self.tiles, batch=batch, before_attaching=before_attaching)

    def project_of(
        self,
        xml: str,
        images: list[Path],
        *,
        batch: int | None = None,
        before_attaching: Callable[[Project], None] = lambda _: None,
    ) -> Project:
        """Create a project with these images, as `new_project` does."""
        project = Project(self, create_project(self.client, "Galaxies", xml))
        upload_images(self.client, project.id, images)
        before_attaching(project)
        self.command("project", "attach", str(project.id), *(["--batch", str(batch)] if batch else []))
        project.wait_for_version(1)
        return project

    def import_project(self, title: str, label_config: str, data: list[dict[str, Any]]) -> Project:
        """Create a project with tasks of these data, attach the backend, and wait for the base version's predictions."""
        project = Project(self, create_project(self.client, title, label_config))
        self.client.send("POST", f"/api/projects/{project.id}/import", json=data)
        self.command("project", "attach", str(project.id))
        project.wait_for_version(1)
        return project

    def events(self) -> dict[str, int]:
        """Return the number of events that the server has received, by action."""
        auth = (self.settings.basic_auth_user, self.settings.basic_auth_password.get_secret_value())
        text = httpx.get(f"{self.settings.public_url}/metrics", auth=auth, trust_env=False).raise_for_status().text
        counters = re.findall(r'^galaxyloop_events_total\{action="(\w+)"\} (\S+)$', text, re.MULTILINE)
        return {action: int(float(count)) for action, count in counters}

    def wait_until(
        self, condition: Callable[[], Any], what: str, project: Project | None = None, *, every_s: float = 0.05
    ) -> None:
        """Poll until `condition` is true; after the deadline fail with the logs of the loop."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                status = f"\nstatus: {project.record.status}" if project else ""
                logs = "\n".join(f"--- {child.name}\n{child.last_lines(30)}" for child in (self.server, self.worker))
                pytest.fail(f"not within {DEADLINE_S:.0f} s: {what}{status}\n{logs}")
            time.sleep(every_s)


@pytest.fixture(scope="session")
def loop(label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = SECRETS | {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.api_key,
        "GALAXYLOOP_DATA_DIR": str(folder / "data"),
        "GALAXYLOOP_PORT": str(port),
        "GALAXYLOOP_BATCH": str(BATCH),
        "GALAXYLOOP_WEBHOOK_DEBOUNCE_S": "0.5",
        "GALAXYLOOP_LEASE_S": "3",
        "GALAXYLOOP_RECONCILE_EVERY_S": "600",  # so that only events and starts trigger the loop
        "GALAXYLOOP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    with LabelStudioClient(label_studio.url, label_studio.api_key) as client:
        running = Loop(client, environment, folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
