"""The pages: every part of a report is shown, an absent part is named, and nothing unsafe is sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from backend.jobs.heartbeat import Heartbeat
from backend.reports.report import ControlReport, Gallery, Report, Thumbnail
from backend.reports.store import ReportStore
from backend.server.app import create_app
from backend.services import Services
from tests.backend.server.pages.conftest import CONFIG, PASSWORD, PROJECT, add_version
from tests.example_report import LABELS, make_report

VOID = {"meta", "link", "input", "img", "br", "path", "circle", "rect"}
IMAGES = [Image.new("RGB", (64, 64), (20, 40, shade)) for shade in (60, 200)]


class Structure(HTMLParser):
    """Checks that tags are closed in order, and collects headings, ids and references to them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.references += attributes.get("aria-labelledby", "").split()
        if attributes.get("href", "").startswith("#"):
            self.references.append(attributes["href"][1:])
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "img" or attributes["alt"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def check_structure(page: str) -> None:
    structure = Structure()
    structure.feed(page)
    assert not structure.open
    assert structure.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(structure.levels, structure.levels[1:], strict=False))
    assert len(set(structure.ids)) == len(structure.ids)
    assert set(structure.references) <= set(structure.ids)


def write_report(services: Services, **more: object) -> Report:
    names = [version.name for version in services.registry.versions(PROJECT)]
    report = make_report(names, IMAGES).model_copy(update=more)
    ReportStore(services.engine).write(report)
    return report


def page_of(client: TestClient, path: str = f"/projects/{PROJECT}", *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    check_structure(answer.text)
    return re.sub(r"\s+", " ", answer.text)


def test_the_page_shows_every_part_of_a_report(project: Services, client: TestClient) -> None:
    report = write_report(project, problems=["All annotations of ring have the same class."])
    page = page_of(client)
    for control in report.controls:
        assert f">{control.name}</h2>" in page
    for title in (
        "Learning curve",
        "Change between versions",
        "Confusion matrix",
        "Reliability",
        "Accepted unedited",
        "Time per task",
    ):
        assert f">{title}</h3>" in page
    assert "The next 100 labels would bring +0.008 ± 0.006 macro AUC, in about 1.9 hours of work." in page
    assert "more labels help" in page
    assert "41% (22% to 55%)" in page
    assert all(f'scope="row">{label}' in page for label in LABELS)
    assert all(version.name in page for version in project.registry.versions(PROJECT))
    assert 'href="http://studio.example:8080/projects/7/data?task=12"' in page
    assert f"data:image/jpeg;base64,{report.galleries[0].tasks[0].jpeg}" in page
    assert f"{report.tasks} images along the two principal axes" in page
    assert "All annotations of ring have the same class." in page
    assert f'{report.annotated}</p> <p class="unit">of {report.tasks} tasks are annotated' in page


def test_a_single_held_out_image_is_in_the_singular(project: Services, client: TestClient) -> None:
    report = write_report(project)
    write_report(project, controls=[report.controls[0].model_copy(update={"held_out": 1})])
    page = page_of(client)
    assert "on 1 held-out image<" in page
    assert "All versions on the same 1 held-out image, with" in page


def test_the_page_names_what_the_worker_does(project: Services, client: TestClient) -> None:
    assert "The worker does not run" in page_of(client)
    with Heartbeat(project.engine, "worker").run() as worker:
        assert "The worker waits for annotations." in page_of(client)
        with worker.record_work(PROJECT):
            assert "The worker has worked on this project since" in page_of(client)
        project.pending_events.mark([PROJECT])
        assert "The worker reads the annotations next: an event came" in page_of(client)


def test_a_project_without_a_report_shows_its_versions(project: Services, client: TestClient) -> None:
    page = page_of(client)
    assert "There is no report yet." in page
    assert "better, 3" in page


def test_a_report_without_labels_names_what_is_missing(project: Services, client: TestClient) -> None:
    write_report(
        project, annotated=0, training=0, held_out=0, controls=[ControlReport(name="c", kind="classes")], galleries=[], map=None
    )
    page = page_of(client)
    assert "The shipped model predicts until the first batch is annotated." in page
    assert "Not scored yet: no held-out image has a label for this control." in page


def test_a_report_of_another_version_is_named(project: Services, client: TestClient) -> None:
    write_report(project)
    project.registry.promote(PROJECT, 2)
    assert "The figures below describe version 3" in page_of(client)


def test_a_damaged_version_is_a_problem(project: Services, client: TestClient) -> None:
    add_version(project)
    folder = "/srv/galaxyloop/versions/7/v0004"
    project.registry.record_damage(PROJECT, 4, reason=f"{folder}/heads.json is not as it was written")
    project.registry.set_status(PROJECT, f"v0004 is damaged ({folder}/heads.json is not as it was written)")
    page = page_of(client)
    assert "The files of v0004-" in page
    assert "v0004 is damaged (heads.json is not as it was written)" in page
    assert "/srv" not in page


@pytest.mark.parametrize(
    ("away", "sentence"), [("detached", "galaxyloop project attach 7"), ("gone", "is deleted in Label Studio")]
)
def test_a_project_that_is_away_is_named(project: Services, client: TestClient, away: str, sentence: str) -> None:
    project.registry.set_away(PROJECT, away)
    assert sentence in page_of(client)


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "7.0", "%D9%A7", "abc"])
def test_a_path_without_the_number_of_a_project_is_not_found(client: TestClient, number: str) -> None:
    for method, path in (("GET", f"/projects/{number}"), ("POST", f"/projects/{number}/pin")):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "this page does not exist"})


@pytest.mark.parametrize("number", ["99", str(2**31), "0", "9" * 40])
def test_an_unknown_project_is_a_page_with_status_404(client: TestClient, number: str) -> None:
    assert f"Project {number} is not known here" in page_of(client, f"/projects/{number}", status=404)


def test_texts_are_escaped(project: Services, client: TestClient) -> None:
    attack = "<script>alert(1)</script>\"'"
    gallery = Gallery(kind="uncertain", title=attack, tasks=[Thumbnail(task=1, jpeg=attack, caption=attack)])
    control = write_report(project).controls[0].model_copy(update={"name": attack, "problem": attack})
    write_report(project, galleries=[gallery], controls=[control], problems=[attack])
    project.registry.set_status(PROJECT, attack)
    for path in ("/", f"/projects/{PROJECT}"):
        page = page_of(client, path)
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_the_list_shows_each_project(project: Services, client: TestClient) -> None:
    write_report(project, problems=["All annotations of ring have the same class."])
    project.registry.register_project(12, label_config=CONFIG, extra_params=None)
    page = page_of(client, "/")
    assert 'href="projects/7"' in page
    assert 'href="projects/12"' in page
    assert "macro AUC 0." in page
    assert "All annotations of ring have the same class." in page


def test_a_server_without_projects_shows_how_to_attach_one(open_services: Callable[..., Services]) -> None:
    client = TestClient(create_app(open_services()), base_url="http://localhost:9090")
    assert "galaxyloop project attach PROJECT" in page_of(client, "/")


def test_pages_load_nothing_from_elsewhere_and_run_no_script(project: Services, client: TestClient) -> None:
    write_report(project)
    answer = client.get(f"/projects/{PROJECT}")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'"
    )
    addresses = re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', answer.text)
    assert all(address.startswith(("data:", "../static/")) for address in addresses)
    assert "<script" not in answer.text


def test_the_style_sheet_is_served(client: TestClient) -> None:
    (address,) = re.findall(r'href="([^"]*pages.css[^"]*)"', client.get("/").text)
    answer = client.get(f"/{address}")
    assert answer.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in answer.text


@pytest.mark.parametrize("path", ["/", f"/projects/{PROJECT}", "/projects/99", "/static/pages.css"])
def test_pages_need_credentials_and_hold_none(client: TestClient, stranger: TestClient, path: str) -> None:
    assert PASSWORD not in client.get(path).text
    assert "a-legacy-token" not in client.get(path).text
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Basic"


@pytest.mark.parametrize(("host", "status"), [("localhost:9090", 200), ("evil.example:9090", 403)])
def test_without_a_password_only_the_servers_own_name_is_answered(
    open_services: Callable[..., Services], host: str, status: int
) -> None:
    client = TestClient(create_app(open_services()), base_url=f"http://{host}")
    assert client.get("/").status_code == status


def test_pages_are_not_part_of_the_api(client: TestClient) -> None:
    assert not [
        path for path in client.get("/openapi.json").json()["paths"] if path == "/" or path.startswith(("/projects", "/static"))
    ]


def test_label_studios_calls_are_answered_as_before(stranger: TestClient) -> None:
    assert stranger.get("/health").json()["status"] == "UP"
