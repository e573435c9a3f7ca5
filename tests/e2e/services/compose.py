"""Readers of docker-compose.yml and the Dockerfile for the tests: environments with their defaults, commands, networks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

__all__ = ["BACKEND_URL", "COMPOSE", "ROOT", "command_of_stage", "environment_of"]

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BACKEND_URL: str = COMPOSE["services"]["backend"]["environment"]["GALAXYLOOP_BACKEND_URL"]


def environment_of(service: str, choices: dict[str, str]) -> dict[str, str]:
    """Return a service's environment, from `.env` and the defaults of docker-compose.yml."""
    variables = COMPOSE["services"][service]["environment"]

    def substitute(match: re.Match[str]) -> str:
        return choices.get(match[1], match[2])

    return {name: re.sub(r"\$\{(\w+):-(.*?)\}", substitute, str(value)) for name, value in variables.items()}


def command_of_stage(name: str) -> list[str]:
    """Return the command of a stage of the Dockerfile."""
    stages = re.split(r"^FROM \S+ AS ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    text = next(text for text in stages if text.startswith(f"{name}\n"))
    command: list[str] = json.loads(re.findall(r"^CMD (.+)$", text, re.MULTILINE)[0])
    return command
