"""Connections: the server closes those whose request does not end, and limits their number."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from backend.prediction.predictor import CHUNK
from backend.server import request_body
from backend.server.app import create_app
from backend.server.connections import MAX_HEAD_BYTES, bounded_connection
from backend.services import Services

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="c" toName="image"><Choice value="Spiral"/></Choices></View>"""
HEAD_TIMEOUT_S = 0.4
MOST = 8


def run_server(app: FastAPI) -> Iterator[tuple[str, int]]:
    connection = bounded_connection(most=MOST, head_timeout_s=HEAD_TIMEOUT_S)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=connection, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def address(predicting: Services) -> Iterator[tuple[str, int]]:
    yield from run_server(create_app(predicting))


def time_to_close(connection: socket.socket) -> float:
    """Return the seconds until the server closes the connection."""
    began = time.monotonic()
    connection.settimeout(5)
    while connection.recv(4096):
        pass
    return time.monotonic() - began


@pytest.mark.parametrize("content", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_connection_with_an_unfinished_head_is_closed(content: bytes, address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(content)
        assert time_to_close(connection) < 10 * HEAD_TIMEOUT_S


def test_a_slowly_sent_head_has_the_same_time_limit(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        began = time.monotonic()
        with suppress(OSError):  # reset or broken pipe
            while time.monotonic() - began < 20 * HEAD_TIMEOUT_S:
                connection.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() - began < 10 * HEAD_TIMEOUT_S


def test_a_second_unfinished_request_is_closed_as_the_first(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
        began = time.monotonic()
        connection.settimeout(5)
        answer = b""
        while more := connection.recv(4096):
            answer += more
        assert b'"status":"UP"' in answer
        assert time.monotonic() - began < 10 * HEAD_TIMEOUT_S


def test_a_head_that_is_too_long_is_rejected(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.settimeout(5)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (MAX_HEAD_BYTES + 1))
        assert b"400 Bad Request" in connection.recv(4096)


@pytest.mark.parametrize("framing", ["Content-Length: 1000000000000", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_end_after_the_answer_ends_with_the_connection(framing: str, address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(f"GET /health HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        began = time.monotonic()
        with suppress(OSError):  # reset or broken pipe
            while time.monotonic() - began < 20 * HEAD_TIMEOUT_S:
                connection.sendall(b"1\r\na\r\n")
                time.sleep(0.05)
        assert time.monotonic() - began < 10 * HEAD_TIMEOUT_S


@pytest.mark.parametrize("trailer", [b"X-A: " + 1000 * b"a" + b"\r\n", 1000 * b"a"])
def test_trailers_that_are_too_long_end_the_connection(trailer: bytes, address: tuple[str, int]) -> None:
    head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent_bytes = 0
    with socket.create_connection(address) as connection:
        connection.settimeout(5)
        connection.sendall(head + b"1\r\n{\r\n0\r\n")
        with suppress(OSError):  # reset or broken pipe
            while sent_bytes < 2000 * MAX_HEAD_BYTES:
                connection.sendall(trailer)
                sent_bytes += len(trailer)
    assert sent_bytes < 1000 * MAX_HEAD_BYTES


@pytest.mark.parametrize("separately", [True, False])
def test_a_body_of_any_size_is_not_taken_for_a_head(separately: bool, address: tuple[str, int]) -> None:
    body = b'{"action": "TASK_CREATED", "project": {"id": 752}, "more": "' + b"a" * 3 * MAX_HEAD_BYTES + b'"}'
    head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(address) as connection:
        connection.settimeout(5)
        for part in (head, body) if separately else (head + body,):
            connection.sendall(part)
            time.sleep(0.05)
        assert connection.recv(4096).startswith(b"HTTP/1.1 20")
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_requests_in_one_packet_are_answered_in_order(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        connection.settimeout(5)
        answer = b""
        while more := connection.recv(4096):
            answer += more
        assert answer.count(b'"status":"UP"') == 2


@pytest.mark.slow
def test_the_time_limit_does_not_apply_to_answers(address: tuple[str, int], files: Any) -> None:
    slow = "/data/upload/751/1.png"
    files.blocked_paths[slow] = threading.Event()
    body = {"tasks": [{"id": 1, "data": {"image": slow}}], "project": "751.1", "label_config": CONFIG, "params": {}}
    threading.Timer(3 * HEAD_TIMEOUT_S, files.blocked_paths[slow].set).start()
    assert httpx.post(f"http://{address[0]}:{address[1]}/predict", json=body, timeout=30).status_code == 200


def test_a_kept_connection_serves_many_requests(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        for pause in (0, 0.1, 0.1):
            time.sleep(pause)
            assert client.get("/health").json()["status"] == "UP"


def test_a_connection_beyond_the_limit_is_closed_and_the_others_work(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        client.get("/health")
        idle = [socket.create_connection(address) for _ in range(MOST + 4)]
        time.sleep(0.1)
        assert client.get("/health").status_code == 200
        for connection in idle:
            time_to_close(connection)
            connection.close()
    assert httpx.get(f"http://{address[0]}:{address[1]}/health").status_code == 200


def test_an_unfinished_body_is_rejected(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.3)
    with socket.create_connection(address) as connection:
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        connection.sendall(head)
        connection.settimeout(5)
        assert b"408 Request Timeout" in connection.recv(4096)


def test_bodies_that_together_are_too_large_are_rejected_until_one_ends(open_services: Callable[..., Services]) -> None:
    (address,) = addresses = list(islice(run := run_server(create_app(open_services(max_body_bytes=1000))), 1))
    head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    connections = [socket.create_connection(address) for address in addresses * 3]
    for connection in connections:
        connection.settimeout(5)
        connection.sendall(head + b" " * 900)
        time.sleep(0.1)
    assert b"503 Service Unavailable" in connections[2].recv(4096)
    connections[0].sendall(b" " * 100)
    assert b"422 Unprocessable" in connections[0].recv(4096)
    url = f"http://{address[0]}:{address[1]}/webhook"
    assert httpx.post(url, content=b" " * 900, headers={"Content-Type": "application/json"}).status_code == 422
    for connection in connections:
        connection.close()
    next(run, None)


def test_a_client_that_disconnects_within_a_body_is_not_logged_as_a_fault(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_connection(address) as connection:
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        connection.sendall(head)
        time.sleep(0.2)
    deadline = time.monotonic() + 5
    while "path='/webhook' status=400" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "path='/webhook' status=400" in caplog.text
    assert "ERROR" not in caplog.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
def test_a_body_without_a_json_content_type_is_rejected(kind: str, address: tuple[str, int]) -> None:
    """A page of another site may send these content types without a preflight request."""
    answer = httpx.post(f"http://{address[0]}:{address[1]}/setup", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.slow
def test_an_abandoned_request_does_not_delay_others(address: tuple[str, int], files: Any) -> None:
    """The first images are not available; the client disconnects, the others are not fetched, the next request is served."""
    first, later = "/data/upload/750/1.png", "/data/upload/750/2.png"
    files.blocked_paths[first] = threading.Event()
    tasks = [{"id": number, "data": {"image": first if number < CHUNK else later}} for number in range(3 * CHUNK)]
    body = {"tasks": tasks, "project": "750.1", "label_config": CONFIG, "params": {}}
    url = f"http://{address[0]}:{address[1]}/predict"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=body, timeout=1)
    threading.Timer(1.0, files.blocked_paths[first].set).start()
    assert httpx.post(url, json=body | {"tasks": []}, timeout=30).json()["results"] == []
    assert first in files.request_paths
    assert later not in files.request_paths
