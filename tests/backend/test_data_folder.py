"""A data folder that may not be written, or whose disk is full: one sentence, nothing is lost, and afterwards work continues.

Tests may run as root, which ignores permissions. The commands therefore run in a process that has given up the capabilities to
ignore them, so that it has the rights of the files' owner. The full disk is a small file system in memory, mounted for one
process only.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backend.heads.classification.morphology import Morphology
from backend.loop.session import ProjectSession
from backend.loop.worker import handle_events
from backend.prediction.project_heads import ProjectHeads
from backend.registry.damage import describe_damage
from backend.services import Services
from backend.settings import Settings
from sync.files.cache import FileCache, key_of
from sync.labelling.config import parse
from tests.small_label_studio import KEY, running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
OWN_MOUNTS = ["unshare", "--map-root-user", "--mount"]
PROJECT = 7
CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
COMMANDS = [
    ["status"],
    ["versions", str(PROJECT)],
    ["rollback", str(PROJECT), "v0001"],
    ["project", "problems", str(PROJECT)],
    ["check"],
    ["doctor"],
    ["server"],
    ["worker"],
]


def obey_permissions() -> None:
    """Give up the capabilities with which root ignores permissions; they are gone after the next exec."""
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def run(function: str, data: Path, *prefix: str, url: str = "http://127.0.0.1:1") -> Any:
    """Run a function of this module in a process that obeys permissions; `url` is Label Studio's. Return the result."""
    code = f"import json, sys; from tests.backend import test_data_folder as t; print(json.dumps(t.{function}()))"
    process = subprocess.run(
        [*prefix, sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ
        | {"GALAXYLOOP_DATA_DIR": str(data), "LABEL_STUDIO_URL": url, "LABEL_STUDIO_API_KEY": KEY, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        preexec_fn=obey_permissions,
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def set_modes(folder: Path, *, file: int, directory: int) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(directory if path.is_dir() else file)


@pytest.fixture
def data(tmp_path: Path, embeddings: Any) -> Iterator[Path]:
    """Return a data folder with a project that has a live trained version, and with a cached value."""
    folder = tmp_path / "data"
    services = Services(Settings(data_dir=folder))
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=8)
    head = Morphology.fit(vectors, targets, classes=("Calm", "Wild"), exclusive=True)
    with services.registry.create_version(PROJECT, label_config=CONFIG, fingerprint="f", learned_from=20) as (version, number):
        ProjectHeads({"class": head}).save(version, parse(CONFIG))
    services.registry.promote(PROJECT, number)
    FileCache(services.settings.cache_dir, max_bytes=10**6).put(key_of("a"), b"kept")
    services.engine.dispose()
    yield folder
    set_modes(folder, file=0o600, directory=0o700)


# -- permissions --


def obeys() -> bool:
    """Return whether this process obeys permissions."""
    try:
        (Settings().data_dir / "new").touch()
    except PermissionError:
        return True
    return False


def run_commands() -> list[dict[str, Any]]:
    from typer.testing import CliRunner

    from backend.cli.app import app

    results = [(words, CliRunner().invoke(app, words)) for words in COMMANDS]
    return [{"words": words, "code": result.exit_code, "output": result.output} for words, result in results]


@pytest.mark.parametrize(("file", "directory"), [(0o400, 0o500), (0o000, 0o000)], ids=["not writable", "not readable"])
def test_each_command_names_a_data_folder_that_it_cannot_use(file: int, directory: int, data: Path) -> None:
    before = contents(data)
    set_modes(data, file=file, directory=directory)
    if not run("obeys", data):
        pytest.skip("this process cannot give up the right to ignore permissions")
    results = run("run_commands", data)
    set_modes(data, file=0o600, directory=0o700)
    for result in results:
        assert (result["words"], result["code"]) == (result["words"], 1), result["output"]
        assert "Traceback" not in result["output"]
        assert str(data) in result["output"]
        assert "Permission denied" in result["output"] or "cannot be used" in result["output"]
    assert contents(data) == before


def use_read_only_caches() -> dict[str, Any]:
    import logging

    services = Services(Settings())
    cache = FileCache(services.settings.cache_dir, max_bytes=10**6)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("galaxyloop.cache").addHandler(handler)
    for number in range(300):
        cache.put(key_of(str(number)), b"new")
    value = cache.get(key_of("a"))
    return {"kept": (value or b"").decode(), "new": cache.get(key_of("1")) is not None, "lines": lines}


def test_a_cache_that_is_not_writable_answers_and_is_named_once(data: Path) -> None:
    set_modes(data / "cache", file=0o400, directory=0o500)
    if not run("obeys", data / "cache"):
        pytest.skip("this process cannot give up the right to ignore permissions")
    result = run("use_read_only_caches", data)
    assert (result["kept"], result["new"]) == ("kept", False)
    (line,) = result["lines"]
    assert "event=cache_not_usable" in line
    assert "Permission denied" in line


def describe_versions() -> list[str]:
    return describe_damage(Services(Settings()).registry, PROJECT)


def test_a_version_that_is_not_readable_is_named_and_kept(data: Path) -> None:
    head = data / "versions" / str(PROJECT) / "v0002" / "head-0" / "head.safetensors"
    content = head.read_bytes()
    head.chmod(0o000)
    sentences = run("describe_versions", data)
    head.chmod(0o600)
    if not sentences:
        pytest.skip("this process cannot give up the right to ignore permissions")
    assert f"is live and damaged ({head} cannot be read: Permission denied)" in sentences[0]
    assert head.read_bytes() == content
    assert run("describe_versions", data) == []


def handle_events_once() -> str:
    services = Services(Settings(batch=2, webhook_debounce_s=0))
    services.pending_events.mark_now(PROJECT)
    handle_events(services, ProjectSession(services.label_studio, PROJECT))
    return services.registry.project(PROJECT).status


def test_an_unwritable_folder_of_versions_is_named_and_used_later(data: Path) -> None:
    """The labelling config has changed, so that the worker trains a version."""
    folder = data / "versions" / str(PROJECT)
    before = contents(folder)
    with running(CONFIG.replace("Wild", "Windy")) as server:
        server.backends[1] = {"id": 1, "url": Settings().public_url, "title": "galaxyloop", "auth_method": "NONE"}
        set_modes(folder, file=0o400, directory=0o500)
        if not run("obeys", folder):
            pytest.skip("this process cannot give up the right to ignore permissions")
        status = run("handle_events_once", data, url=server.url)
        assert status.startswith(f"stopped: {folder}/")
        assert status.endswith(" cannot be used: Permission denied")
        assert contents(folder) == before
        set_modes(folder, file=0o600, directory=0o700)
        assert run("handle_events_once", data, url=server.url).startswith("v0003-")
    assert contents(folder).items() >= before.items()


# -- a full disk --


def can_mount() -> bool:
    test = subprocess.run([*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False)
    return test.returncode == 0


def use_full_disk() -> dict[str, Any]:
    from fastapi.testclient import TestClient

    from backend.server.app import create_app

    settings = Settings()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(settings.data_dir)], check=True)
    services = Services(settings)
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    services.mark([PROJECT])
    filler = settings.data_dir / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 8, "label_config": CONFIG}}
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        full = client.post("/webhook", json=event)
        health = client.get("/health").status_code
        handle_events(services, ProjectSession(services.label_studio, PROJECT))
        version = "written"
        try:
            with services.registry.create_version(PROJECT, label_config=CONFIG, fingerprint="", learned_from=1) as (folder, _):
                (folder / "head").write_bytes(bytes(100_000))
        except OSError as error:
            version = error.strerror or ""
        filler.unlink()
        empty = client.post("/webhook", json=event)
    services.predictors.warm_up()  # waits for the server's thread that loads the encoder: torch must not end meanwhile
    return {
        "full": [full.status_code, full.json()],
        "health": health,
        "version": version,
        "versions": len(services.registry.versions(PROJECT)),
        "empty": [empty.status_code, empty.json()],
        "pending": sorted(services.pending_events.pending()),
    }


@pytest.mark.skipif(not can_mount(), reason="no file system can be mounted here")
def test_a_full_disk_loses_no_event(tmp_path: Path) -> None:
    result = run("use_full_disk", tmp_path, *OWN_MOUNTS)
    assert result["full"] == [503, {"detail": "the backend cannot use its database now; see its log"}]
    assert result["health"] == 200
    assert (result["version"], result["versions"]) == ("No space left on device", 1)
    assert result["empty"] == [200, {"status": "accepted"}]
    assert result["pending"] == [PROJECT, 8]


def start_on_full_disk() -> dict[str, Any]:
    settings = Settings()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(settings.data_dir)], check=True)
    Services(settings).registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    with suppress(OSError), (settings.data_dir / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    process = subprocess.run([sys.executable, "-m", "backend.cli", "worker"], capture_output=True, text=True, check=False)
    return {"code": process.returncode, "log": process.stderr.splitlines()}


@pytest.mark.skipif(not can_mount(), reason="no file system can be mounted here")
def test_a_worker_that_starts_on_a_full_disk_ends_with_one_sentence(tmp_path: Path) -> None:
    result = run("start_on_full_disk", tmp_path, *OWN_MOUNTS)
    assert result["code"] == 1
    assert result["log"][-1].startswith(f"galaxyloop: the queue {tmp_path}/queue.db cannot be used: ")
    assert [line for line in result["log"] if "Traceback" in line] == []
