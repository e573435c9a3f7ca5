"""Requests and fronts of queues in the registry."""

from __future__ import annotations

import pytest

from backend.registry.task_queues import Front, SimilarRequest, TaskQueues
from backend.services import Services

PROJECT = 7


@pytest.fixture
def queues(services: Services) -> TaskQueues:
    services.registry.register_project(PROJECT, label_config="<View/>", extra_params=None)
    return TaskQueues(services.engine)


def test_a_project_has_no_request_and_no_front_at_first(queues: TaskQueues) -> None:
    assert queues.request(PROJECT) is None
    assert queues.front(PROJECT) == Front()


def test_a_request_is_stored_until_it_is_ended(queues: TaskQueues) -> None:
    request = SimilarRequest((12, 40), 100)
    queues.set_request(PROJECT, request)
    assert queues.request(PROJECT) == request
    queues.set_request(PROJECT, None)
    assert queues.request(PROJECT) is None


def test_a_front_is_stored_beside_the_request(queues: TaskQueues) -> None:
    front = Front("v0002-ab", "herding", (5, 3), 20, {"v0001-ab": {9: 0.5}, "v0002-ab": {5: 0.25, 3: 1.0}}, is_placed=False)
    queues.set_request(PROJECT, SimilarRequest((12,), 10))
    queues.set_front(PROJECT, front)
    assert queues.front(PROJECT) == front
    assert queues.request(PROJECT) == SimilarRequest((12,), 10)
