"""The demo's checks before it starts, and what it shows of its password."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from rich.console import Console

from backend.demo import options as demo_options
from backend.demo.options import TESTED_LABEL_STUDIO, DemoError, DemoOptions, check_machine, describe_cost
from backend.demo.state import STUDIO_PASSWORD, password_hint


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def options(tmp_path: Path, *, label_studio: str = "label-studio") -> DemoOptions:
    (tmp_path / "label-studio").touch()
    return DemoOptions(None, tmp_path / "demo", free_port(), free_port(), tmp_path / label_studio)


def test_the_data_folder_is_private_also_if_an_earlier_release_made_it_public(tmp_path: Path) -> None:
    """Label Studio makes its database, which holds a token, readable for every user."""
    (tmp_path / "demo").mkdir(mode=0o755)
    check_machine(options(tmp_path))
    assert (tmp_path / "demo").stat().st_mode & 0o777 == 0o700


def test_a_missing_label_studio_is_named_with_the_commands_that_install_it(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="Label Studio is not installed at") as error:
        check_machine(options(tmp_path, label_studio="missing"))
    assert "in a checkout run `make demo`" in str(error.value)
    assert f"bin/pip install label-studio=={TESTED_LABEL_STUDIO}`" in str(error.value)


def test_a_port_in_use_is_named_with_the_option_and_the_variable_of_make(tmp_path: Path) -> None:
    choice = options(tmp_path)
    with socket.socket() as other_program:
        other_program.bind(("127.0.0.1", choice.backend_port))
        other_program.listen()
        with pytest.raises(DemoError, match=r"--backend-port \(`make demo BACKEND_PORT=…`\)"):
            check_machine(choice)


@pytest.mark.parametrize(
    ("terminal", "expected"), [(True, "password secret"), (False, "the GALAXYLOOP_LABEL_STUDIO_PASSWORD in")]
)
def test_the_password_is_printed_on_a_terminal_only(terminal: bool, expected: str, tmp_path: Path) -> None:
    hint = password_hint(STUDIO_PASSWORD, "secret", tmp_path / "env", Console(file=io.StringIO(), force_terminal=terminal))
    assert hint.startswith(expected)
    assert ("secret" in hint) == terminal


@pytest.mark.parametrize(("free_kb", "advised"), [(8_000_000, False), (1_000_000, True)])
def test_the_cost_is_printed_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_kb: int, advised: bool
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "meminfo").write_text(f"MemTotal: 9000000 kB\nMemAvailable: {free_kb} kB\n")
    monkeypatch.setattr(demo_options, "MEMORY_FILE", tmp_path / "meminfo")
    sentence = describe_cost(options(tmp_path))
    assert f"needs 0.5 GB of disk in {tmp_path / 'demo'} and 3 GB of memory; this machine has" in sentence
    assert f"{free_kb / 2**20:.1f} GB of memory free" in sentence
    assert ("end other programs" in sentence) == advised


def test_a_system_without_a_file_about_memory_gets_the_disk_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.setattr(demo_options, "MEMORY_FILE", tmp_path / "missing")
    assert describe_cost(options(tmp_path)).endswith("GB of disk free")
