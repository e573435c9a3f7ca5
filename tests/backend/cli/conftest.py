"""Commands run in the process of the tests: what they set for their process is restored."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from backend.cli.terminal import notices

LOGGERS = ("galaxyloop", "galaxyloop.predictor", "httpx")
"""Loggers whose level a command sets."""


@pytest.fixture(autouse=True)
def _restore_process_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the nice level to 0 and restore the log levels after the test."""
    monkeypatch.setenv("GALAXYLOOP_WORKER_NICENESS", "0")
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in LOGGERS)]
    levels = [logger.level for logger in loggers]
    yield
    notices.quiet = False
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
