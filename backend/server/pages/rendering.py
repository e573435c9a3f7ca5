"""Rendering of the pages' templates, and the headers of the answers."""

from __future__ import annotations

import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backend.jobs.liveness import format_duration
from backend.reports.estimate import Estimate
from backend.reports.metric_names import format_estimate, format_number
from backend.server.pages.project_page import remove_folders

__all__ = ["STYLE_SHEET", "render", "style_version"]

HERE = Path(__file__).parent
STYLE_SHEET = HERE / "static" / "pages.css"
HEADERS = {
    # No scripts, nothing from elsewhere, no inline styles; thumbnails are data: addresses.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    # Not "no-referrer": a browser would then send the forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def render(template: str, *, status: int = 200, root: str = "", **context: Any) -> HTMLResponse:
    """Render a page.

    Parameters
    ----------
    template : str
        Name of its file.
    status : int
        HTTP status.
    root : str
        Relative address of `/`, such as "../": the server may be below a path of a proxy that it does not know.
    **context
        Variables of the template.
    """
    content = _environment().get_template(template).render(root=root, style_version=style_version(), **context)
    return HTMLResponse(content, status, HEADERS)


@cache
def style_version() -> str:
    """Return a hash of the style sheet, which its address holds, so that a browser may keep it."""
    return sha256(STYLE_SHEET.read_bytes()).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": format_duration,
        "estimate": format_estimate,
        "number": format_number,
        "percent": _format_percent,
        "plain": remove_folders,
        "plural": lambda count: "" if count == 1 else "s",
        "time": _format_time,
        "iso": lambda seconds: _moment(seconds).isoformat(timespec="seconds"),
    }
    return environment


def _format_percent(value: float | Estimate) -> str:
    if not isinstance(value, Estimate):
        return f"{value:.0%}"
    interval = "" if value.low is None or value.high is None else f" ({value.low:.0%} to {value.high:.0%})"
    return f"{value.value:.0%}{interval}"


def _format_time(seconds: float) -> str:
    return _moment(seconds).strftime("%-d %b %Y, %H:%M UTC")


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
