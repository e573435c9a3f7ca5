"""Authentication of requests: basic auth for Label Studio's calls, and a secret for its events.

Label Studio sends the backend's basic auth with every call except annotation events; these have only the headers of the
webhook, to which `galaxyloop project attach` adds the secret.
"""

from __future__ import annotations

import base64
import secrets

from fastapi import HTTPException, Request

from backend.settings import Settings
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER

__all__ = ["Access"]


class Access:
    """Checks credentials in constant time; without a password in the settings, every client may call."""

    def __init__(self, settings: Settings) -> None:
        self._user = settings.basic_auth_user
        self._password = settings.basic_auth_password.get_secret_value()
        self._secret = settings.webhook_secret.get_secret_value()

    @property
    def has_password(self) -> bool:
        """Whether callers need the user and the password."""
        return bool(self._password)

    @property
    def has_secret(self) -> bool:
        """Whether the secret opens the webhook."""
        return bool(self._secret)

    def check_caller(self, request: Request) -> None:
        """Check the credentials of Label Studio.

        Raises
        ------
        HTTPException
            401 if the credentials are missing or wrong.
        """
        if self._password and not self._basic(request):
            raise HTTPException(
                401,
                "basic auth is required: attach the backend with its user and password",
                {"WWW-Authenticate": "Basic"},
            )

    def check_event_sender(self, request: Request) -> None:
        """Check the secret of an event, or its basic auth (`START_TRAINING` has basic auth).

        Raises
        ------
        HTTPException
            401 if neither is valid.
        """
        if not (self._password or self._secret) or (self._password and self._basic(request)):
            return
        secret = request.headers.get(WEBHOOK_SECRET_HEADER, "")
        if not self._secret or not secrets.compare_digest(secret.encode(), self._secret.encode()):
            raise HTTPException(401, f"the webhook's header {WEBHOOK_SECRET_HEADER} is missing or wrong")

    def _basic(self, request: Request) -> bool:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value, validate=True).partition(b":")
        except ValueError:  # not base64 (binascii.Error), or a character beyond ASCII
            return False
        right_user = secrets.compare_digest(user, self._user.encode())
        return secrets.compare_digest(password, self._password.encode()) and right_user
