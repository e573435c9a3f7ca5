"""Pending events: any number of marks needs one acknowledgement, and a mark during the work is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.jobs.pending import EventTimes, PendingEvents
from backend.services import Services

pytestmark = pytest.mark.databases


@pytest.fixture
def pending_events(services: Services) -> PendingEvents:
    for project_id in (1, 2):
        services.registry.register_project(project_id, label_config="<View/>", extra_params=None)
    return services.pending_events


def test_a_project_without_events_is_not_pending(pending_events: PendingEvents) -> None:
    assert pending_events.pending() == {}


def test_only_the_first_event_needs_a_job(pending_events: PendingEvents) -> None:
    assert [pending_events.mark([1]), pending_events.mark([1]), pending_events.mark([1, 2])] == [[1], [], [2]]


def test_events_are_stored_as_the_first_and_the_last_time(pending_events: PendingEvents) -> None:
    pending_events.mark([1])
    first = pending_events.pending()[1]
    for _ in range(5):
        pending_events.mark([1])
    now = pending_events.pending()[1]
    assert first.first_at == first.last_at == now.first_at < now.last_at


def test_an_acknowledged_project_is_not_pending_and_can_be_marked_again(pending_events: PendingEvents) -> None:
    pending_events.mark([1])
    pending_events.acknowledge(1, pending_events.pending()[1])
    assert pending_events.pending() == {}
    assert pending_events.mark([1]) == [1]


def test_an_event_during_a_cycle_stays_pending(pending_events: PendingEvents) -> None:
    pending_events.mark([1])
    event_time = pending_events.pending()[1]
    pending_events.mark([1])
    pending_events.acknowledge(1, event_time)
    assert set(pending_events.pending()) == {1}


def test_an_acknowledgement_clears_one_project_only(pending_events: PendingEvents) -> None:
    pending_events.mark([1, 2])
    pending_events.acknowledge(1, pending_events.pending()[1])
    assert set(pending_events.pending()) == {2}


def test_a_mark_survives_a_killed_process(pending_events: PendingEvents, services: Services) -> None:
    pending_events.mark([1])
    assert set(Services(services.settings).pending_events.pending()) == {1}


def test_an_unknown_project_is_ignored(pending_events: PendingEvents) -> None:
    assert pending_events.mark([99, 1]) == [1]
    assert pending_events.request_training(99) == []


def test_a_training_request_marks_the_project(pending_events: PendingEvents, services: Services) -> None:
    assert pending_events.request_training(1) == [1]
    assert services.registry.project(1).training_requested_at is not None
    assert services.registry.project(2).training_requested_at is None


def test_many_threads_can_mark_at_the_same_time(pending_events: PendingEvents) -> None:
    with ThreadPoolExecutor(16) as pool:
        marks = [pool.submit(pending_events.mark, [1, 2]) for _ in range(100)]
    assert all(mark.exception() is None for mark in marks)
    assert set(pending_events.pending()) == {1, 2}


def test_marks_of_the_same_projects_do_not_deadlock(pending_events: PendingEvents, services: Services) -> None:
    with ThreadPoolExecutor(8) as pool:
        marks = [pool.submit(pending_events.mark, [1, 2] if turn % 2 else [2, 1]) for turn in range(200)]
    project_ids = [project for mark in marks for project in mark.result()]
    if services.engine.dialect.name == "postgresql":  # on SQLite a second job may be queued, which has no work
        assert sorted(project_ids) == [1, 2]
    assert set(project_ids) == {1, 2}


@pytest.mark.parametrize(
    ("last_at", "ready_at"),
    [(100.0, 102.0), (110.0, 112.0), (119.0, 120.0)],
    ids=["a single event waits for quiet", "a later event restarts the wait", "the longest wait ends"],
)
def test_events_are_ready_after_a_pause_or_the_longest_wait(last_at: float, ready_at: float) -> None:
    assert EventTimes(100.0, last_at).ready_at(debounce_s=2.0, patience_s=20.0) == ready_at


def test_a_command_is_ready_without_debounce(pending_events: PendingEvents) -> None:
    pending_events.mark([1])
    pending_events.mark_now(1)
    event_time = pending_events.pending()[1]
    assert event_time.ready_at(debounce_s=2, patience_s=20) <= event_time.last_at
