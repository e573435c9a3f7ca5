"""A name that looks like a setting and is none is reported with the nearest setting."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from backend.cli.setting_names import find_unknown_names


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("GALAXYLOOP_"):
            monkeypatch.delenv(name)


def test_an_unknown_variable_is_reported_with_the_nearest_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_BACTH", "3")
    assert find_unknown_names() == [
        "the environment variable GALAXYLOOP_BACTH is unknown and ignored; the nearest setting is GALAXYLOOP_BATCH"
    ]


def test_unknown_names_in_files_are_reported() -> None:
    Path(".env").write_text("GALAXYLOOP_PROT=9\nOTHER=1\nLABEL_STUDIO_URL=http://a\n")
    Path("galaxyloop.toml").write_text('bath = 3\nport = 4\nlabel_studio_url = "http://a"\nzzz = 1\n')
    assert find_unknown_names() == [
        "GALAXYLOOP_PROT in .env is unknown and ignored; the nearest setting is GALAXYLOOP_PORT",
        "bath in galaxyloop.toml is unknown and ignored; the nearest setting is batch",
        "zzz in galaxyloop.toml is unknown and ignored",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "GALAXYLOOP_BATCH",
        "GALAXYLOOP_SECRETS_DIR",
        "GALAXYLOOP_LABEL_STUDIO_URL",
        *sorted(set(re.findall(r"\$\{(GALAXYLOOP_\w+)", (Path(__file__).parents[3] / "docker-compose.yml").read_text()))),
    ],
)
def test_a_variable_that_galaxyloop_or_its_containers_read_is_not_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert find_unknown_names() == []
