"""Checks of Label Studio: it is reachable, accepts the key, has a tested version, and its clock agrees with this machine's."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from backend.doctor.processes import MAX_DIFFERENCE_S
from backend.doctor.report import Check, report_failure, report_success
from backend.settings import Settings
from sync.http.network import open_client
from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["check_clock", "check_key", "check_version", "open_label_studio"]

TESTED = "1.23."
TIMEOUT_S = 10.0


def open_label_studio(settings: Settings) -> LabelStudioClient:
    """Create a client that does not retry, so that an unreachable Label Studio is reported immediately.

    Raises
    ------
    ValueError
        If the settings have no address or no key.
    """
    key = settings.label_studio_api_key.get_secret_value()
    return LabelStudioClient(settings.label_studio_url, key, timeout_s=TIMEOUT_S, patience_s=0)


def check_key(client: LabelStudioClient) -> Check:
    """Check that Label Studio answers and accepts the key."""
    name = "Label Studio and its key"
    try:
        user = client.get("/api/current-user/whoami")
    except LabelStudioError as error:
        if error.status == httpx.codes.UNAUTHORIZED:
            return report_failure(
                name, f"{error}: set LABEL_STUDIO_API_KEY to a token from Account & Settings → Personal Access Token"
            )
        return report_failure(name, f"{error}: start it, or set LABEL_STUDIO_URL")
    return report_success(name, f"{client.url} accepts the key of {user['email']}")


def check_version(client: LabelStudioClient) -> Check:
    """Check that galaxyloop is tested with the version of Label Studio."""
    name = "Label Studio's version"
    try:
        version = str(client.get("/api/version")["release"])
    except LabelStudioError as error:
        return report_failure(name, str(error))
    if not version.startswith(TESTED):
        return report_failure(name, f"{version} is not tested with galaxyloop: install label-studio=={TESTED}*")
    return report_success(name, f"{version}, tested with {TESTED}x")


def check_clock(url: str, *, database_ahead_s: float) -> Check:
    """Compare the clocks of Label Studio and of the database with this machine's."""
    name = "clocks"
    try:
        with open_client(url, timeout=TIMEOUT_S) as client:
            date = client.get(f"{url}/health").headers["Date"]
    except (httpx.TransportError, KeyError):
        return report_failure(name, "Label Studio did not send its time: see above")
    label_studio_ahead_s = parsedate_to_datetime(date).timestamp() - time.time()
    for whose, ahead in (("Label Studio's", label_studio_ahead_s), ("the database's", database_ahead_s)):
        if abs(ahead) > MAX_DIFFERENCE_S:
            return report_failure(
                name, f"{whose} clock is {ahead:+.0f} s ahead of this machine's: synchronise the clocks of all machines by NTP"
            )
    return report_success(name, f"the clocks differ by less than {MAX_DIFFERENCE_S:.0f} s")
