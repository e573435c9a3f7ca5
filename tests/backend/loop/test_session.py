"""The worker's cache of a project's state, and when it is cleared."""

from __future__ import annotations

import pytest

from backend.jobs.lease import Lease
from backend.loop.session import ProjectSession
from sync.label_studio.client import LabelStudioClient


@pytest.fixture
def session() -> ProjectSession:
    session = ProjectSession(LabelStudioClient("http://127.0.0.1:9", "a-legacy-token"), 7)
    session.resume(Lease("first", None))
    session.predictions[2].scores = {1: 0.5}
    session.prefetched_pairs.add((1, "hash"))
    return session


def test_the_next_lease_of_the_same_process_continues(session: ProjectSession) -> None:
    reader = session.reader
    session.resume(Lease("second", "first"))
    assert session.predictions[2].scores == {1: 0.5}
    assert session.reader is reader


def test_after_another_process_held_the_project_label_studio_is_read_again(session: ProjectSession) -> None:
    reader = session.reader
    session.resume(Lease("third", "second, of another worker"))
    assert not session.predictions
    assert session.reader is not reader
    assert session.prefetched_pairs == {(1, "hash")}


def test_a_session_has_no_tasks_before_the_first_reading(session: ProjectSession) -> None:
    assert session.reader.tasks == []
