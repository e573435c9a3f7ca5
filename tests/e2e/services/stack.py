"""The services of docker-compose.yml without Docker: with its commands, environment and secrets, on this machine.

PostgreSQL, Redis, Label Studio on PostgreSQL, two backends behind one name and two workers. Hosts, ports and folders replace
those of Docker; the name of the backends is compose's own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from backend.loop.examples.snapshot import SNAPSHOT_FILE
from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import project_state
from tests.e2e.services.compose import BACKEND_URL, COMPOSE, ROOT, command_of_stage, environment_of
from tests.e2e.services.containers import Name, Process, free_port, healthy, write_names

__all__ = ["BATCH", "PUBLIC_URL", "Stack"]

CALLS = "127.77.77.0/24"
"""Replaces compose's network `calls`; all addresses of 127/8 are on this machine."""
GATEWAY = "127.77.77.254"
BACKENDS = ("127.77.77.1", "127.77.77.2")
NAME = "127.77.77.10"
"""Address of the backends' name, which forwards to each in turn, as with Docker's name service."""
PUBLIC_URL = "https://studio.example.org"
CHOSEN = {"LABEL_STUDIO_HOST": PUBLIC_URL, "LABEL_STUDIO_SECURE_COOKIES": "1"}
"""Content of `.env` for a team with a TLS proxy."""
BATCH = 12
SOON = {
    "GALAXYLOOP_BATCH": str(BATCH),
    "GALAXYLOOP_WEBHOOK_DEBOUNCE_S": "0.5",
    "GALAXYLOOP_LEASE_S": "3",
    "GALAXYLOOP_RECONCILE_EVERY_S": "600",
    "GALAXYLOOP_THREADS": "1",
}
DEADLINE_S = 150.0
CLASSES = ("Star or artifact", "Can't tell")
"""The shipped head has neither of them, so that a version trained on a few labels is significantly better."""


class Stack:
    """All of compose's services.

    Attributes
    ----------
    backends, workers : list of Process
    client : LabelStudioClient
        With the token that compose gives to the backend.
    """

    def __init__(self, folder: Path, postgresql: Any, redis: Any, label_studio: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.secrets = folder / "secrets"
        self.port = free_port(BACKENDS[0])
        self.studio_url = f"http://127.0.0.1:{(studio_port := free_port())}"
        self._given = {
            "@postgres/": f"@127.0.0.1:{postgresql.port}/",
            "redis://redis:6379": redis.url.removesuffix("/0"),
            ":9090": f":{self.port}",
            "http://label-studio:8080": self.studio_url,
        }
        subprocess.run(["sh", str(ROOT / "deploy/secrets.sh"), str(self.secrets)], check=True)
        mine = {"GALAXYLOOP_SECRETS_DIR": str(self.secrets), "PATH": os.environ["PATH"]}
        databases = ["sh", str(ROOT / "deploy/postgres-databases.sh")]
        subprocess.run(databases, check=True, env=mine | postgresql.environment, capture_output=True)
        ours = mine | SOON | {"GALAXYLOOP_DATA_DIR": str(self.data), "GALAXYLOOP_PORT": str(self.port)}
        self.environment = self._environment("backend") | ours
        self.backends = [self._galaxyloop("backend", host) for host in BACKENDS]
        self.workers = [self._galaxyloop("worker", name) for name in ("one", "two")]
        write_names(folder / "names", {str(urlsplit(BACKEND_URL).hostname): NAME})
        real = {"label-studio": label_studio, "0.0.0.0": "127.0.0.1", "8080": str(studio_port)}
        self.label_studio = Process(
            "label-studio",
            ["sh", ROOT / "deploy/label-studio.sh", *(str(real.get(word, word)) for word in command_of_stage("label-studio"))],
            self._environment("label-studio")
            | mine
            | {
                "PYTHONPATH": str(folder / "names"),
                "POSTGRE_HOST": "127.0.0.1",
                "POSTGRE_PORT": str(postgresql.port),
                "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"),
                "GALAXYLOOP_SUBNET": CALLS,
                "GALAXYLOOP_GATEWAY": GATEWAY,
            },
            folder,
        )
        self.name = Name((NAME, self.port), [(host, self.port) for host in BACKENDS])
        self.client = LabelStudioClient(self.studio_url, self.secret("label_studio_api_key"))

    def _environment(self, service: str) -> dict[str, str]:
        """Return compose's environment of a service, with the hosts of this machine."""
        environment = environment_of(service, CHOSEN)
        for name in environment:
            for docker, inside in self._given.items():
                environment[name] = environment[name].replace(docker, inside)
        return environment

    def _galaxyloop(self, service: str, name: str) -> Process:
        host = {"GALAXYLOOP_HOST": name} if service == "backend" else {}
        command = [Path(sys.executable).with_name("galaxyloop"), *COMPOSE["services"][service]["command"]]
        return Process(f"{service}-{name}", command, self.environment | host, self.folder)

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text()

    def start(self) -> None:
        self.label_studio.start()
        self.start_galaxyloop()
        self.wait_until(lambda: healthy(self.studio_url), "Label Studio answers")

    def start_galaxyloop(self) -> None:
        for process in (*self.backends, *self.workers):
            process.start()
        addresses = [f"http://{host}:{self.port}" for host in BACKENDS]
        self.wait_until(lambda: all(map(healthy, addresses)), "both backends answer")

    def stop(self) -> None:
        for process in (*self.workers, *self.backends, self.label_studio):
            process.kill()
        self.name.close()

    def command(self, *words: str) -> str:
        """Run a `galaxyloop` command as in a container of the backend."""
        command = [str(Path(sys.executable).with_name("galaxyloop")), *words]
        process = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        return process.stdout

    def live(self, project: int) -> set[str]:
        """Return the project's live version as each backend reports it."""
        config = project_state(self.client, project).label_config
        auth = ("galaxyloop", self.secret("galaxyloop_basic_auth_password"))
        body = {"project": f"{project}.1", "schema": config, "hostname": "", "extra_params": None}
        urls = [f"http://{host}:{self.port}/setup" for host in BACKENDS]
        answers = [httpx.post(url, json=body, auth=auth, trust_env=False).raise_for_status() for url in urls]
        return {answer.json()["model_version"] for answer in answers}

    def trained_versions(self) -> list[str]:
        """Return the versions that the workers logged as trained."""
        return [number for worker in self.workers for number in re.findall(r"event=trained .*version=(\d+)", worker.read_log())]

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                ends = "\n".join(
                    f"--- {process.log.name}\n{process.read_log()[-3000:]}" for process in (*self.backends, *self.workers)
                )
                pytest.fail(f"not within {DEADLINE_S:.0f} s: {what}\n{self.label_studio.read_log()[-2000:]}\n{ends}")
            time.sleep(0.05)

    # -- annotations in Label Studio and trained versions

    def annotate(self, project: int, tasks: list[int]) -> list[int]:
        """Submit one annotation per task, with the class of its kind of image; return their ids."""
        return [self.client.send("POST", f"/api/tasks/{task}/annotations/", json=ask(self.kind(task)))["id"] for task in tasks]

    def kind(self, task: int) -> int:
        """Return which of two kinds of tiles a task shows."""
        (reference,) = self.client.get(f"/api/tasks/{task}/")["data"].values()
        return int(re.findall(r"tile-(\d+)", reference)[0]) % 2

    def turn_round(self, annotations: list[int]) -> None:
        """Change each annotation to the other class."""
        for annotation in annotations:
            task = int(self.client.get(f"/api/annotations/{annotation}/")["task"])
            self.client.send("PATCH", f"/api/annotations/{annotation}/", json=ask(self.kind(task) + 1))

    def count_predicted(self, project: int, version: str) -> int:
        """Return the number of tasks with a prediction of a version; check that none has two."""
        predictions = self.client.get("/api/predictions/", project=project)
        tasks = [prediction["task"] for prediction in predictions if prediction["model_version"].partition("-")[0] == version]
        assert len(tasks) == len(set(tasks)), "a prediction is stored twice"
        return len(tasks)

    def wait_for_version(self, project: int, version: str) -> None:
        """Wait until a version is live on both backends and in Label Studio, with its predictions stored."""
        self.wait_until(
            lambda: {name.partition("-")[0] for name in self.live(project)} == {version}, f"{version} is live on both"
        )
        (name,) = self.live(project)
        self.wait_until(lambda: project_state(self.client, project).model_version == name, f"{name} is on show")

    def assert_nothing_lost(self, project: int, version: str) -> None:
        """Check that a version was trained on every annotation in its current state."""
        snapshot = self.data / "versions" / str(project) / version / SNAPSHOT_FILE
        times = {row["annotation"]: row["updated_at"] for row in json.loads(snapshot.read_text())}
        assert times == {annotation.id: annotation.updated_at for annotation in read_annotations(self.client, project)}


def ask(turn: int) -> dict[str, Any]:
    """Return an annotation of one of two classes under the config `morphology`."""
    value = {"choices": [CLASSES[turn % 2]]}
    return {"result": [{"id": "c", "from_name": "morphology", "to_name": "image", "type": "choices", "value": value}]}
