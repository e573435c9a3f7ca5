"""Fixture of the loop's benchmarks: a fresh Label Studio, a server and a worker, as processes of this machine.

All settings but paths, ports and secrets are the product's defaults.
"""

from __future__ import annotations

import io
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from skimage.data import hubble_deep_field

from backend.demo.processes import Child, create_children
from backend.registry.records import Project
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.local_server import LabelStudioServer
from sync.label_studio.projects import attach_backend, create_project, login, project_state, upload_images
from sync.label_studio.tasks import Task, read_tasks

__all__ = ["ASK_EVERY_S", "LABEL_STUDIO", "LabelStudioFixture", "cut_crops", "free_port", "open_fixture", "wait_until"]

LABEL_STUDIO = Path(".venv-label-studio/bin/label-studio")
CROP_PX = 124
USER = "benchmark@example.com"
PATIENCE_S = 900.0
LOOK_EVERY_S = 0.02
ASK_EVERY_S = 0.25
"""Polling interval for requests to Label Studio: a shorter one would slow the measured processes."""


@dataclass(frozen=True)
class LabelStudioFixture:
    """The processes and clients of a measurement, while they run.

    Attributes
    ----------
    client : LabelStudioClient
    services : Services
    children : tuple of Child
        The server's and the worker's process.
    references : tuple of str
        Image references of the uploaded crops, as tasks have them.
    bright : frozenset of str
        References of the brighter half of the crops, which the simulated annotators label differently.
    """

    client: LabelStudioClient
    services: Services
    children: tuple[Child, ...]
    references: tuple[str, ...]
    bright: frozenset[str]

    def project(self, config: str, *, tasks: int) -> int:
        """Create a project of `tasks` tasks with a shipped labelling config; its backend is not attached yet.

        With more tasks than crops, several tasks share a crop: they cost Label Studio as much, but galaxyloop has the image
        cached.
        """
        project = create_project(self.client, f"{config} {tasks}", files("labeling_configs").joinpath(config).read_text())
        references = [self.references[index % len(self.references)] for index in range(tasks)]
        self.client.send("POST", f"/api/projects/{project}/import", json=[{"image": reference} for reference in references])
        assert len(self.tasks(project)) == tasks
        return project

    def attach(self, project: int) -> None:
        """Attach the backend, as `galaxyloop project attach` does, without marking the project."""
        settings = self.services.settings
        state = project_state(self.client, project)
        record = self.services.registry.register_project(project, label_config=state.label_config, extra_params=None)
        attach_backend(
            self.client,
            project,
            url=settings.public_url,
            title=record.live_name,
            basic_auth=(settings.basic_auth_user, settings.basic_auth_password.get_secret_value()),
            webhook_secret=settings.webhook_secret.get_secret_value(),
        )

    def tasks(self, project: int) -> list[Task]:
        """Return the project's tasks."""
        return read_tasks(self.client, project)

    def find_project(self, project: int) -> Project:
        """Return the project's record in the registry."""
        return self.services.registry.project(project)

    def name_of(self, project: int, version: int) -> str:
        """Return the name of a version, which its predictions have as `model_version`."""
        return self.services.registry.version(project, version).name

    def count_stored(self, project: int, version: int) -> int:
        """Return how many predictions of a version Label Studio has."""
        counts = self.client.get(f"/api/projects/{project}/model-versions/")
        return int(counts.get(self.name_of(project, version), 0))

    def is_published(self, project: int) -> bool:
        """Return whether the live version's predictions are stored and the backend is renamed."""
        record = self.find_project(project)
        return record.published_version == record.live_version

    @contextmanager
    def suspended_worker(self) -> Iterator[None]:
        """Suspend the worker, which would store predictions again as soon as it finds that some are missing."""
        self.rest()
        worker = next(child for child in self.children if child.name == "worker")
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(worker.pid, signal.SIGCONT)

    def forget_predictions(self, project: int, version: int) -> None:
        """Delete a version's predictions from Label Studio, while the worker is suspended."""
        name = self.name_of(project, version)
        self.client.send("DELETE", f"/api/projects/{project}/model-versions/", json={"model_version": name}, repeatable=True)
        self.client.send("PATCH", f"/api/projects/{project}/", json={"model_version": name}, repeatable=True)
        assert self.count_stored(project, version) == 0

    def forget_images(self) -> None:
        """Empty the cache of images, embeddings and sources."""
        for file in self.services.settings.cache_dir.glob("*/*"):
            file.unlink(missing_ok=True)

    def rest(self) -> None:
        """Wait until no event is pending."""
        wait_until(lambda: not self.services.pending_events.pending(), "the worker to handle all events", self.children)

    def wait_until(self, condition: Callable[[], bool], what: str, *, every_s: float = LOOK_EVERY_S) -> None:
        """Wait for a condition; raise RuntimeError with the name of a process that has ended."""
        wait_until(condition, what, self.children, every_s=every_s)


@contextmanager
def open_fixture(folder: Path, *, crops: int, console: Console) -> Iterator[LabelStudioFixture]:
    """Start all processes in `folder`, and stop them on exit."""
    password = secrets.token_urlsafe(9)
    with ExitStack() as ends:
        studio = LabelStudioServer(LABEL_STUDIO, folder / "label-studio", port=free_port(), user=USER, password=password)
        ends.callback(studio.stop)
        with console.status("starting a fresh Label Studio"):
            studio.start()
            studio.wait()
        settings = Settings(
            label_studio_url=studio.url,
            label_studio_api_key=login(studio.url, USER, password),
            data_dir=(folder / "galaxyloop").absolute(),
            port=free_port(),
            basic_auth_password=secrets.token_urlsafe(24),
            webhook_secret=secrets.token_urlsafe(24),
        )
        client = ends.enter_context(LabelStudioClient(studio.url, settings.label_studio_api_key.get_secret_value()))
        with console.status(f"uploading {crops} crops"):
            references, bright = _upload(client, cut_crops(folder / "crops", count=crops))
        services = Services(settings)
        children = create_children(settings, folder / "logs")
        for child in children:
            ends.callback(child.stop)
            child.start()
        with console.status("starting server and worker"):
            wait_until(lambda: _answers(f"{settings.public_url}/health"), "the server to answer", children)
        yield LabelStudioFixture(client, services, children, references, bright)


def cut_crops(folder: Path, *, count: int, side: int = CROP_PX) -> list[Path]:
    """Cut `count` different squares of `side` px from the Hubble deep field (872x1000 px); neighbours overlap."""
    folder.mkdir(parents=True)
    field = np.asarray(hubble_deep_field())
    rows = np.arange(0, field.shape[0] - side + 1)
    columns = np.arange(0, field.shape[1] - side + 1)
    step = int(np.sqrt(len(rows) * len(columns) / count))
    corners = [(y, x) for y in rows[::step] for x in columns[::step]][:count]
    assert len(corners) == count
    crops = []
    for y, x in corners:
        buffer = io.BytesIO()
        Image.fromarray(field[y : y + side, x : x + side]).save(buffer, "PNG")
        crops.append(folder / f"hubble-{y:03d}-{x:03d}.png")
        crops[-1].write_bytes(buffer.getvalue())
    return crops


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, children: Sequence[Child], *, every_s: float = LOOK_EVERY_S) -> None:
    """Wait for a condition.

    Raises
    ------
    RuntimeError
        If it is not met within `PATIENCE_S`, or a process has ended.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        for child in children:
            if not child.running:
                raise RuntimeError(f"the {child.name} ended; its log ends:\n{child.last_lines(15)}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE_S:.0f} s in vain for {what}")
        time.sleep(every_s)


def _upload(client: LabelStudioClient, crops: list[Path]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Upload the crops; return all references, and those of the brighter half."""
    image_store = create_project(client, "uploaded crops", files("labeling_configs").joinpath("morphology.xml").read_text())
    upload_images(client, image_store, crops)
    references = tuple(str(task.data["image"]) for task in read_tasks(client, image_store))
    brightness = {crop.name: float(np.asarray(Image.open(crop)).mean()) for crop in crops}
    middle = median(brightness.values())
    return references, frozenset(reference for reference in references if brightness[reference.partition("-")[2]] > middle)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False
