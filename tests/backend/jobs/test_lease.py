"""The lease: one worker per project; renewed while it works, free soon after it dies."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import Engine, create_engine, select, update

from backend.jobs.lease import hold_lease, holder
from backend.loop.session import ProjectSession
from backend.loop.worker import handle_events
from backend.registry.tables import ProjectRow
from backend.services import Services
from sync.label_studio.client import LabelStudioClient, LabelStudioUnavailable

pytestmark = pytest.mark.databases

SHORT_S = 0.3
LONG_S = 60.0
DEADLINE_S = 20.0


@pytest.fixture
def engine(services: Services) -> Engine:
    for project_id in (1, 2):
        services.registry.register_project(project_id, label_config="<View/>", extra_params=None)
    return services.engine


@pytest.fixture
def silent_label_studio() -> Iterator[str]:
    """Yield a proxy whose Label Studio does not answer: it returns 504 for every request."""

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(504)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    with HTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def lease_end(engine: Engine) -> float:
    with engine.connect() as connection:
        return float(connection.execute(select(ProjectRow.lease_until).where(ProjectRow.id == 1)).scalar_one())


def change(engine: Engine, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(update(ProjectRow).where(ProjectRow.id == 1).values(**values))


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not condition() and time.monotonic() < deadline:
        pause.wait(0.01)
    return condition()


def test_a_second_worker_gets_no_lease(engine: Engine) -> None:
    with hold_lease(engine, 1, seconds=LONG_S) as first, hold_lease(engine, 1, seconds=LONG_S) as second:
        assert first is not None
        assert not first.is_set()
        assert second is None


def test_a_lease_does_not_hold_another_project(engine: Engine) -> None:
    with hold_lease(engine, 1, seconds=LONG_S) as first, hold_lease(engine, 2, seconds=LONG_S) as other:
        assert first is not None
        assert other is not None


def test_an_unregistered_project_has_no_lease(engine: Engine) -> None:
    with hold_lease(engine, 99, seconds=LONG_S) as lease:
        assert lease is None


def test_a_lease_far_in_the_future_counts_as_expired(engine: Engine) -> None:
    """The clock was an hour ahead, the worker was killed, the clock was corrected."""
    change(engine, lease_owner="killed", lease_until=time.time() + 3600)
    with hold_lease(engine, 1, seconds=30) as lease:
        assert lease is not None
        assert lease.before == "killed"


def test_the_lease_is_released_after_the_work(engine: Engine) -> None:
    for _ in range(2):
        with hold_lease(engine, 1, seconds=LONG_S) as lease:
            assert lease is not None


def test_the_lease_is_released_after_failed_work(engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="a cycle failed"), hold_lease(engine, 1, seconds=LONG_S):
        raise RuntimeError("a cycle failed")
    with hold_lease(engine, 1, seconds=LONG_S) as lease:
        assert lease is not None


def test_a_failed_attempt_does_not_release_the_lease_of_another(engine: Engine) -> None:
    with hold_lease(engine, 1, seconds=LONG_S):
        with hold_lease(engine, 1, seconds=LONG_S):
            pass
        with hold_lease(engine, 1, seconds=LONG_S) as third:
            assert third is None


def test_a_project_of_a_killed_worker_is_free_after_the_lease_expires(engine: Engine) -> None:
    change(engine, lease_owner="a worker that was killed", lease_until=time.time() + SHORT_S)
    with hold_lease(engine, 1, seconds=LONG_S) as early:
        assert early is None
    assert wait_for(lambda: time.time() > lease_end(engine))
    with hold_lease(engine, 1, seconds=LONG_S) as late:
        assert late is not None


@pytest.mark.slow
def test_a_lease_is_renewed_during_long_work(engine: Engine) -> None:
    with hold_lease(engine, 1, seconds=SHORT_S) as lease:
        assert lease is not None
        first = lease_end(engine)
        assert wait_for(lambda: lease_end(engine) > first + 2 * SHORT_S)
        assert not lease.is_set()


def test_the_lease_event_is_set_after_a_takeover(engine: Engine) -> None:
    with hold_lease(engine, 1, seconds=SHORT_S) as lease:
        assert lease is not None
        change(engine, lease_owner="somebody else", lease_until=time.time() + LONG_S)
        assert lease.wait(DEADLINE_S)
    assert lease_end(engine) > time.time()  # leaving does not free another worker's lease


def test_renewals_continue_after_a_locked_database(engine: Engine) -> None:
    hurry = {"timeout": 0.01} if engine.dialect.name == "sqlite" else {"options": "-c lock_timeout=10ms"}
    impatient = create_engine(engine.url, connect_args=hurry)
    with hold_lease(impatient, 1, seconds=SHORT_S) as lease:
        assert lease is not None
        with engine.connect() as blocking:
            blocking.execute(update(ProjectRow).where(ProjectRow.id == 1).values(status="somebody is at it"))
            assert wait_for(lambda: time.time() > lease_end(engine))
            blocking.rollback()
        assert wait_for(lambda: lease_end(engine) > time.time())
        assert not lease.is_set()


def test_one_of_many_simultaneous_workers_gets_the_lease(engine: Engine) -> None:
    is_taken, all_asked = threading.Event(), threading.Barrier(8)

    def work() -> bool:
        all_asked.wait(DEADLINE_S)
        with hold_lease(engine, 1, seconds=LONG_S) as lease:
            if lease is None:
                return False
            assert is_taken.wait(DEADLINE_S)
            return True

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(work) for _ in range(8)]
        assert wait_for(lambda: sum(worker.done() for worker in workers) == 7)
        is_taken.set()
    assert sorted(worker.result() for worker in workers) == [False] * 7 + [True]


def test_a_lease_names_the_previous_lease(engine: Engine) -> None:
    names = []
    for _ in range(3):
        with hold_lease(engine, 1, seconds=LONG_S) as lease:
            assert lease is not None
            names.append((lease.before, lease.name))
    assert [before for before, _ in names] == [None, names[0][1], names[1][1]]
    assert len({name for _, name in names}) == 3


def test_the_lease_expires_after_a_request_without_an_answer(engine: Engine) -> None:
    """Label Studio may still store the content of the request, as after a kill."""
    with pytest.raises(LabelStudioUnavailable), hold_lease(engine, 1, seconds=LONG_S):
        raise LabelStudioUnavailable("Label Studio failed at POST", status=504)
    assert lease_end(engine) > time.time() + LONG_S / 2
    with hold_lease(engine, 1, seconds=LONG_S) as next_one:
        assert next_one is None


def test_the_lease_is_released_after_a_request_that_was_not_sent(engine: Engine) -> None:
    nowhere = LabelStudioClient("http://127.0.0.1:1", "a-legacy-token", patience_s=0)
    with pytest.raises(LabelStudioUnavailable), hold_lease(engine, 1, seconds=LONG_S):
        nowhere.send("POST", "/api/projects/1/import/predictions", json=[])
    with hold_lease(engine, 1, seconds=LONG_S) as next_one:
        assert next_one is not None


def test_a_worker_without_an_answer_lets_its_lease_expire(
    open_services: Callable[..., Services], silent_label_studio: str
) -> None:
    services = open_services(label_studio_url=silent_label_studio, webhook_debounce_s=0)
    services.label_studio = LabelStudioClient(silent_label_studio, "a-legacy-token", patience_s=0)
    services.registry.register_project(1, label_config="<View/>", extra_params=None)
    services.mark([1])
    handle_events(services, ProjectSession(services.label_studio, 1))
    assert holder(services.engine, 1) is not None


def test_the_holder_of_a_project_is_named(engine: Engine) -> None:
    assert holder(engine, 1) is None
    with hold_lease(engine, 1, seconds=LONG_S):
        owner = holder(engine, 1)
        assert owner is not None
        assert owner.name == f"process {os.getpid()} on {socket.gethostname()}"
        assert LONG_S / 2 < owner.seconds <= LONG_S
    assert holder(engine, 1) is None
