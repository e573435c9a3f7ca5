"""What docker-compose.yml starts, started without Docker: its commands, its environment and its secrets, on this machine.

PostgreSQL, Redis, Label Studio on PostgreSQL, two backends behind one name and two workers look after one project. Only names
of hosts, ports and folders are put in place of those that Docker would give.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from PIL import Image
from skimage.data import hubble_deep_field

from backend.loop.snapshot import SNAPSHOT_FILE, is_judge
from sync.annotations import read_annotations
from sync.client import LabelStudioClient
from sync.projects import create_project, project_state, upload_images
from sync.tasks import read_tasks

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CALLS = "127.77.77.0/24"
"""Stands for compose's network `calls`: all of 127/8 is this machine."""
BACKENDS = ("127.77.77.1", "127.77.77.2")
NAME = "127.77.77.10"
"""Where the name `backend` leads, to each backend in turn, as Docker's name service does."""
BATCH = 8
TILES = 16
SOON = {
    "GALAXYLOOP_BATCH": str(BATCH),
    "GALAXYLOOP_WEBHOOK_DEBOUNCE_S": "0.5",
    "GALAXYLOOP_LEASE_S": "3",
    "GALAXYLOOP_RECONCILE_EVERY_S": "600",
    "GALAXYLOOP_THREADS": "1",
}
DEADLINE_S = 150.0
CLASSES = ("Elliptical", "Spiral")


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def stage(name: str) -> str:
    """A stage of the Dockerfile."""
    stages = re.split(r"^FROM \S+ AS ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return next(text for text in stages if text.startswith(f"{name}\n"))


class Name:
    """A name with several addresses: a connection goes to the next of them that listens."""

    def __init__(self, address: tuple[str, int], behind: list[tuple[str, int]]) -> None:
        self._listening = socket.create_server(address)
        self._behind = itertools.cycle(behind)
        self._count = len(behind)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                for _ in range(self._count):
                    with contextlib.suppress(OSError):
                        called = socket.create_connection(next(self._behind))
                        for ends in ((caller, called), (called, caller)):
                            threading.Thread(target=self._carry, args=ends, daemon=True).start()
                        break

    @staticmethod
    def _carry(come: socket.socket, go: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := come.recv(65536):
                go.sendall(content)
            go.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.close()


class Process:
    """A container's process: it has compose's environment and nothing of ours."""

    def __init__(self, name: str, command: list[str | Path], environment: dict[str, str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.log.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Stack:
    """All of compose's services.

    Attributes
    ----------
    backends, workers : list of Process
    client : LabelStudioClient
        With the token that compose gives to the backend.
    """

    def __init__(self, folder: Path, postgresql: Any, redis: Any, label_studio: Path) -> None:
        self.compose = COMPOSE
        self.folder = folder
        self.data = folder / "data"
        self.secrets = folder / "secrets"
        self.port = free_port(BACKENDS[0])
        self.studio_url = f"http://127.0.0.1:{(studio_port := free_port())}"
        self._given = {
            "@postgres/": f"@127.0.0.1:{postgresql.port}/",
            "redis://redis:6379": redis.url.removesuffix("/0"),
            "http://backend:9090": f"http://{NAME}:{self.port}",
            "http://label-studio:8080": self.studio_url,
            "http://localhost:8080": self.studio_url,
        }
        subprocess.run(["sh", ROOT / "deploy/secrets.sh", self.secrets], check=True)
        mine = {"GALAXYLOOP_SECRETS_DIR": str(self.secrets), "PATH": os.environ["PATH"]}
        databases = ["sh", ROOT / "deploy/postgres-databases.sh"]
        subprocess.run(databases, check=True, env=mine | postgresql.environment, capture_output=True)
        ours = mine | SOON | {"GALAXYLOOP_DATA_DIR": str(self.data), "GALAXYLOOP_PORT": str(self.port)}
        self.environment = self._environment("backend") | ours
        self.backends = [self._galaxyloop("backend", host) for host in BACKENDS]
        self.workers = [self._galaxyloop("worker", name) for name in ("one", "two")]
        command = json.loads(re.findall(r"^CMD (.+)$", stage("label-studio"), re.MULTILINE)[0])
        real = {"label-studio": label_studio, "0.0.0.0": "127.0.0.1", "8080": str(studio_port)}
        self.label_studio = Process(
            "label-studio",
            ["sh", ROOT / "deploy/label-studio.sh", *(real.get(word, word) for word in command)],
            self._environment("label-studio")
            | mine
            | {
                "POSTGRE_HOST": "127.0.0.1",
                "POSTGRE_PORT": str(postgresql.port),
                "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"),
                "LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS": ",".join(all_but(CALLS)),
            },
            folder,
        )
        self.name = Name((NAME, self.port), [(host, self.port) for host in BACKENDS])
        self.client = LabelStudioClient(self.studio_url, self.secret("label_studio_api_key"))

    def _environment(self, service: str) -> dict[str, str]:
        """Compose's environment of a service, with what stands for its defaults and its hosts here."""
        found = {}
        for name, value in COMPOSE["services"][service]["environment"].items():
            found[name] = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value))
            for docker, here in self._given.items():
                found[name] = found[name].replace(docker, here)
        return found

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
        command = [Path(sys.executable).with_name("galaxyloop"), *words]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def live(self, project: int) -> set[str]:
        """What each backend says to be the project's live version."""
        config = project_state(self.client, project).label_config
        auth = ("galaxyloop", self.secret("galaxyloop_basic_auth_password"))
        body = {"project": f"{project}.1", "schema": config, "hostname": "", "extra_params": None}
        urls = [f"http://{host}:{self.port}/setup" for host in BACKENDS]
        answers = [httpx.post(url, json=body, auth=auth, trust_env=False).raise_for_status() for url in urls]
        return {answer.json()["model_version"] for answer in answers}

    def trained(self) -> list[str]:
        """The versions that the workers say to have trained."""
        return [number for worker in self.workers for number in re.findall(r"event=trained .*version=(\d+)", worker.said())]

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                ends = "\n".join(f"--- {one.log.name}\n{one.said()[-3000:]}" for one in (*self.backends, *self.workers))
                pytest.fail(f"not within {DEADLINE_S:.0f} s: {what}\n{self.label_studio.said()[-2000:]}\n{ends}")
            time.sleep(0.05)

    # -- what Label Studio holds and what was learned from it

    def annotate(self, project: int, tasks: list[int]) -> list[int]:
        """Submit an annotation each, of one class and the other in turn; return their ids."""
        paths = [f"/api/tasks/{task}/annotations/" for task in tasks]
        return [self.client.send("POST", path, json=said(turn))["id"] for turn, path in enumerate(paths)]

    def turn_round(self, annotations: list[int]) -> None:
        """Give each annotation the other class."""
        for turn, annotation in enumerate(annotations):
            self.client.send("PATCH", f"/api/annotations/{annotation}/", json=said(turn + 1))

    def predicted(self, project: int, version: str) -> int:
        """How many tasks have a prediction of a version; none has two."""
        found = self.client.get("/api/predictions/", project=project)
        tasks = [one["task"] for one in found if one["model_version"] == version]
        assert len(tasks) == len(set(tasks)), "a prediction is stored twice"
        return len(tasks)

    def wait_for_version(self, project: int, version: str) -> None:
        """Wait until a version is live on both backends and on show, its predictions stored."""
        self.wait_until(lambda: self.live(project) == {version}, f"{version} is live on both")
        self.wait_until(lambda: project_state(self.client, project).model_version == version, f"{version} is on show")

    def assert_nothing_lost(self, project: int, version: str) -> None:
        """Every annotation as it stands now was learned by a version."""
        snapshot = self.data / "versions" / str(project) / version / SNAPSHOT_FILE
        learned = {row["annotation"]: row["updated_at"] for row in json.loads(snapshot.read_text())}
        assert learned == {one.id: one.updated_at for one in read_annotations(self.client, project)}


def all_but(network: str) -> list[str]:
    """Compose's list of networks that Label Studio does not call, but for this one."""
    listed = COMPOSE["services"]["label-studio"]["environment"]["LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS"].split(",")
    ours = ipaddress.ip_network(network)
    found = []
    for banned in map(ipaddress.ip_network, listed):
        inside = banned.version == ours.version and ours.subnet_of(banned)
        found += map(str, banned.address_exclude(ours) if inside else [banned])
    return found


def said(turn: int) -> dict[str, Any]:
    """An annotation under the config `morphology`, its class by turns."""
    value = {"choices": [CLASSES[turn % 2]]}
    return {"result": [{"id": "c", "from_name": "morphology", "to_name": "image", "type": "choices", "value": value}]}


def healthy(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/health", timeout=2, trust_env=False).is_success
    return False


@pytest.fixture(scope="module")
def stack(
    postgresql: Any, redis: Any, label_studio_executable: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    redis.client.flushall()
    running = Stack(tmp_path_factory.mktemp("services"), postgresql, redis, label_studio_executable)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def project(stack: Stack) -> int:
    """A project with images, attached, whose first predictions are stored."""
    number = create_project(stack.client, "Galaxies", files("labeling_configs").joinpath("morphology.xml").read_text())
    field = np.asarray(hubble_deep_field())
    tiles = [stack.folder / f"tile-{tile:02d}.png" for tile in range(TILES)]
    for tile, file in enumerate(tiles):
        Image.fromarray(field[96 * (tile // 8) :, 96 * (tile % 8) :][:96, :96]).save(file)
    upload_images(stack.client, number, tiles)
    stack.command("project", "attach", str(number))
    stack.wait_until(lambda: stack.predicted(number, "v0001") == TILES, "the first predictions are stored")
    return number


@pytest.fixture(scope="module")
def annotations(stack: Stack, project: int) -> list[int]:
    """A batch, submitted; none of it is kept aside for the gate."""
    tasks = [task.id for task in read_tasks(stack.client, project) if not is_judge(task.id)][:BATCH]
    return stack.annotate(project, tasks)
