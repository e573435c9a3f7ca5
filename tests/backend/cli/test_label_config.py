"""The labelling config that an option names."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from backend.cli.label_config import read_label_config


def test_a_file_comes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "<Choices" in read_label_config("morphology")
    Path("morphology").write_text("mine")
    assert read_label_config("morphology") == "mine"


@pytest.mark.parametrize(("name", "reason"), [("morfology", "did you mean morphology?"), ("image.png", "is not text in UTF-8")])
def test_what_is_not_a_config_is_a_wrong_call(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image.png").write_bytes(b"\x89PNG")
    with pytest.raises(typer.Exit) as exit_:
        read_label_config(name)
    assert exit_.value.exit_code == 2
    assert reason in " ".join(capsys.readouterr().err.split())
