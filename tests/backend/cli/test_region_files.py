"""The arguments of `import-regions`: files, folders, patterns and objects of a bucket."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer

from backend.cli.region_files import RegionFiles


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.reg", "in/a.fits", "in/notes.txt", "in/.hidden.reg", "yolo/data.yaml", "yolo/labels/a.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("0 .5 .5 .1 .1")


def names_of(*words: str) -> list[str]:
    with ExitStack() as stack:
        return list(map(str, RegionFiles(words, stack).paths))


def test_a_folder_is_opened_except_a_data_set_of_yolo() -> None:
    assert names_of("in", "yolo") == ["in/a.fits", "in/b.reg", "yolo"]


def test_files_and_patterns_are_taken_once_and_missing_ones_are_kept() -> None:
    assert names_of("in/b.reg", "in/*.reg", "in/notes.txt", "none.reg") == ["in/b.reg", "in/notes.txt", "none.reg"]


def test_a_folder_without_regions_is_kept_for_the_reader_to_report(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert names_of("empty") == ["empty"]


def test_objects_of_a_bucket_are_copied_and_named_by_their_addresses(s3: Any) -> None:
    for key in ("in/a.reg", "in/b.json", "in/notes.txt"):
        s3.put_object(Bucket="sky", Key=key, Body=key.encode())
    with ExitStack() as stack:
        files = RegionFiles(["s3://sky/in", "s3://sky/in/*.reg"], stack)
        assert [path.read_text() for path in files.paths] == ["in/a.reg", "in/b.json"]
        assert files.restore_addresses(f"{files.paths[0]}: broken") == "s3://sky/in/a.reg: broken"
    assert not any(path.exists() for path in files.paths)


@pytest.mark.parametrize("word", ["s3://sky/none/*.reg", "s3://nobucket/a.reg", "s3://sky/../../a.reg"])
def test_a_bucket_without_usable_objects_is_a_wrong_call(s3: Any, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    s3.put_object(Bucket="sky", Key="../../a.reg", Body=b"")
    with pytest.raises(typer.Exit):
        names_of(word)
    assert word.removeprefix("s3://").split("/")[0] in capsys.readouterr().err
