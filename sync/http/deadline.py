"""A deadline for a complete HTTP exchange, which httpx does not offer.

Each timeout of httpx limits one read, so a server that sends single bytes slowly can block a thread without limit, even while
it sends headers. Here the timeout of every socket operation is the time that remains until the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

from sync.http.network import Proxies

__all__ = ["DeadlineTransport", "deadline"]

KEPT_ALIVE_S = 15.0
"""Seconds after which an idle connection is closed."""

_deadline: ContextVar[float] = ContextVar("deadline")  # time.monotonic() at which requests expire, seconds


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit the requests of this thread inside the block to `seconds` in total; later ones raise httpx.TimeoutException."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


class DeadlineTransport(httpx.BaseTransport):
    """A transport that applies the deadline of `deadline` to every socket operation.

    It opens one httpx transport for direct connections and one for each proxy.

    Parameters
    ----------
    certificates : SSLContext
        Trusted certificates. Creating a context takes 20 ms, so all connections share one.
    proxies : Proxies
        Selects the proxy of each request.
    """

    def __init__(self, certificates: SSLContext, proxies: Proxies) -> None:
        self._certificates = certificates
        self._proxies = proxies
        self._routes: dict[httpx.URL | None, _Route] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request directly or through the proxy of its URL."""
        proxy = self._proxies.of(request.url)
        key = None if proxy is None else proxy.url
        if key not in self._routes:
            self._routes[key] = _Route(self._certificates, proxy)
        return self._routes[key].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for way in self._routes.values():
            way.close()


class _Route(httpx.HTTPTransport):
    """A pool of direct connections, or of connections through one proxy."""

    def __init__(self, certificates: SSLContext, proxy: httpx.Proxy | None) -> None:
        super().__init__(verify=certificates)
        backend = _Backend()
        if proxy is None:
            self._pool = httpcore.ConnectionPool(
                ssl_context=certificates, keepalive_expiry=KEPT_ALIVE_S, network_backend=backend
            )
            return
        url = proxy.url
        self._pool = httpcore.HTTPProxy(
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            proxy_auth=proxy.raw_auth,
            ssl_context=certificates,
            proxy_ssl_context=certificates if url.scheme == "https" else None,
            keepalive_expiry=KEPT_ALIVE_S,
            network_backend=backend,
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._sockets.connect_tcp(host, port, _seconds_left(httpcore.ConnectTimeout), local_address, socket_options)
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _seconds_left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _seconds_left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _seconds_left(httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _seconds_left(error_type: type[httpcore.TimeoutException]) -> float:
    remaining = _deadline.get() - time.monotonic()
    if remaining <= 0:
        raise error_type("the deadline has passed")
    return remaining
