"""Downloads of the images that tasks refer to, with limits of size and time; the token is sent to Label Studio only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from queue import Empty, LifoQueue
from ssl import SSLContext
from urllib.parse import unquote

import httpx

from sync.errors.images import ImageError
from sync.http.deadline import DeadlineTransport, deadline
from sync.http.network import Proxies, advice, trusted_certificates
from sync.images.url_policy import Policy, Target, shorten

__all__ = ["CONNECTIONS", "FetchLimits", "Fetcher"]

CONNECTIONS = 16
MAX_REDIRECTS = 3
DATA_URI = re.compile(r"data:image/[\w.+-]{1,64}(?:;[\w.=+-]{1,64}){0,4}?;base64,", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of downloads.

    Attributes
    ----------
    max_bytes : int
        Largest transferred size of an image.
    timeout_s : float
        Longest time of a download, including redirects and the retry, seconds.
    connections : int
        Number of concurrent requests of all threads.
    """

    max_bytes: int = 64 * 2**20
    timeout_s: float = 20.0
    connections: int = CONNECTIONS


class Fetcher:
    """Downloads images over persistent connections; thread-safe.

    Each request uses a client exclusively: threads that share a client close each other's connections (httpcore 1.0.9: with 24
    threads on 16 connections, 1 request in 30 failed or hung).

    Parameters
    ----------
    label_studio_url : str
        Address at which this program reaches Label Studio.
    authorization : callable
        Returns the value of the Authorization header; called only for requests to Label Studio.
    allowed_hosts : frozenset of str
        Other hosts that references may use, "host" or "host:port"; the token is not sent to them.
    public_url : str, optional
        Address of Label Studio for its users, if references use it.
    limits : FetchLimits, optional
        Limits of size, time and connections.

    Raises
    ------
    ValueError
        If an address or a host is malformed, or the environment's certificates or proxies cannot be used.
    """

    def __init__(
        self,
        *,
        label_studio_url: str,
        authorization: Callable[[], str],
        allowed_hosts: frozenset[str] = frozenset(),
        public_url: str | None = None,
        limits: FetchLimits | None = None,
    ) -> None:
        self._policy = Policy(label_studio_url, public_url=public_url, allowed_hosts=allowed_hosts)
        self._authorization = authorization
        self._limits = limits or FetchLimits()
        certificates, proxies = trusted_certificates(), Proxies()
        self._clients = tuple(_client(certificates, proxies) for _ in range(self._limits.connections))
        self._idle: LifoQueue[httpx.Client] = LifoQueue()  # the most recently used client probably has an open connection
        for client in self._clients:
            self._idle.put(client)

    def fetch(self, reference: str) -> bytes:
        """Return the bytes of an image.

        Parameters
        ----------
        reference : str
            Reference in a task's data: a path of Label Studio, an absolute URL, or a base64 data URI.

        Raises
        ------
        ImageError
            If the reference is not allowed, the image is missing or too large, or the download fails or takes too long.
        """
        if isinstance(reference, str) and reference[:5].lower() == "data:":
            return _from_data_uri(reference, self._limits.max_bytes)
        target = self._policy.target(reference)
        try:
            with deadline(self._limits.timeout_s), self._borrow_client() as client:
                try:
                    return self._follow(target, client)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    # The usual cause is a persistent connection that the server has closed.
                    return self._follow(target, client)
        except httpx.TimeoutException as error:
            raise ImageError(f"image {shorten(reference)} did not arrive within {self._limits.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"the connection failed ({type(error).__name__}){advice(error)}"
            raise ImageError(f"image {shorten(reference)} could not be fetched: {reason}") from error

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    @contextmanager
    def _borrow_client(self) -> Iterator[httpx.Client]:
        try:
            client = self._idle.get(timeout=self._limits.timeout_s)
        except Empty as error:
            raise httpx.PoolTimeout("no connection became free") from error
        try:
            yield client
        finally:
            self._idle.put(client)

    def _follow(self, target: Target, client: httpx.Client) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            headers = {"Authorization": self._authorization()} if target.trusted else {}
            with client.stream("GET", target.url, headers=headers) as response:
                if not response.has_redirect_location:
                    return self._body(response, target)
                target = self._policy.redirect(target, response.headers.get("Location", ""))
        raise ImageError(f"image {shorten(target.url)} was redirected more than {MAX_REDIRECTS} times")

    def _body(self, response: httpx.Response, target: Target) -> bytes:
        if target.trusted and response.status_code in (401, 403):
            raise ImageError(f"Label Studio rejected the token for image {shorten(target.url)} (HTTP {response.status_code})")
        if response.status_code != 200:
            raise ImageError(f"image {shorten(target.url)} got HTTP {response.status_code} instead of 200")
        body = bytearray()
        declared_length = response.headers.get("Content-Length", "")
        if not (declared_length.isdecimal() and int(declared_length[:20]) > self._limits.max_bytes):
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > self._limits.max_bytes:
                    break
            else:
                return bytes(body)
        raise ImageError(f"image {shorten(target.url)} is larger than {self._limits.max_bytes} bytes")


def _client(certificates: SSLContext, proxies: Proxies) -> httpx.Client:
    return httpx.Client(
        transport=DeadlineTransport(certificates, proxies),
        timeout=None,  # the transport applies the deadline
        # Cookies do not depend on the port: a session cookie of Label Studio would be sent to every port of its host.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # Responses are not decompressed, so that `max_bytes` also limits the memory; `decode` decompresses gzip.
        headers={"Accept-Encoding": "identity", "User-Agent": "galaxyloop"},
        follow_redirects=False,
        trust_env=False,  # the transport has the environment's proxies and certificates
    )


def _from_data_uri(reference: str, max_bytes: int) -> bytes:
    head = DATA_URI.match(reference)
    if not head:
        raise ImageError(f"image reference {reference[:40]!r} is not a base64 data URI of an image")
    # Base64 needs four characters for three bytes, and percent-encoding three for each character.
    if len(reference) > 3 * 4 * (max_bytes // 3 + 1) + head.end():
        raise ImageError(f"the image in a data URI is larger than {max_bytes} bytes")
    try:
        body = base64.b64decode(unquote(reference[head.end() :], encoding="ascii", errors="strict"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ImageError(f"the image in a data URI that starts with {reference[:40]!r} is not valid base64") from error
    if len(body) > max_bytes:
        raise ImageError(f"the image in a data URI is larger than {max_bytes} bytes")
    return body
