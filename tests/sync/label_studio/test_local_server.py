"""The child process of Label Studio, tested with small programs instead: events before and during its start."""

from __future__ import annotations

import socket
import stat
import time
from pathlib import Path

import pytest

from sync.label_studio.local_server import LabelStudioServer, StudioError


def program(directory: Path, script: str) -> Path:
    path = directory / "label-studio"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(executable: Path, data: Path) -> LabelStudioServer:
    return LabelStudioServer(executable, data, port=free_port(), user="a@b.c", password="a secret")


def wait_for(path: Path) -> str:
    """Return the content of `path` when it has a complete line."""
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.01)
    return path.read_text()


def test_a_server_that_exits_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with server(program(tmp_path, "echo no such table >&2; exit 3"), tmp_path / "data") as studio:
        studio.start()
        with pytest.raises(StudioError, match=r"exited before it responded; its log .*\n.*no such table"):
            studio.wait()


def test_a_server_that_never_responds_times_out(tmp_path: Path) -> None:
    with server(program(tmp_path, "exec sleep 60"), tmp_path / "data") as studio:
        studio.start()
        with pytest.raises(StudioError, match="did not respond within 0 s"):
            studio.wait(timeout_s=0.0)


def test_stopping_ends_all_child_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with server(program(tmp_path, "sleep 60 & echo $! >child; wait"), tmp_path / "data") as studio:
        studio.start()
        child = int(wait_for(tmp_path / "child"))
        assert studio.running
    assert not studio.running
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.01)


def test_the_server_gets_the_password_and_no_settings_by_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "leaked")
    monkeypatch.setenv("PYTHONPATH", "/leaked")
    script = '{ echo "$0 $*"; env; } >part; mv part seen; exec sleep 60'
    monkeypatch.chdir(tmp_path)
    with server(program(tmp_path, script), tmp_path / "data") as studio:
        studio.start()
        output = wait_for(tmp_path / "seen")
    command, *environment = output.splitlines()
    assert "a secret" not in command
    assert "leaked" not in output
    assert "LABEL_STUDIO_PASSWORD=a secret" in environment
    assert {"LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false", "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false"} <= set(environment)


def test_a_missing_executable_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="does not exist: make test"):
        server(tmp_path / "nothing", tmp_path).start()
