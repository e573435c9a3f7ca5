"""The routes of the pages: the list of projects, the page of each project, and the forms on it.

They are not part of the API: OpenAPI does not describe them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from backend.jobs.liveness import describe_processes
from backend.registry.records import MAX_ID, RegistryError
from backend.registry.task_queues import TaskQueues
from backend.reports.summary import choose_headline, list_problems, read_summaries, read_summary
from backend.server.pages.actions import ACTION_ERRORS, ACTIONS
from backend.server.pages.form_body import read_form
from backend.server.pages.project_page import make_project_page, remove_folders
from backend.server.pages.rendering import STYLE_SHEET, render
from backend.server.state import ServerState, StateOfServer, require_caller

__all__ = ["router"]

log = logging.getLogger("galaxyloop.pages")

ONE_YEAR = "private, max-age=31536000, immutable"


async def require_own_host(request: Request, state: StateOfServer) -> None:
    """Reject a request that has another server's name, if no password protects the pages."""
    if not state.form_tokens.accepts_host(request.headers):
        raise HTTPException(403, "this address is not one of this server: use its own, or set a password for the backend")


async def _project_number(project: str) -> int:
    """Read the number in a path. It is not the path's own type, because starlette fails on a number of 5,000 digits."""
    if not re.fullmatch("[0-9]{1,99}", project):
        raise HTTPException(404, "this page does not exist")
    return int(project)


ProjectNumber = Annotated[int, Depends(_project_number)]
router = APIRouter(dependencies=[Depends(require_caller), Depends(require_own_host)], include_in_schema=False)


@router.get("/")
async def list_projects(state: StateOfServer) -> Response:
    return await to_thread.run_sync(_render_list, state)


@router.get("/projects/{project}")
async def show_project(state: StateOfServer, project: ProjectNumber) -> Response:
    return await to_thread.run_sync(lambda: _render_project(state, project, root="../"))


@router.get("/static/pages.css")
async def send_style_sheet() -> Response:
    return FileResponse(STYLE_SHEET, media_type="text/css", headers={"Cache-Control": ONE_YEAR})


@router.post("/projects/{project}/{action}")
async def change_project(request: Request, state: StateOfServer, project: ProjectNumber, action: str) -> Response:
    fields = await read_form(request)
    return await to_thread.run_sync(lambda: _change(state, request.headers, fields, project, action))


def _render_list(state: ServerState) -> Response:
    services = state.services
    rows = []
    for summary in read_summaries(services.registry):
        report = summary.report
        scores = [(control.name, choose_headline(control, report.live)) for control in report.controls] if report else []
        problems = [remove_folders(problem) for problem in list_problems(summary)]
        rows.append({"summary": summary, "report": report, "scores": scores, "problems": problems})
    return render("projects.html", rows=rows, worker=describe_processes(services.engine, "worker"))


def _render_project(state: ServerState, project_id: int, *, root: str, notice: str = "", status: int = 200) -> Response:
    services, settings = state.services, state.services.settings
    if not 0 < project_id <= MAX_ID:
        return _render_unknown(project_id, root=root)
    try:
        page = make_project_page(read_summary(services.registry, project_id))
    except RegistryError:
        return _render_unknown(project_id, root=root)
    return render(
        "project.html",
        status=status,
        root=root,
        page=page,
        notice=notice,
        similar=TaskQueues(services.engine).request(project_id),
        tokens={action: state.form_tokens.make(project_id, action) for action in ACTIONS},
        label_studio=(settings.label_studio_public_url or settings.label_studio_url).rstrip("/"),
    )


def _render_unknown(project_id: int, *, root: str) -> Response:
    return render(
        "message.html",
        status=404,
        root=root,
        title="Unknown project",
        sentence=f"Project {project_id} is not known here: galaxyloop project attach {project_id} attaches it.",
    )


def _change(state: ServerState, headers: Mapping[str, str], fields: dict[str, str], project_id: int, action: str) -> Response:
    root = "../../"
    if action not in ACTIONS or not 0 < project_id <= MAX_ID:
        return render("message.html", status=404, root=root, title="Unknown action", sentence="This page does not exist.")
    token = fields.get("token", "")
    if objection := state.form_tokens.find_objection(headers, token, project_id=project_id, action=action):
        log.warning("event=form_refused project=%d action=%s reason=%r", project_id, action, objection)
        return render("message.html", status=403, root=root, title="Refused", sentence=f"{objection}.")
    try:
        ACTIONS[action](state.services, project_id, fields)
    except ACTION_ERRORS as error:
        return _render_project(state, project_id, root=root, notice=remove_folders(str(error)), status=409)
    log.info("event=form_applied project=%d action=%s", project_id, action)
    return RedirectResponse(f"../{project_id}", 303)
