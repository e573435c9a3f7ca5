"""Protection of the pages' forms against requests that another site makes with the browser's credentials (CSRF).

A form holds a token that only a reader of the page knows, and the browser must state that the form is of this site.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from backend.settings import Settings

__all__ = ["FormTokens"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class FormTokens:
    """Makes and checks the tokens of forms.

    All servers with the same password make the same tokens, because a load balancer may send a page and its form to different
    ones. Without a password there is one server, and its key is random.
    """

    def __init__(self, settings: Settings) -> None:
        password = settings.basic_auth_password.get_secret_value()
        self._key = hmac.digest(password.encode(), b"galaxyloop forms", "sha256") if password else secrets.token_bytes(32)
        self._open = not password
        self._own_host = urlsplit(settings.public_url).netloc.lower()

    def make(self, project_id: int, action: str) -> str:
        """Return the token of one action on one project."""
        return hmac.new(self._key, f"{project_id} {action}".encode(), sha256).hexdigest()

    def find_objection(self, headers: Mapping[str, str], token: str, *, project_id: int, action: str) -> str:
        """Return why a form is refused, in one sentence; empty if it is accepted.

        Parameters
        ----------
        headers : mapping
            Headers of the request.
        token : str
            Token that was sent with the form.
        project_id, action
            As for `make`.
        """
        if not self.accepts_host(headers):
            return "This address is not one of this server"
        if not self._is_same_site(headers):
            return "The form was sent by another site: open the page of the project and use its buttons"
        if not secrets.compare_digest(token.encode(), self.make(project_id, action).encode()):
            return "The form is outdated: load the page of the project again and repeat the action"
        return ""

    def accepts_host(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request has the name of this server.

        Without a password, a site that lets its own name lead to this machine could otherwise read the pages (DNS rebinding).
        """
        host = headers.get("host", "").lower()
        return not self._open or host == self._own_host or (urlsplit(f"//{host}").hostname or "") in LOOPBACK

    def _is_same_site(self, headers: Mapping[str, str]) -> bool:
        """Return whether the browser states that its own page sent the form; a client without a browser states nothing."""
        if site := headers.get("sec-fetch-site"):  # also right behind a proxy that changes the host
            return site == "same-origin"
        if "origin" not in headers:
            return True
        origin = urlsplit(headers["origin"]).netloc.lower()
        return origin in (headers.get("host", "").lower(), self._own_host)
