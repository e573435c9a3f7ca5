"""The bell: any number of rings is one answer, and a ring during an answer is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.jobs.pending import Bell, Ringing
from backend.services import Services

pytestmark = pytest.mark.databases

times = st.floats(0, 1e6)


@pytest.fixture
def bell(services: Services) -> Bell:
    for project_id in (1, 2):
        services.registry.meet_project(project_id, label_config="<View/>", extra_params=None)
    return services.bell


def test_a_bell_is_silent_until_somebody_rings(bell: Bell) -> None:
    assert bell.ringing() == {}


def test_only_the_first_ring_wakes(bell: Bell) -> None:
    assert [bell.ring([1]), bell.ring([1]), bell.ring([1, 2])] == [[1], [], [2]]


def test_rings_collapse_into_the_first_and_the_last(bell: Bell) -> None:
    bell.ring([1])
    first = bell.ringing()[1]
    for _ in range(5):
        bell.ring([1])
    now = bell.ringing()[1]
    assert first.first_at == first.last_at == now.first_at < now.last_at


def test_an_answered_bell_is_silent_and_can_wake_again(bell: Bell) -> None:
    bell.ring([1])
    bell.answered(1, bell.ringing()[1])
    assert bell.ringing() == {}
    assert bell.ring([1]) == [1]


def test_a_ring_during_the_answer_is_kept(bell: Bell) -> None:
    bell.ring([1])
    heard = bell.ringing()[1]
    bell.ring([1])
    bell.answered(1, heard)
    assert set(bell.ringing()) == {1}


def test_an_answer_silences_one_project_only(bell: Bell) -> None:
    bell.ring([1, 2])
    bell.answered(1, bell.ringing()[1])
    assert set(bell.ringing()) == {2}


def test_a_ring_survives_the_process_that_heard_it(bell: Bell, services: Services) -> None:
    bell.ring([1])
    assert set(Services(services.settings).bell.ringing()) == {1}


def test_an_unknown_project_is_passed_over(bell: Bell) -> None:
    assert bell.ring([99, 1]) == [1]
    assert bell.request_training(99) == []


def test_asking_for_a_training_rings_as_well(bell: Bell, services: Services) -> None:
    assert bell.request_training(1) == [1]
    assert services.registry.project(1).training_requested
    assert not services.registry.project(2).training_requested


def test_many_may_ring_at_once(bell: Bell) -> None:
    with ThreadPoolExecutor(16) as pool:
        rings = [pool.submit(bell.ring, [1, 2]) for _ in range(100)]
    assert all(ring.exception() is None for ring in rings)
    assert set(bell.ringing()) == {1, 2}


def test_many_who_ring_for_the_same_projects_do_not_stand_in_each_others_way(bell: Bell, services: Services) -> None:
    with ThreadPoolExecutor(8) as pool:
        rings = [pool.submit(bell.ring, [1, 2] if turn % 2 else [2, 1]) for turn in range(200)]
    woken = [project for ring in rings for project in ring.result()]
    if services.engine.dialect.name == "postgresql":  # on SQLite a second job may be queued, which finds nothing to do
        assert sorted(woken) == [1, 2]
    assert set(woken) == {1, 2}


@given(first=times, lasted=times, debounce=times, patience=times)
def test_it_is_answered_after_quiet_but_patience_ends(first: float, lasted: float, debounce: float, patience: float) -> None:
    ready = Ringing(first, first + lasted).ready_at(debounce_s=debounce, patience_s=patience)
    assert ready == min(first + lasted + debounce, first + patience)
    assert ready >= first


def test_a_command_waits_for_no_quiet(bell: Bell) -> None:
    bell.ring([1])
    bell.ring_at_once(1)
    heard = bell.ringing()[1]
    assert heard.ready_at(debounce_s=2, patience_s=20) <= heard.last_at
