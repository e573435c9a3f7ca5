"""Fetch the bytes behind a task's image reference, within limits, without giving the token away."""

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

__all__ = ["FetchLimits", "Fetcher"]

MAX_REDIRECTS = 3
DATA_URI = re.compile(r"data:image/[\w.+-]{1,64}(?:;[\w.=+-]{1,64}){0,4}?;base64,", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one image may cost.

    Attributes
    ----------
    max_bytes : int
        Size as sent.
    timeout_s : float
        From the call to the last byte, redirects and the second try included, seconds.
    connections : int
        Requests at once, over all threads.
    """

    max_bytes: int = 64 * 2**20
    timeout_s: float = 20.0
    connections: int = 16


class Fetcher:
    """Fetches images for many threads over connections that are kept open.

    Each request has a client for itself: threads that share one close each other's connections (httpcore 1.0.9: with 24
    threads on 16 connections, 1 request in 30 failed or hung).

    Parameters
    ----------
    label_studio_url : str
        Where we reach Label Studio.
    authorization : callable
        Gives the value of the Authorization header; called for each request to Label Studio and for no other.
    allowed_hosts : frozenset of str
        Other hosts that references may lead to, "host" or "host:port"; no token is ever sent there.
    public_url : str, optional
        Where people reach Label Studio, if references name it so.
    limits : FetchLimits
        In bytes and seconds.

    Raises
    ------
    ValueError
        If an address or a host is not well formed, or the environment's certificates or proxies cannot be used.
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
        self._idle: LifoQueue[httpx.Client] = LifoQueue()  # the last one used has the warmest connection
        for client in self._clients:
            self._idle.put(client)

    def fetch(self, reference: str) -> bytes:
        """Get the bytes of an image.

        Parameters
        ----------
        reference : str
            As it stands in a task's data: a path of Label Studio, an absolute address, or a base64 data URI.

        Raises
        ------
        ImageError
            If the reference is not allowed, or the image is not there, too large or too slow.
        """
        if isinstance(reference, str) and reference[:5].lower() == "data:":
            return _from_data_uri(reference, self._limits.max_bytes)
        target = self._policy.target(reference)
        try:
            with deadline(self._limits.timeout_s), self._a_client() as client:
                try:
                    return self._follow(target, client)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    # Mostly a kept-alive connection that the server had closed meanwhile.
                    return self._follow(target, client)
        except httpx.TimeoutException as error:
            raise ImageError(f"image {shorten(reference)} did not arrive within {self._limits.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"the connection failed ({type(error).__name__}){advice(error)}"
            raise ImageError(f"image {shorten(reference)} could not be fetched: {reason}") from error

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            client.close()

    @contextmanager
    def _a_client(self) -> Iterator[httpx.Client]:
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
            raise ImageError(f"Label Studio refused our token for image {shorten(target.url)} (HTTP {response.status_code})")
        if response.status_code != 200:
            raise ImageError(f"image {shorten(target.url)} was answered with HTTP {response.status_code} instead of 200")
        body = bytearray()
        declared = response.headers.get("Content-Length", "")
        if not (declared.isdecimal() and int(declared[:20]) > self._limits.max_bytes):
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
        timeout=None,  # the transport keeps the deadline
        # Cookies know no ports: a session cookie of Label Studio would go to every port of its host.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # Compressed answers are taken as they are, so that `max_bytes` bounds memory too; decode unpacks gzip.
        headers={"Accept-Encoding": "identity", "User-Agent": "galaxyloop"},
        follow_redirects=False,
        trust_env=False,  # the transport knows the environment's proxies and certificates
    )


def _from_data_uri(reference: str, max_bytes: int) -> bytes:
    head = DATA_URI.match(reference)
    if not head:
        raise ImageError(f"image reference {reference[:40]!r} is not a base64 data URI of an image")
    # Four characters for three bytes, and each of them may be percent-encoded by three.
    if len(reference) > 3 * 4 * (max_bytes // 3 + 1) + head.end():
        raise ImageError(f"the image in a data URI is larger than {max_bytes} bytes")
    try:
        body = base64.b64decode(unquote(reference[head.end() :], encoding="ascii", errors="strict"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ImageError(f"the image in a data URI that starts with {reference[:40]!r} is not valid base64") from error
    if len(body) > max_bytes:
        raise ImageError(f"the image in a data URI is larger than {max_bytes} bytes")
    return body
