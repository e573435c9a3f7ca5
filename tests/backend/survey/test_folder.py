"""The folder of a survey: it goes on with what it was begun with, and takes nothing of another run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.survey.folder import SurveyError, open_folder
from sync.sources.collection import Span

RUN = {"input": "in", "version": "v0001"}
PLAN = [[Span("a.png")], [Span("b.png")]]


def no_plan() -> Iterator[list[Span]]:
    raise AssertionError("the plan is known")
    yield


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_new_folder_holds_the_run_and_its_plan(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        assert (folder.parts, folder.images, folder.done()) == (2, 2, set())
        assert list(folder.waiting(set())) == list(enumerate(PLAN))
    assert sorted(file.name for file in out.iterdir()) == ["_plan.jsonl.gz", "_run.json"]


def test_a_run_that_was_broken_off_goes_on_by_its_first_plan(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        folder.put(1, b"part")
    with open_folder(out, RUN, no_plan()) as folder:
        assert folder.done() == {1}
        assert [number for number, _ in folder.waiting(folder.done())] == [0]


def test_a_part_is_there_wholly_or_not_at_all(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        folder.put(0, b"part")
        (out / ".unfinished-1").write_bytes(b"killed here")
        assert folder.done() == {0}
    with open_folder(out, RUN, no_plan()):
        assert not (out / ".unfinished-1").exists()
    assert (out / "part-000000.parquet").read_bytes() == b"part"
    assert (out / "part-000000.parquet").stat().st_mode & 0o777 == 0o644


def test_the_parts_of_another_run_are_left_alone(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        folder.put(0, b"part")
    with (
        pytest.raises(SurveyError, match="holds the parts of another run: its version is 'v0001' and not 'v0002'"),
        open_folder(out, RUN | {"version": "v0002"}, PLAN),
    ):
        pass
    assert (out / "part-000000.parquet").read_bytes() == b"part"


def test_a_run_that_made_no_part_yet_may_be_begun_otherwise(out: Path) -> None:
    with open_folder(out, RUN, PLAN):
        pass
    with open_folder(out, RUN | {"version": "v0002"}, PLAN[:1]) as folder:
        assert folder.images == 1


def test_a_folder_with_other_files_is_left_alone(out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(SurveyError, match="holds files that are no survey's"), open_folder(out, RUN, PLAN):
        pass
    assert [file.name for file in out.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(out: Path) -> None:
    out.write_text("a file")
    with pytest.raises(SurveyError, match="is a file: name a folder"), open_folder(out, RUN, PLAN):
        pass


def test_a_damaged_description_is_one_sentence(out: Path) -> None:
    out.mkdir()
    (out / "_run.json").write_text("{")
    with pytest.raises(SurveyError, match="is damaged"), open_folder(out, RUN, PLAN):
        pass


def test_one_process_at_a_time_works_in_a_folder(out: Path) -> None:
    script = "import sys; from pathlib import Path; from backend.survey.folder import open_folder, SurveyError\n"
    script += f"try:\n with open_folder(Path({str(out)!r}), {RUN!r}, []): pass\nexcept SurveyError as error: print(error)"
    with open_folder(out, RUN, PLAN):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "another process works in" in done.stdout
