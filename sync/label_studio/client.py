"""The client of Label Studio's API: authentication, retries, and one-sentence error messages.

It sends and receives JSON with httpx. The SDK's client retries every request after a 5xx, including requests that may have
stored predictions before they failed, which would create duplicates; and it builds a model object for each of thousands of
tasks.
"""

from __future__ import annotations

import base64
import json as jsonlib
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from sync.http.network import advice, open_client
from sync.label_studio.errors import (
    AddressError,
    LabelStudioError,
    LabelStudioUnavailable,
    NotConnected,
    explain_response,
    first_line,
)

__all__ = ["LabelStudioClient", "LabelStudioError", "LabelStudioUnavailable"]

RENEW_BEFORE_S = 60
"""Time before its expiry at which an access token (valid for 300 s) is renewed, so that none expires during a request."""

PAGE_SIZE = 500
"""Tasks per page. On SQLite, Label Studio 1.23.2 fails for a page of 999 or more tasks with one uploaded file each ("Expression
tree is too large"), because it creates one SQL condition per file."""


class LabelStudioClient:
    """Client of one Label Studio; thread-safe; a context manager.

    Parameters
    ----------
    url : str
        Address of Label Studio, such as ``http://127.0.0.1:8080``.
    api_key : str
        A personal access token (Account & Settings → Personal Access Token), or a legacy token.
    timeout_s : float
        Timeout of one request, seconds.
    patience_s : float
        Time for which a request is retried while Label Studio is unavailable, seconds.

    Raises
    ------
    AddressError
        If `url` is not an http(s) address or contains a password, or if `api_key` is empty or malformed.
    ValueError
        If the environment's certificates or proxy cannot be used.
    """

    def __init__(self, url: str, api_key: str, *, timeout_s: float = 60.0, patience_s: float = 15.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise AddressError("LABEL_STUDIO_URL must start with http:// or https://, such as http://127.0.0.1:8080")
        if not api_key.strip():
            raise AddressError("the API key of Label Studio is empty: set LABEL_STUDIO_API_KEY to a personal access token")
        if not (api_key.strip().isascii() and api_key.strip().isprintable()):
            raise AddressError("the API key of Label Studio has an invalid character: copy the token again")
        if "@" in urlsplit(url).netloc:
            raise AddressError("the address of Label Studio holds a user name or password: give the host alone, and an API key")
        self.url = url.rstrip("/")
        self._api_key = api_key.strip()
        self._patience_s = patience_s
        self._http = open_client(url, timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0)))
        self._token_lock = threading.Lock()
        self._access_token = ""
        self._renew_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def authorization(self) -> str:
        """Return the value of an Authorization header that Label Studio accepts now.

        Returns
        -------
        str
            ``"Bearer <access token>"``, renewed before it expires, or ``"Token <key>"`` for a legacy key.

        Raises
        ------
        LabelStudioError
            If Label Studio rejects the key (status 401).
        LabelStudioUnavailable
            If Label Studio cannot be reached.
        """
        if self._api_key.count(".") != 2:
            return f"Token {self._api_key}"
        with self._token_lock:
            if time.time() >= self._renew_at:
                refresh = {"refresh": self._api_key}
                answer = self._send_with_retries("POST", "/api/token/refresh/", repeatable=True, json=refresh, headers={})
                self._access_token = str(answer["access"])
                self._renew_at = _expiry(self._access_token) - RENEW_BEFORE_S
            return f"Bearer {self._access_token}"

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON at `path`; retry while Label Studio is unavailable.

        Raises
        ------
        LabelStudioError
            If Label Studio rejects the request.
        LabelStudioUnavailable
            If there is no response within `patience_s`.
        """
        return self._send_authorized("GET", path, repeatable=True, params=params)

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the tasks of all pages of a task list.

        Parameters
        ----------
        path, **params
            As for `get`, without ``page`` and ``page_size``.
        """
        received_count = 0
        for page in count(1):
            try:
                answer = self.get(path, **params, page=page, page_size=PAGE_SIZE)
            except LabelStudioError as error:
                if error.status == 404 and page > 1:  # tasks were deleted meanwhile, so the page no longer exists
                    return
                raise
            yield from answer["tasks"]
            received_count += len(answer["tasks"])
            if received_count >= int(answer["total"]) or not answer["tasks"]:
                return

    def send(self, method: str, path: str, *, json: Any = None, repeatable: bool = False) -> Any:
        """Send a change and return the JSON of the response, or None if it has no body.

        Parameters
        ----------
        method : {"POST", "PATCH", "PUT", "DELETE"}
        path : str
        json : any JSON value
        repeatable : bool
            Whether the request is idempotent; if not, it is retried only if no connection was made.

        Raises
        ------
        LabelStudioError
            If Label Studio rejects the request.
        LabelStudioUnavailable
            If there is no response within `patience_s`; Label Studio may have made the change nevertheless.
        """
        return self._send_authorized(method, path, repeatable=repeatable, json=json)

    def upload(self, path: str, files: Sequence[tuple[str, bytes]]) -> Any:
        """Upload files, given as (name, content), as one multipart form; it is retried only if no connection was made."""
        form = [(f"file{number}", content) for number, content in enumerate(files)]
        return self._send_authorized("POST", path, repeatable=False, files=form)

    def _send_authorized(self, method: str, path: str, *, repeatable: bool, **request: Any) -> Any:
        """Send a request with a token; if Label Studio rejects the token, retry once with a new one."""
        for last in (False, True):
            headers = {"Authorization": self.authorization()}
            try:
                return self._send_with_retries(method, path, repeatable=repeatable, headers=headers, **request)
            except LabelStudioError as error:
                if error.status != 401 or last:
                    raise
                self._renew_at = 0.0  # after a restart with another secret, or with different clocks
        raise AssertionError("unreachable")

    def _send_with_retries(self, method: str, path: str, *, repeatable: bool, **request: Any) -> Any:
        """Send a request; retry until there is a response or `patience_s` has passed."""
        attempts = Retrying(
            retry=retry_if_exception_type(LabelStudioUnavailable if repeatable else NotConnected),
            stop=stop_after_delay(self._patience_s),
            wait=wait_random_exponential(multiplier=0.2, max=2.0),
            reraise=True,
        )
        return attempts(self._send_once, method, path, **request)

    def _send_once(self, method: str, path: str, **request: Any) -> Any:
        """Send a request once; return the JSON of its response or raise LabelStudioError."""
        name = f"{method} {path}"
        try:
            response = self._http.request(method, self.url + path, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotConnected(f"Label Studio at {self.url} cannot be reached: {first_line(error)}{advice(error)}") from error
        except httpx.TransportError as error:
            reason = f"{type(error).__name__} {first_line(error)}".strip() + advice(error)
            raise LabelStudioUnavailable(f"Label Studio at {self.url} did not respond to {name}: {reason}") from error
        status = response.status_code
        if status >= 500 or status == 429:
            raise LabelStudioUnavailable(f"Label Studio failed at {name}: {explain_response(response)}", status=status)
        if status == 401:
            message = f"Label Studio at {self.url} does not accept the API key: {explain_response(response)}"
            raise LabelStudioError(message, status=status)
        if status >= 400:
            raise LabelStudioError(f"Label Studio rejected {name}: {explain_response(response)}", status=status)
        if status >= 300:  # redirects are not followed, so that the token is not sent to another address
            target = response.headers.get("location", "elsewhere")
            message = f"Label Studio at {self.url} redirects {name} to {target}: use its final address"
            raise LabelStudioError(message, status=status)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            message = f"the server at {self.url} is not Label Studio: its response to {name} is not JSON"
            raise LabelStudioError(message, status=status) from error


def _expiry(token: str) -> float:
    """Return the expiry time of a JWT, as Unix time; only the server verifies the signature."""
    payload = token.split(".")[1]
    claims = jsonlib.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims["exp"])
