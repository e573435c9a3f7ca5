"""`galaxyloop similar`: wrong calls are named before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.services import Services


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["7"], "name at least one --task, or end the request with --clear"),
        (["7", "--clear", "--task", "3"], "--clear ends a request, and takes no --task and no --survey"),
        (["7", "--task", "3", "--output", "a.csv"], "--output needs --survey, whose images it lists"),
        (["7", "--task", "3"], "project 7 is not registered here: attach the backend to it first"),
        (["7", "--clear"], "project 7 is not registered here: attach the backend to it first"),
        (["7", "--task", "3", "--survey", "out"], "project 7 is not registered here: attach the backend to it first"),
    ],
)
def test_a_wrong_call_is_one_sentence(
    run_rejected: Callable[..., str], registry: Path, words: list[str], sentence: str
) -> None:
    assert run_rejected("similar", *words) == f"galaxyloop: {sentence}"


@pytest.mark.parametrize("words", [["--task", "3"], ["--task", "3", "--survey", "out"]])
def test_a_missing_key_of_label_studio_is_one_sentence(
    run_rejected: Callable[..., str], trained_project: Services, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "")
    assert "the API key of Label Studio is empty" in run_rejected("similar", "7", *words)
