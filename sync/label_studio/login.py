"""Creation of an API key with a user's password, for the demo, which creates its own user, and for tests."""

from __future__ import annotations

import re

import httpx

from sync.http.network import open_client
from sync.label_studio.client import LabelStudioError, LabelStudioUnavailable

__all__ = ["login"]

_CSRF_FIELD = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def login(url: str, user: str, password: str) -> str:
    """Log in and create a personal access token, which Label Studio shows only once.

    Parameters
    ----------
    url : str
        Address of Label Studio.
    user : str
        E-mail address.
    password : str

    Returns
    -------
    str
        A personal access token.

    Raises
    ------
    LabelStudioError
        If the password is wrong, or the user already has a token (status 409).
    LabelStudioUnavailable
        If Label Studio cannot be reached.
    """
    url = url.rstrip("/")
    try:
        with open_client(url, timeout=30.0) as browser:
            browser.base_url = url
            page = browser.get("/user/login/")
            field = _CSRF_FIELD.search(page.text)
            if field is None:
                raise LabelStudioError(f"the server at {url} is not Label Studio: it has no login form")
            form = {"csrfmiddlewaretoken": field.group(1), "email": user, "password": password}
            response = browser.post("/user/login/", data=form, headers={"Referer": f"{url}/user/login/"})
            if not response.is_redirect:
                raise LabelStudioError(f"Label Studio at {url} rejects the password of {user}", status=401)
            csrf = {"X-CSRFToken": browser.cookies.get("csrftoken") or "", "Referer": url}
            answer = browser.post("/api/token/", headers=csrf)
    except httpx.TransportError as error:
        raise LabelStudioUnavailable(f"Label Studio at {url} cannot be reached: {error}") from error
    if answer.status_code == httpx.codes.CONFLICT:
        message = (
            f"{user} already has a personal access token, which Label Studio at {url} shows only once: use that "
            "one, or revoke it under Account & Settings → Personal Access Token"
        )
        raise LabelStudioError(message, status=answer.status_code)
    if answer.status_code != httpx.codes.CREATED:
        message = f"Label Studio at {url} created no personal access token for {user}: status {answer.status_code}"
        raise LabelStudioError(message, status=answer.status_code)
    return str(answer.json()["token"])
