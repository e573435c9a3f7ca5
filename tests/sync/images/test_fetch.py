from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors.images import ImageError
from sync.images.fetch import Fetcher, FetchLimits

TOKEN = "Bearer very-secret"
PNG = b"\x89PNG\r\n\x1a\n and so on"
REFERENCE = "/data/upload/1/a.png"

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """A real HTTP server that records its requests; answers are set by path."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://{self.host}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        self.server.answers.get(self.path, status(404))(self)

    def log_message(self, format: str, *args: object) -> None:
        pass


def body(content: bytes, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()

    return answer


def drip(start: bytes) -> Answer:
    """Send a byte every 20 ms without end, so that no single read takes long."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        server = request.server
        assert isinstance(server, Server)
        try:
            request.wfile.write(start)
            while not server.stopping.wait(0.02):
                request.wfile.write(b"x")
        except OSError:
            return

    return answer


@pytest.fixture
def label_studio() -> Iterator[Server]:
    yield from running()


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    yield from running()


def running() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def fetcher(label_studio: Server) -> Iterator[Fetcher]:
    fetcher = make(label_studio)
    yield fetcher
    fetcher.close()


@pytest.fixture(scope="module")
def offline() -> Iterator[Fetcher]:
    limits = FetchLimits(max_bytes=100)
    fetcher = Fetcher(label_studio_url="http://ls.invalid", authorization=lambda: TOKEN, limits=limits)
    yield fetcher
    fetcher.close()


def make(
    label_studio: Server, *allowed_hosts: str, public_url: str | None = None, limits: FetchLimits | None = None
) -> Fetcher:
    return Fetcher(
        label_studio_url=label_studio.url,
        authorization=lambda: TOKEN,
        allowed_hosts=frozenset(allowed_hosts),
        public_url=public_url,
        limits=limits,
    )


def test_an_upload_is_fetched_with_the_token(label_studio: Server, fetcher: Fetcher) -> None:
    label_studio.answers[REFERENCE] = body(PNG)
    assert fetcher.fetch(REFERENCE) == PNG
    assert fetcher.fetch(label_studio.url + REFERENCE) == PNG
    assert [headers["Authorization"] for _, headers in label_studio.requests] == [TOKEN, TOKEN]


def test_a_local_file_and_a_storage_file_are_fetched(label_studio: Server, fetcher: Fetcher) -> None:
    label_studio.answers["/data/local-files/?d=galaxies/a%20b.fits"] = body(PNG)
    label_studio.answers["/tasks/7/resolve/?fileuri=czM6Ly9i"] = body(PNG)
    assert fetcher.fetch(f"{label_studio.url}/data/local-files/?d=galaxies/a b.fits") == PNG
    assert fetcher.fetch("/tasks/7/resolve/?fileuri=czM6Ly9i") == PNG


def test_a_reference_to_the_public_address_is_requested_internally(label_studio: Server) -> None:
    label_studio.answers[REFERENCE] = body(PNG)
    fetcher = make(label_studio, public_url="https://galaxies.invalid")
    assert fetcher.fetch("https://galaxies.invalid" + REFERENCE) == PNG
    fetcher.close()


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/../../api/users/",
        "/data/upload/1/%2e%2e/%2e%2e/%2e%2e/api/users/",
        "/data/upload/1/..%2f..%2f..%2fapi",
    ],
)
def test_a_path_with_parent_folders_is_never_requested(label_studio: Server, fetcher: Fetcher, reference: str) -> None:
    label_studio.answers["/api/users/"] = body(b"[]")
    with pytest.raises(ImageError):
        fetcher.fetch(reference)
    assert label_studio.requests == []


def test_a_foreign_host_is_never_requested(label_studio: Server, elsewhere: Server, fetcher: Fetcher) -> None:
    elsewhere.answers[REFERENCE] = body(PNG)
    with pytest.raises(ImageError, match="nor on an allowed host"):
        fetcher.fetch(elsewhere.url + REFERENCE)
    assert elsewhere.requests == []


def test_an_allowed_host_does_not_receive_the_token(label_studio: Server, elsewhere: Server) -> None:
    elsewhere.answers[REFERENCE] = body(PNG)
    fetcher = make(label_studio, elsewhere.host)
    assert fetcher.fetch(elsewhere.url + REFERENCE) == PNG
    assert "Authorization" not in elsewhere.requests[0][1]
    fetcher.close()


def test_cookies_of_label_studio_do_not_reach_another_port_of_its_host(label_studio: Server, elsewhere: Server) -> None:
    label_studio.answers[REFERENCE] = body(PNG, Set_Cookie="sessionid=secret; Path=/")
    elsewhere.answers["/a.png"] = body(PNG)
    fetcher = make(label_studio, elsewhere.host)
    fetcher.fetch(REFERENCE)
    fetcher.fetch(elsewhere.url + "/a.png")
    assert "Cookie" not in elsewhere.requests[0][1]
    fetcher.close()


def test_the_token_is_not_sent_over_another_scheme(label_studio: Server) -> None:
    fetcher = make(label_studio)
    with pytest.raises(ImageError, match="nor on an allowed host"):
        fetcher.fetch(label_studio.url.replace("http:", "https:") + REFERENCE)
    assert label_studio.requests == []
    fetcher.close()


def test_a_redirect_to_storage_is_followed_without_the_token(label_studio: Server, elsewhere: Server) -> None:
    label_studio.answers["/tasks/7/resolve/?fileuri=x"] = status(303, Location=elsewhere.url + "/bucket/a.png?sig=a%2Bb")
    elsewhere.answers["/bucket/a.png?sig=a%2Bb"] = body(PNG)
    fetcher = make(label_studio, elsewhere.host)
    assert fetcher.fetch("/tasks/7/resolve/?fileuri=x") == PNG
    assert "Authorization" not in elsewhere.requests[0][1]
    fetcher.close()


def test_a_redirect_to_another_host_is_not_followed(label_studio: Server, elsewhere: Server, fetcher: Fetcher) -> None:
    label_studio.answers[REFERENCE] = status(302, Location=elsewhere.url + "/a.png")
    with pytest.raises(ImageError, match="not allowed"):
        fetcher.fetch(REFERENCE)
    assert elsewhere.requests == []


def test_a_redirect_into_the_api_is_not_followed(label_studio: Server, fetcher: Fetcher) -> None:
    label_studio.answers[REFERENCE] = status(302, Location="/api/users/")
    with pytest.raises(ImageError, match="not allowed"):
        fetcher.fetch(REFERENCE)
    assert len(label_studio.requests) == 1


def test_at_most_three_redirects_are_followed(label_studio: Server, fetcher: Fetcher) -> None:
    label_studio.answers[REFERENCE] = status(302, Location=REFERENCE)
    with pytest.raises(ImageError, match="more than 3 times"):
        fetcher.fetch(REFERENCE)
    assert len(label_studio.requests) == 4


@pytest.mark.parametrize("announced", [True, False])
def test_an_image_over_the_limit_is_rejected(label_studio: Server, announced: bool) -> None:
    endless = drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    label_studio.answers[REFERENCE] = body(b"x" * 1001) if announced else endless
    fetcher = make(label_studio, limits=FetchLimits(max_bytes=1000 if announced else 5, timeout_s=10))
    with pytest.raises(ImageError, match="larger than"):
        fetcher.fetch(REFERENCE)
    fetcher.close()


def test_an_image_at_the_limit_is_fetched(label_studio: Server) -> None:
    label_studio.answers[REFERENCE] = body(b"x" * 1000)
    fetcher = make(label_studio, limits=FetchLimits(max_bytes=1000))
    assert len(fetcher.fetch(REFERENCE)) == 1000
    fetcher.close()


def test_a_compressed_response_is_not_decompressed_past_the_limit(label_studio: Server) -> None:
    content = b"\x1f\x8b pretend"
    label_studio.answers[REFERENCE] = body(content, Content_Encoding="gzip")
    fetcher = make(label_studio)
    assert fetcher.fetch(REFERENCE) == content
    fetcher.close()


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_a_slow_response_ends_at_the_deadline(label_studio: Server, start: bytes) -> None:
    label_studio.answers[REFERENCE] = drip(start)
    fetcher = make(label_studio, limits=FetchLimits(timeout_s=0.5))
    begin = time.monotonic()
    with pytest.raises(ImageError, match=r"did not arrive within 0\.5 s|connection failed"):
        fetcher.fetch(REFERENCE)
    assert time.monotonic() - begin < 5
    fetcher.close()


def test_an_interrupted_request_is_retried_once(label_studio: Server, fetcher: Fetcher) -> None:
    def break_once(request: BaseHTTPRequestHandler) -> None:
        label_studio.answers[REFERENCE] = body(PNG)
        request.close_connection = True

    label_studio.answers[REFERENCE] = break_once
    assert fetcher.fetch(REFERENCE) == PNG


def test_a_truncated_response_is_not_an_image(label_studio: Server, fetcher: Fetcher) -> None:
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"half")
        request.close_connection = True

    label_studio.answers[REFERENCE] = cut
    with pytest.raises(ImageError, match="connection failed"):
        fetcher.fetch(REFERENCE)


def test_a_server_that_is_down_is_named_in_one_sentence() -> None:
    with Server() as server:
        url = server.url
    fetcher = Fetcher(label_studio_url=url, authorization=lambda: TOKEN)
    with pytest.raises(ImageError, match=r"'http://.*a\.png' could not be fetched|'/data/upload/1/a.png' could not be fetched"):
        fetcher.fetch(REFERENCE)
    fetcher.close()


@pytest.mark.parametrize("code", [204, 304, 400, 401, 403, 404, 500])
def test_an_error_message_of_a_response_contains_no_token(label_studio: Server, fetcher: Fetcher, code: int) -> None:
    label_studio.answers[REFERENCE] = status(code)
    with pytest.raises(ImageError, match=str(code)) as error:
        fetcher.fetch(REFERENCE)
    assert "secret" not in str(error.value)


def test_the_authorization_is_requested_for_each_download(label_studio: Server) -> None:
    label_studio.answers[REFERENCE] = body(PNG)
    tokens = iter(["Bearer 1", "Bearer 2"])
    fetcher = Fetcher(label_studio_url=label_studio.url, authorization=lambda: next(tokens))
    fetcher.fetch(REFERENCE)
    fetcher.fetch(REFERENCE)
    assert [headers["Authorization"] for _, headers in label_studio.requests] == ["Bearer 1", "Bearer 2"]
    fetcher.close()


def test_many_threads_share_a_fetcher(label_studio: Server, fetcher: Fetcher) -> None:
    names = [f"/data/upload/1/{i}.png" for i in range(200)]
    label_studio.answers.update({name: body(name.encode()) for name in names})
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(fetcher.fetch, names)) == [name.encode() for name in names]


@given(st.binary(max_size=100))
def test_a_data_uri_holds_its_bytes(offline: Fetcher, content: bytes) -> None:
    assert offline.fetch("data:image/png;base64," + base64.b64encode(content).decode()) == content


@pytest.mark.parametrize(
    "reference",
    [
        "data:,hello",
        "data:text/html;base64,aGk=",
        "data:image/png,hi",
        "data:image/png;base64,aGk",
        "data:image/png;base64,a*k=",
        "data:image/png;base64,\u00e9",
        "data:image/png;base64," + "A" * 136,
        "data:image/png;base64," + "A" * 10_000,
    ],
)
def test_other_data_uris_are_rejected(offline: Fetcher, reference: str) -> None:
    with pytest.raises(ImageError):
        offline.fetch(reference)
