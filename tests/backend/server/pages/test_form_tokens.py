"""Tokens of forms: bound to project and action, and only from the server's own pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.server.pages.form_tokens import FormTokens
from backend.settings import Settings


def tokens(folder: Path, **settings: Any) -> FormTokens:
    return FormTokens(Settings(data_dir=folder, **settings))


def objection(
    form_tokens: FormTokens, *, project: int = 7, action: str = "pin", token: str | None = None, **headers: str
) -> str:
    token_text = form_tokens.make(7, "pin") if token is None else token
    header_fields = {name.replace("_", "-"): value for name, value in ({"host": "127.0.0.1:9090"} | headers).items()}
    return form_tokens.find_objection(header_fields, token_text, project_id=project, action=action)


def test_the_form_of_the_page_is_accepted(tmp_path: Path) -> None:
    assert objection(tokens(tmp_path), origin="http://127.0.0.1:9090", sec_fetch_site="same-origin") == ""


def test_a_client_without_a_browser_needs_only_the_token(tmp_path: Path) -> None:
    assert objection(tokens(tmp_path)) == ""


@pytest.mark.parametrize(
    "change", [{"project": 8}, {"action": "unpin"}, {"token": ""}, {"token": "0" * 64}, {"token": "pässword"}], ids=str
)
def test_a_token_holds_for_one_action_on_one_project(tmp_path: Path, change: dict[str, Any]) -> None:
    assert "outdated" in objection(tokens(tmp_path), **change)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused_despite_its_token(tmp_path: Path, headers: dict[str, Any]) -> None:
    assert "another site" in objection(tokens(tmp_path, basic_auth_password="secret"), **headers)


def test_a_proxy_may_change_the_host_if_the_backend_has_its_own_address(tmp_path: Path) -> None:
    form_tokens = tokens(tmp_path, basic_auth_password="secret", backend_url="https://galaxyloop.example.org")
    assert objection(form_tokens, host="backend:9090", origin="https://galaxyloop.example.org") == ""
    assert objection(form_tokens, host="backend:9090", origin="https://evil.example", sec_fetch_site="same-origin") == ""


def test_all_servers_with_a_password_make_the_same_tokens(tmp_path: Path) -> None:
    first, second = (tokens(tmp_path, basic_auth_password="secret").make(7, "pin") for _ in range(2))
    assert first == second != tokens(tmp_path, basic_auth_password="other").make(7, "pin")
    assert "secret" not in first


def test_without_a_password_the_key_is_random(tmp_path: Path) -> None:
    assert tokens(tmp_path).make(7, "pin") != tokens(tmp_path).make(7, "pin")


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("127.0.0.1:9090", True),
        ("localhost:9090", True),
        ("[::1]:9090", True),
        ("GALAXYLOOP.example.org", True),
        ("evil.example:9090", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_without_a_password_only_the_servers_own_names_are_accepted(tmp_path: Path, host: str, accepted: bool) -> None:
    form_tokens = tokens(tmp_path, backend_url="http://galaxyloop.example.org")
    assert form_tokens.accepts_host({"host": host}) is accepted
    assert bool(objection(form_tokens, host=host)) is not accepted


def test_with_a_password_any_name_is_accepted(tmp_path: Path) -> None:
    assert tokens(tmp_path, basic_auth_password="secret").accepts_host({"host": "evil.example"})
