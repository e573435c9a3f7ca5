"""Exit codes of all commands: 0 all done, 1 failed or something left out, 2 wrong call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from backend.cli.app import EXIT_CODES, app
from backend.cli.commands import import_inputs
from sync.importing.inputs import hips

Run = Callable[..., Result]


def list_commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """Return the words of every command that is not a group."""
    below = getattr(command, "commands", None)
    if below is None:
        yield words
        return
    for name, other in below.items():
        yield from list_commands(other, *words, name)


EVERY = list(list_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_an_unknown_option_is_a_wrong_call_for_every_command(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words, "--no-such-option").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        "project create --title galaxies --config nosuch",
        "project problems 99",
        "versions 99",
        "rollback 99 v0001",
        "embed empty --output out.npz",
        "embed a.png --output folder",
        "predict a.png --config nosuch --output out.json",
        "predict empty --config boxes --output out.json",
        "prelabel",
        "prelabel 7 --config boxes",
        "survey folder --output out",
        "survey folder --config boxes",
        "survey folder --output out --project 99",
        "segment nosuch.png --point 1,1 --output out.png",
        "segment a.png --output out.png",
        "segment a.png --point 1 --output out.png",
        "segment a.png --point nan,1 --output out.png",
        "segment a.png --point -1,5 --output out.png",
        "segment a.png --point 1,1 --negative 5,-1 --output out.png",
        "segment a.png --box 60,60,20,20 --output out.png",
        "segment a.png --box 20,60,60,20 --output out.png",
        "segment a.png --box 20,20,20,60 --output out.png",
        "segment a.png --box -9,-9,-2,-2 --output out.png",
        "segment a.png --box 0,0,inf,9 --output out.png",
        "segment a.png --mask nosuch.png --output out.png",
        "segment a.png --mask folder --output out.png",
        "segment a.png --mask text.txt --output out.png",
        "segment a.png --point 1,1 --limit 99999999999999999999 --output out.png",
        "embed a.png --output out.npz --limit 99999999999999999999",
        "embed a.png --output out.npz --limit -1",
        "embed a.png --output out.npz --checkpoint nosuch.safetensors",
        "measure a.png --catalogue out.csv --seeing-arcsec nan",
        "measure a.png --catalogue out.csv --pixel-scale-arcsec inf",
        "measure a.png --catalogue out.csv --zero-point nan",
        "similar 7 --task 99999999999999999999",
        "encoder list 99999999999999999999",
        "demo --port 0",
        "demo --port 99999",
        "demo --port 8081 --backend-port 8081",
        "restore a.fits --psf a.fits --denoise --output out.fits",
        "restore a.fits --psf nosuch.fits --output out.fits",
        "pretrain nosuch --output out --objectives nosuch",
        "pretrain a.png --output out.safetensors --sides 96,100",
        "pretrain a.png --output out.safetensors --sides 96,,160",
        "pretrain a.png --output out.safetensors --margin 0.5",
        "pretrain a.png --output out.safetensors --averaging 1",
        "import 7",
        "import 7 a.png --stretch nosuch",
        "import 7 a.png --storage nosuch",
        "import 7 a.png --storage s3",
        "import 7 --catalogue nosuch.csv --survey CDS/P/DSS2/color",
        "import 7 --urls nosuch.csv",
        "import 7 a.png --fov-arcsec -1",
        "import 7 a.png --fov-arcsec inf",
        "import 7 a.png --fov-arcsec nan",
        "import 7 a.png --fov-arcsec 1e9",
        "import 7 a.png --pixels 0",
        "import 7 a.png --pixels 100000",
        "pretrain a.png --output out.safetensors --learning-rate nan",
        "export 7 --output out --format coco --split 2,3",
        "export 7 --output out --format coco --split nan,nan",
        "export 7 --output out --format coco --split 1.5,-0.5",
        "export 7 --output out --format coco --limit 99999999999999999999",
        "export 7 --output out --format nosuch",
        "server --host 0.0.0.0",
    ],
)
def test_a_wrong_call_exits_with_2_before_any_work(run: Run, registry: Path, png: Callable[..., bytes], words: str) -> None:
    for name in ("folder", "empty"):
        Path(name).mkdir()
    for name in ("a.png", "folder/a.png"):
        Path(name).write_bytes(png())
    Path("text.txt").write_text("no image")
    result = run(*words.split())
    assert result.exit_code == 2, (result.output, result.exception)
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize(
    "words",
    [
        "measure input.fits --catalogue input.fits",
        "measure other.fits --psf input.fits --catalogue input.fits",
        "predict other.fits --config boxes --table input.csv --output input.csv",
        "predict input.json --config boxes --output input.json",
        "embed input.npz --output input.npz",
        "inspect input.png --picture input.png",
        "pretrain other.fits --start input.safetensors --output input.safetensors",
        "restore input.fits --denoise --output input.fits",
        "segment input.png --point 1,1 --output input.png",
    ],
)
def test_no_input_is_overwritten(run: Run, png: Callable[..., bytes], words: str) -> None:
    for name in ("input.fits", "other.fits", "input.csv", "input.json", "input.npz", "input.png", "input.safetensors"):
        Path(name).write_bytes(b"filename\nother.fits\n" if name == "input.csv" else png())
    output = Path(words.split()[-1])
    content = output.read_bytes()
    result = run(*words.split())
    assert result.exit_code == 2, (result.output, result.exception)
    assert f"{output} is an input, which is not overwritten" in result.stderr
    assert output.read_bytes() == content


@pytest.mark.parametrize(
    "words",
    [
        "project create --title galaxies --config boxes",
        "project attach 7",
        "project status 7",
        "prelabel 7",
        "import 7 a.png",
        "export 7 --output out --format coco",
        "embed nosuch.png --output out.npz",
        "segment text.png --point 1,1 --output out.png",
        "check",
        "doctor",
    ],
)
def test_failed_work_exits_with_1(run: Run, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")  # no server listens on this port
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k")
    Path("a.png").write_bytes(png())
    Path("text.png").write_text("no image")
    result = run(*words.split())
    assert result.exit_code == 1, (result.output, result.exception)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GALAXYLOOP_THREADS", "many", "status"),
        ("GALAXYLOOP_DATABASE_URL", "nosuch", "status"),
        ("LABEL_STUDIO_URL", "localhost:8080", "project list"),
        ("LABEL_STUDIO_API_KEY", "", "project list"),
    ],
)
def test_an_invalid_setting_is_a_wrong_call(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k")
    monkeypatch.setenv(variable, value)
    result = run(*words.split())
    assert result.exit_code == 2, (result.output, result.exception)
    assert variable in result.stderr


def test_the_largest_cut_out_is_that_of_the_service() -> None:
    assert import_inputs.MAX_SIDE_PX == hips.MAX_SIDE_PX


def test_the_help_explains_the_exit_codes(run: Run) -> None:
    help_text = " ".join(run("--help").output.split())
    assert all(sentence in help_text for sentence in EXIT_CODES.split("; "))
