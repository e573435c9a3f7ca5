"""`galaxyloop status`, `pin` and `unpin`: the figures of a project in 80 columns and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import update
from typer.testing import Result

from backend.registry.records import DAMAGED
from backend.registry.tables import ReportRow, VersionRow
from backend.reports.report import ControlReport
from backend.reports.store import ReportStore
from backend.services import Services
from tests.example_report import make_report

KEYS = {
    *("project", "live", "pinned", "published", "away", "now", "pending_s", "status", "status_at", "versions", "report"),
}
"""Keys of the JSON, which scripts read."""


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def project_with_report(run: Callable[..., Result], trained_project: Services) -> Services:
    """Return project 7 with a live version 2 and its report."""
    names = [version.name for version in trained_project.registry.versions(7)]
    ReportStore(trained_project.engine).write(make_report(names, problems=["Tasks 3 and 9 show the same image."]))
    return trained_project


def test_the_figures_of_a_project_fit_in_80_columns(project_with_report: Services, run: Callable[..., Result]) -> None:
    result = run("status", 7)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    text = " ".join(result.stdout.split())
    live = project_with_report.registry.project(7).live_name
    assert f"project 7: {live} is live" in text
    assert "240 of 800 tasks are annotated" in text
    assert "morphology: macro AUC 0." in text
    assert "The next 100 labels would bring +0.008 ± 0.006 macro AUC" in text
    assert "labels saved against random order: 41% (22% to 55%)" in text
    assert "problem: Tasks 3 and 9 show the same image." in text


def test_the_terminal_has_the_figures_of_the_page(project_with_report: Services, run: Callable[..., Result]) -> None:
    text = " ".join(run("status", 7).stdout.split())
    assert "more labels help" in text
    assert "calibration error: 0." in text
    assert f"other scores of {project_with_report.registry.project(7).live_name}: Cohen's kappa 0." in text
    assert "label AUC share correct Elliptical 0.970 (0.950 to 0.990) 0.930" in text
    assert "Elliptical predicted as Spiral" in text
    assert "Least certain: tasks 1, 2, 3, 4, 5, 6, 7, 8" in text
    assert "Annotators disagree: tasks 11, 12," in text
    base, live = (version.name for version in project_with_report.registry.versions(7))
    assert f"{base} shipped the shipped heads, before any annotation" in text
    assert f"{live} live" in text


def test_damaged_files_of_the_live_version_are_a_problem(project_with_report: Services, run: Callable[..., Result]) -> None:
    with project_with_report.engine.begin() as connection:
        connection.execute(update(VersionRow).where(VersionRow.number == 2).values(verdict=DAMAGED))
    text = " ".join(run("status", 7).stdout.split())
    assert "problem: The files of" in text
    assert "are damaged: the last intact version predicts in its place" in text


def test_the_json_of_a_project_has_stable_keys(project_with_report: Services, run: Callable[..., Result]) -> None:
    record = json.loads(run("status", 7, "--json").stdout)
    assert set(record) == KEYS
    assert record["live"] == project_with_report.registry.project(7).live_name
    assert [version["verdict"] for version in record["versions"]] == ["base", "live"]
    assert set(record["versions"][0]) == {"name", "verdict", "created_at", "annotations", "reason"}
    assert record["report"]["controls"][0]["curve"]["forecast"]["labels"] == 100
    assert "map" not in record["report"]
    assert "jpeg" not in str(record["report"]["galleries"])


def test_the_json_of_all_projects_has_the_processes(project_with_report: Services, run: Callable[..., Result]) -> None:
    record = json.loads(run("status", "--json").stdout)
    assert set(record) == {"server", "worker", "projects"}
    assert record["worker"]["alive"] is False
    assert [set(project) for project in record["projects"]] == [KEYS]


def test_a_project_without_a_report_is_shown(run: Callable[..., Result], trained_project: Services) -> None:
    assert "There is no report yet" in run("status", 7).stdout
    assert json.loads(run("status", 7, "--json").stdout)["report"] is None


def test_a_control_without_scores_names_the_reason(project_with_report: Services, run: Callable[..., Result]) -> None:
    control = ControlReport(name="rings", kind="classes", problem="All annotations have the label Ring.")
    ReportStore(project_with_report.engine).write(make_report(["v1", "v2"]).model_copy(update={"controls": [control]}))
    assert "rings: not scored, 0 held-out images\nAll annotations have the label Ring." in run("status", 7).stdout


def test_a_report_of_another_release_counts_as_none(project_with_report: Services, run: Callable[..., Result]) -> None:
    with project_with_report.engine.begin() as connection:
        connection.execute(update(ReportRow).values(content='{"project": "seven"}'))
    assert "There is no report yet" in run("status", 7).stdout


def test_an_unknown_project_is_one_sentence(run_rejected: Callable[..., str], trained_project: Services) -> None:
    for words in (("status", "99"), ("status", "99", "--json"), ("pin", "99"), ("unpin", "99")):
        assert "project 99 is not registered here" in run_rejected(*words)


def test_pin_and_unpin(run: Callable[..., Result], trained_project: Services) -> None:
    live, base = trained_project.registry.project(7).live_name, trained_project.registry.version(7, 1).name
    assert f"{live} of project 7 is live and pinned" in run("pin", 7).stdout
    assert f"{live} is live, pinned" in run("status", 7).stdout
    assert f"{base} of project 7 is live and stays pinned" in run("rollback", 7, "v0001").stdout
    assert f"{live} of project 7 is live and pinned" in run("pin", 7, "v0002").stdout
    assert f"{live} of project 7 is live and not pinned" in run("unpin", 7).stdout
    assert not trained_project.registry.project(7).pinned


@pytest.mark.slow
def test_status_imports_no_large_package() -> None:
    imports = "import sys, backend.services, backend.server.coverage, backend.cli.commands.status, backend.reports.summary"
    script = f"{imports}; print(*({{'torch', 'astropy', 'fastapi', 'jinja2', 'scipy'}} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert not process.stdout.split()


def test_the_json_of_versions_has_stable_keys(run: Callable[..., Result], trained_project: Services) -> None:
    result = run("versions", 7, "--json")
    assert result.exit_code == 0, result.output
    base, live = json.loads(result.stdout)
    assert set(live) == {"name", "verdict", "created_at", "annotations", "evidence", "effort", "live"}
    assert (base["live"], live["live"], live["annotations"]) == (False, True, 20)
