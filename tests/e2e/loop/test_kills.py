"""The loop continues after any kill: no annotation lost, no training repeated, no incomplete version, no duplicates."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backend.demo.processes import Child
from sync.label_studio.local_server import LabelStudioServer

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

CLASSES = ("Star or artifact", "Can't tell")
"""The shipped head has neither of them, so that a version trained on a few labels is significantly better."""
LABELS = 12
"""Enough labels for a significant improvement after all classes are swapped."""
RANDOM_KILLS = 2
CYCLE_S = 4.0
"""Approximate duration of a cycle, from the last event to the last prediction."""
NEVER_MISSED_S = 0.001
"""Polling interval: the folder of an unfinished version exists for some milliseconds."""


@pytest.fixture(scope="module")
def trained_batch(loop: Loop) -> tuple[Project, list[int]]:
    """Return a project with one trained batch, and the batch; every test here changes all of it, which triggers a training."""
    project = loop.new_project(batch=LABELS)
    annotations = project.annotate(project.teachers(LABELS), *CLASSES)
    project.wait_for_version(2)
    return project, annotations


@pytest.fixture(params=["unfinished", "trained", "compared", "stored", *range(RANDOM_KILLS)])
def moment(request: pytest.FixtureRequest, loop: Loop) -> Callable[[Project], bool]:
    """Return the condition of the kill: a stage of the worker, or a random moment of a cycle."""
    if isinstance(request.param, int):
        at = time.monotonic() + random.Random(request.param).uniform(0, CYCLE_S) + 1
        return lambda project: time.monotonic() > at
    if request.param == "unfinished":
        after = loop.worker.read_log().count("event=trained")
        return lambda project: (
            any(loop.settings.versions_dir.glob(f"{project.id}/.unfinished-*"))
            or loop.worker.read_log().count("event=trained") > after
        )
    names = ("version_promoted", "version_rejected") if request.param == "compared" else (request.param,)

    def count() -> int:
        return sum(loop.worker.read_log().count(f"event={name}") for name in names)

    before = count()
    return lambda project: count() > before


@pytest.fixture
def another_worker(loop: Loop) -> Iterator[Child]:
    worker = loop.process("worker", name="another-worker")
    yield worker
    worker.stop()


def change_all(project: Project, annotations: list[int]) -> None:
    """Swap the classes of all annotations, which triggers a training."""
    last = project.loop.client.get(f"/api/annotations/{annotations[-1]}/")
    as_at_first = last["result"][0]["value"]["choices"] == [CLASSES[project.kind(last["task"])]]
    project.edit(annotations, *(CLASSES[::-1] if as_at_first else CLASSES))


def freeze_without_a_lock(loop: Loop) -> None:
    """Stop the worker while it holds no lock of a database: with one, nobody else could write until it goes on."""
    for _ in range(100):
        loop.worker.freeze()
        if not any(map(is_locked, loop.settings.data_dir.glob("*.db"))):
            return
        loop.worker.thaw()
        time.sleep(NEVER_MISSED_S)
    pytest.fail("the worker always holds a lock of a database")


def is_locked(database: Path) -> bool:
    """Return whether another process keeps this one from writing for a second."""
    connection = sqlite3.connect(database, timeout=1, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


def test_the_worker_can_be_killed_at_any_time(
    loop: Loop, trained_batch: tuple[Project, list[int]], moment: Callable[[Project], bool]
) -> None:
    project, annotations = trained_batch
    change_all(project, annotations)
    loop.wait_until(lambda: moment(project), "the moment to kill", project, every_s=NEVER_MISSED_S)
    loop.worker.kill()
    loop.worker.start()
    project.wait_until_quiet()
    project.assert_nothing_lost()
    project.assert_sound()


def test_a_trained_version_is_compared_even_after_new_annotations(loop: Loop, trained_batch: tuple[Project, list[int]]) -> None:
    project, annotations = trained_batch
    before = loop.worker.read_log().count("event=trained")
    change_all(project, annotations)
    loop.wait_until(lambda: loop.worker.read_log().count("event=trained") > before, "trained", project, every_s=NEVER_MISSED_S)
    loop.worker.kill()
    project.edit(annotations[:1], "Merger")
    loop.worker.start()
    project.wait_until_quiet()
    project.assert_sound()
    assert project.versions[-1].verdict in ("live", "rejected")


def test_the_server_can_be_killed_while_events_arrive(loop: Loop, trained_batch: tuple[Project, list[int]]) -> None:
    project, annotations = trained_batch
    event_count = loop.events().get("ANNOTATION_UPDATED", 0)
    person = threading.Thread(target=change_all, args=(project, annotations))
    person.start()
    loop.wait_until(lambda: loop.events().get("ANNOTATION_UPDATED", 0) >= event_count + 3, "three events", project)
    loop.server.kill()
    person.join()
    loop.server.start()
    loop.wait_for_server()
    project.wait_until_quiet()
    project.assert_nothing_lost()
    project.assert_sound()


def test_annotations_during_an_outage_of_the_backend_are_found_later(
    loop: Loop, trained_batch: tuple[Project, list[int]]
) -> None:
    project, annotations = trained_batch
    due = len(project.versions) + 1
    loop.worker.kill()
    loop.server.kill()
    change_all(project, annotations)
    loop.start()
    project.wait_for_training(due)
    project.assert_nothing_lost()
    project.assert_sound()


def test_label_studio_can_stop_during_a_cycle(
    loop: Loop, trained_batch: tuple[Project, list[int]], label_studio_server: LabelStudioServer
) -> None:
    project, annotations = trained_batch
    due, before = len(project.versions) + 1, loop.worker.read_log().count("event=trained")
    change_all(project, annotations)
    loop.wait_until(lambda: loop.worker.read_log().count("event=trained") > before, "trained", project, every_s=NEVER_MISSED_S)
    label_studio_server.stop()
    loop.wait_until(lambda: project.record.status.startswith("waiting for Label Studio"), "it is missed", project)
    label_studio_server.start()
    label_studio_server.wait()
    project.wait_for_training(due)
    project.assert_nothing_lost()
    project.assert_sound()


def test_a_frozen_worker_does_not_disturb_its_successor(
    loop: Loop, trained_batch: tuple[Project, list[int]], another_worker: Child
) -> None:
    project, annotations = trained_batch
    due = len(project.versions) + 1
    change_all(project, annotations)
    home = loop.settings.versions_dir / str(project.id)
    loop.wait_until(
        lambda: any(home.glob(".unfinished-*")) or len(project.versions) == due, "training", project, every_s=NEVER_MISSED_S
    )
    freeze_without_a_lock(loop)
    try:
        another_worker.start()
        project.wait_for_training(due)
    finally:
        loop.worker.thaw()
    change_all(project, annotations)
    project.wait_for_training(due + 1)
    project.assert_nothing_lost()
    project.assert_sound()
