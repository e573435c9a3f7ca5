"""Unknown names of settings in the environment, `.env` and `galaxyloop.toml`, each with the nearest setting."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from dotenv import dotenv_values
from pydantic import AliasChoices

from backend.settings import CONFIG_FILE, DOTENV_FILE, SECRETS_DIR_VARIABLE, Settings

__all__ = ["find_unknown_names"]

PREFIX = "GALAXYLOOP_"
OTHER_VARIABLES = frozenset(
    {SECRETS_DIR_VARIABLE}
    | {f"{PREFIX}{name}" for name in ("GATEWAY", "MEMORY", "SUBNET")}
    | {f"{PREFIX}{name}" for name in ("LABEL_STUDIO_PASSWORD", "LABEL_STUDIO_USER", "PROJECT_ID", "SCREENSHOTS")}
)
"""Variables with the prefix that are no settings: of the containers, the demo and the tests."""


def find_unknown_names() -> list[str]:
    """Return one sentence for each unknown name, with the nearest setting where one is near."""
    variables = frozenset(_variables())
    fields = frozenset(Settings.model_fields) | {name for name in variables if not name.startswith(PREFIX)}
    sentences = [
        _describe(f"the environment variable {name}", name, variables)
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in variables | OTHER_VARIABLES
    ]
    for name in dotenv_values(DOTENV_FILE) if DOTENV_FILE.is_file() else ():
        if name.upper().startswith(PREFIX) and name.upper() not in variables | OTHER_VARIABLES:
            sentences.append(_describe(f"{name} in {DOTENV_FILE}", name.upper(), variables))
    for name in tomllib.loads(CONFIG_FILE.read_text("utf-8")) if CONFIG_FILE.is_file() else ():
        if name not in fields:
            sentences.append(_describe(f"{name} in {CONFIG_FILE}", name.lower().removeprefix(PREFIX.lower()), fields))
    return sentences


def _variables() -> Iterator[str]:
    """Yield the environment variables of all settings."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices):
            yield from (str(choice) for choice in field.validation_alias.choices)
        else:
            yield f"{PREFIX}{name.upper()}"


def _describe(where: str, name: str, names: Iterable[str]) -> str:
    nearest = get_close_matches(name, sorted(names), n=1)
    return f"{where} is unknown and ignored" + (f"; the nearest setting is {nearest[0]}" if nearest else "")
