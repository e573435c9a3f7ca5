"""`galaxyloop import`, run twice and killed in between, creates each task once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from sync.importing.importer import ingest, read_content_ids
from sync.importing.inputs.collection import Span
from sync.importing.inputs.images import InputImages
from sync.importing.storage.stored import StoredFile
from sync.importing.storage.uploads import Uploads
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import project_state
from sync.label_studio.tasks import read_tasks

MANY = 120
ROOT = Path(__file__).parents[3]


def uploads_of(client: LabelStudioClient, project: int) -> list[str]:
    return [str(upload["file"]) for upload in client.get(f"/api/projects/{project}/file-uploads", all="true")]


def test_a_folder_imported_twice_is_stored_once_and_broken_files_are_named(
    client: LabelStudioClient,
    project: int,
    run: Callable[..., Result],
    shape_of: Callable[..., Any],
    image_folder: Path,
    tmp_path: Path,
) -> None:
    first = run(project, image_folder)
    assert first.exit_code == 1  # two files are broken
    assert "4 imported, 1 already in the project, 2 left out" in first.stdout
    lines = first.stderr.splitlines()
    assert lines[0] == "galaxyloop: 2 are left out:"
    assert [Path(line.strip().partition(": ")[0]).name for line in lines[1:]] == ["e.jpg", "f.fits"]
    assert "0 imported, 5 already in the project, 2 left out" in run(project, image_folder).stdout
    tasks = {task.data["filename"]: task.data for task in read_tasks(client, project)}
    assert sorted(tasks) == ["a.png", "b.jpg", "c.tif", "d.fits"]
    assert (tasks["d.fits"]["unit"], tasks["d.fits"]["bands"]) == ("nJy", ["r"])
    assert {shape_of(data["image"]) for data in tasks.values()} == {(24, 32, 3)}
    assert len(uploads_of(client, project)) == 4
    original = tmp_path / "data" / tasks["d.fits"]["science"]
    assert original.read_bytes() == (image_folder / "d.fits").read_bytes()
    assert (tmp_path / "data" / tasks["c.tif"]["science"]).read_bytes() == (image_folder / "c.tif").read_bytes()


def test_images_without_a_task_are_not_uploaded_again(
    client: LabelStudioClient, project: int, make_images: Callable[[int], Path], tmp_path: Path
) -> None:
    files = sorted(str(file) for file in make_images(60).iterdir())

    class KilledAfterStoring(Uploads):
        def put_images(self, files: Sequence[StoredFile]) -> list[str]:
            super().put_images(files)
            raise KeyboardInterrupt

    def import_again(storage: type[Uploads]) -> Any:
        items = InputImages([Span(file) for file in files], max_bytes=10**6)
        return ingest(items, client=client, project_id=project, storage=storage(client, project, science=tmp_path / "s"))

    with pytest.raises(KeyboardInterrupt):
        import_again(KilledAfterStoring)
    assert (project_state(client, project).task_count, len(uploads_of(client, project))) == (0, 50)
    assert import_again(Uploads).imported_count == 60
    assert (project_state(client, project).task_count, len(uploads_of(client, project))) == (60, 60)


def test_a_killed_import_continues(
    client: LabelStudioClient,
    project: int,
    run: Callable[..., Result],
    wait: Callable[..., Any],
    make_images: Callable[[int], Path],
) -> None:
    folder = make_images(MANY)
    command = [sys.executable, "-m", "backend.cli", "import", str(project), str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)
    try:
        wait(lambda: project_state(client, project).task_count or process.poll() is not None, "the first tasks are there")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    count = project_state(client, project).task_count
    assert 0 < count < MANY
    assert f"{MANY - count} imported, {count} already in the project, 0 left out" in run(project, folder).stdout
    assert project_state(client, project).task_count == len(read_content_ids(client, project)) == MANY
    assert len(uploads_of(client, project)) == MANY
