"""Outages of database or queue: no event is lost, the answer is a sentence, and afterwards the server continues."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from backend.loop.session import ProjectSession
from backend.loop.worker import handle_events, queue_pending, reconcile
from backend.registry.tables import ProjectRow
from backend.server.app import create_app
from backend.services import Services

EVENT = {"action": "ANNOTATION_CREATED", "project": {"id": 7}}


def stop_server(server: Any) -> Iterator[Any]:
    """Yield the stopped server, which the test may start; it is running again afterwards."""
    server.stop()
    yield server
    server.stop()
    server.start()


@pytest.fixture
def services(open_services: Callable[..., Services], postgresql: Any, redis: Any) -> Services:
    """Return services on PostgreSQL and Redis, with project 7."""
    redis.client.flushall()
    services = open_services(database_url=postgresql.emptied_database(), queue_url=redis.url)
    services.registry.register_project(7, label_config="<View/>", extra_params=None)
    return services


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        services.pending_events.acknowledge(7, services.pending_events.pending()[7])  # a starting server marks all projects
        yield client


@pytest.fixture
def without_redis(redis: Any) -> Iterator[Any]:
    yield from stop_server(redis)


@pytest.fixture
def without_postgresql(postgresql: Any) -> Iterator[Any]:
    yield from stop_server(postgresql)


def test_an_event_while_redis_is_down_is_stored_and_queued_later(
    services: Services, client: TestClient, without_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.post("/webhook", json=EVENT).json() == {"status": "accepted"}
    assert set(services.pending_events.pending()) == {7}
    assert "event=not_queued project=7" in caplog.text
    without_redis.start()
    queue_pending(services)
    assert services.queue.list_queued() == {7}


def test_a_training_request_while_redis_is_down_is_kept(services: Services, client: TestClient, without_redis: Any) -> None:
    assert client.post("/webhook", json=EVENT | {"action": "START_TRAINING"}).status_code == 200
    assert services.registry.project(7).training_requested_at is not None


def test_lost_jobs_are_queued_again(services: Services, redis: Any) -> None:
    services.mark([7])
    redis.client.flushall()
    queue_pending(services)
    assert services.queue.list_queued() == {7}


def test_requests_fail_with_503_while_the_database_is_down(
    services: Services, client: TestClient, without_postgresql: Any, postgresql: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post("/webhook", json=EVENT)
    assert postgresql.password not in answer.text + caplog.text
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "the backend cannot use its database now; see its log",
    )
    assert client.get("/health").status_code == 200
    without_postgresql.start()
    assert client.post("/webhook", json=EVENT).json() == {"status": "accepted"}
    assert set(services.pending_events.pending()) == {7}


def test_requests_succeed_after_a_restart_of_the_database(client: TestClient, postgresql: Any) -> None:
    before = client.get("/versions", params={"project": 7}).json()
    assert len(before["versions"]) == 1
    postgresql.stop()
    postgresql.start()
    assert client.get("/versions", params={"project": 7}).json() == before


def test_a_worker_without_a_database_retries_later(
    services: Services, without_postgresql: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        handle_events(services, ProjectSession(services.label_studio, 7))
    assert "event=database_unavailable project=7" in caplog.text
    assert services.queue.list_queued() == {7}


def test_the_job_of_a_killed_worker_is_queued_by_the_next_reconciliation(
    services: Services, open_services: Callable[..., Services]
) -> None:
    services.mark([7])
    services.queue._huey.storage.flush_schedule()  # the killed worker has taken the job
    another = open_services(database_url=services.settings.database_url, queue_url=services.settings.queue_url)
    queue_pending(another)
    assert another.queue.list_queued() == {7}


def test_a_job_queued_by_a_fast_clock_is_queued_again(services: Services, redis: Any) -> None:
    services.pending_events.mark([7])
    services.schedule(7, delay_s=3600)
    queue_pending(services)
    assert services.queue.list_queued(within_s=60) == {7}


def test_an_event_with_a_time_in_the_future_waits_at_most_the_patience(services: Services) -> None:
    with services.engine.begin() as connection:
        ahead = time.time() + 3600
        connection.execute(update(ProjectRow).where(ProjectRow.id == 7).values(events_first_at=ahead, events_last_at=ahead))
    handle_events(services, ProjectSession(services.label_studio, 7))
    assert services.queue.list_queued(within_s=services.settings.webhook_patience_s + 1) == {7}


def test_a_reconciliation_marks_every_project(services: Services) -> None:
    services.registry.register_project(8, label_config="<View/>", extra_params=None)
    reconcile(services)
    assert set(services.pending_events.pending()) == services.queue.list_queued() == {7, 8}


def test_a_job_stays_queued_during_the_cycle_of_a_worker(services: Services, redis: Any) -> None:
    services.mark_now(7)
    redis.client.flushall()
    handle_events(services, ProjectSession(services.label_studio, 7))
    assert services.queue.list_queued() == {7}
