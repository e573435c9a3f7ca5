"""The folder of a survey: a run continues with its first settings, and uses no files of another run."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from backend.survey import folder as survey_folder
from backend.survey.errors import SurveyError
from backend.survey.folder import SurveyFolder, read_begun_run
from sync.importing.inputs.collection import Span

RUN = {"input": "in", "version": "v0001"}
PLAN = [[Span("a.png")], [Span("b.png")]]


KEPT = {"folder": "/here"}


def open_folder(out: Path, run: Mapping[str, str], plan: Iterable[list[Span]]) -> AbstractContextManager[SurveyFolder]:
    return survey_folder.open_folder(out, run, plan, state=KEPT)


def no_plan() -> Iterator[list[Span]]:
    raise AssertionError("the plan is known")
    yield


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_new_folder_contains_the_run_and_its_plan(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        assert (folder.parts, folder.images, folder.finished_parts()) == (2, 2, set())
        assert list(folder.missing_parts(set())) == list(enumerate(PLAN))
    assert sorted(file.name for file in out.iterdir()) == ["_plan.jsonl.gz", "_run.json"]


def test_an_interrupted_run_continues_with_its_first_plan(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        folder.write_part(1, b"part")
    with open_folder(out, RUN, no_plan()) as folder:
        assert folder.finished_parts() == {1}
        assert [number for number, _ in folder.missing_parts(folder.finished_parts())] == [0]


def test_a_continued_run_uses_the_state_of_its_start(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        assert read_begun_run(out) is None, "what has made no part may be begun otherwise"
        folder.write_part(1, b"part")
    assert read_begun_run(out) == RUN | KEPT | {"parts": 2, "images": 2}
    with survey_folder.open_folder(out, RUN, no_plan(), state={"folder": "/there"}) as folder:
        assert folder.run["folder"] == "/here"


def test_a_missing_folder_has_no_run(out: Path) -> None:
    assert read_begun_run(out) is None


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda plan: plan.unlink(), "is missing"),
        (lambda plan: plan.write_bytes(plan.read_bytes()[:20]), "is damaged, as after a power cut"),
        (lambda plan: plan.write_bytes(plan.read_bytes()[:-9]), "is damaged"),
        (lambda plan: plan.write_bytes(b""), "is damaged"),
        (lambda plan: plan.write_bytes(b"no plan"), "is damaged"),
        (lambda plan: plan.write_bytes(gzip.compress(b"[1]\n[2]\n")), "is damaged"),
        (lambda plan: plan.write_bytes(gzip.compress(b'[["a.png"]]\n')), "is damaged"),
    ],
)
def test_a_missing_or_damaged_plan_is_reported_in_one_sentence(
    out: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        damage(out / "_plan.jsonl.gz")
        with pytest.raises(SurveyError, match=f"the plan .* {sentence}.*: name a new folder"):
            list(folder.missing_parts(set()))


def test_a_part_is_flushed_to_disk_before_it_is_renamed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    def record_sync(handle: int) -> None:
        events.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)

    def rename(source: str, target: Path) -> None:
        events.append(f"to {target.name}")
        os.rename(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", rename)
    with open_folder(out, RUN, PLAN) as folder:
        folder.write_part(0, b"part")
    kinds = [event if event.startswith(("to ", "out")) else "file" for event in events]
    names = ("_plan.jsonl.gz", "_run.json", "part-000000.parquet")
    assert kinds == [event for name in names for event in ("file", f"to {name}", "out")]


def test_a_part_is_written_atomically(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        folder.write_part(0, b"part")
        (out / ".unfinished-1").write_bytes(b"killed here")
        assert folder.finished_parts() == {0}
    with open_folder(out, RUN, no_plan()):
        assert not (out / ".unfinished-1").exists()
    assert (out / "part-000000.parquet").read_bytes() == b"part"
    assert (out / "part-000000.parquet").stat().st_mode & 0o777 == 0o644


def test_a_run_without_an_option_of_the_stored_one_is_another_run(out: Path) -> None:
    with open_folder(out, RUN | {"spectra": "/spectra"}, PLAN) as folder:
        folder.write_part(0, b"part")
    with (
        pytest.raises(SurveyError, match="parts of another run: its spectra is '/spectra' and not None"),
        open_folder(out, RUN, PLAN),
    ):
        pass


def test_a_folder_with_parts_of_another_run_is_rejected(out: Path) -> None:
    with open_folder(out, RUN, PLAN) as folder:
        folder.write_part(0, b"part")
    with (
        pytest.raises(SurveyError, match="holds the parts of another run: its version is 'v0001' and not 'v0002'"),
        open_folder(out, RUN | {"version": "v0002"}, PLAN),
    ):
        pass
    assert (out / "part-000000.parquet").read_bytes() == b"part"


def test_a_run_without_parts_can_be_replaced(out: Path) -> None:
    with open_folder(out, RUN, PLAN):
        pass
    with open_folder(out, RUN | {"version": "v0002"}, PLAN[:1]) as folder:
        assert folder.images == 1


def test_a_folder_with_other_files_is_rejected(out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(SurveyError, match="holds files that do not belong to a survey"), open_folder(out, RUN, PLAN):
        pass
    assert [file.name for file in out.iterdir()] == ["thesis.tex"]


def test_a_file_as_output_is_rejected(out: Path) -> None:
    out.write_text("a file")
    with pytest.raises(SurveyError, match="is a file: name a folder"), open_folder(out, RUN, PLAN):
        pass


@pytest.mark.parametrize("content", ["{", "", "[]", "{}"])
def test_a_damaged_description_is_reported_in_one_sentence(out: Path, content: str) -> None:
    out.mkdir()
    (out / "_run.json").write_text(content)
    with pytest.raises(SurveyError, match="is damaged"), open_folder(out, RUN, PLAN):
        pass


@pytest.mark.slow
def test_a_second_process_in_a_folder_is_rejected(out: Path) -> None:
    script = "import sys; from pathlib import Path; from backend.survey.folder import open_folder; "
    script += "from backend.survey.errors import SurveyError\n"
    script += (
        f"try:\n with open_folder(Path({str(out)!r}), {RUN!r}, [], state={{}}): pass\nexcept SurveyError as error: print(error)"
    )
    with open_folder(out, RUN, PLAN):
        process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "another process works in" in process.stdout
