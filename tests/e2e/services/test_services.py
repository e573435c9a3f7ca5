"""One project, two backends, two workers, as in docker-compose.yml: trained once and live on both, after any kill."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from sync.label_studio.client import LabelStudioError
from sync.label_studio.tasks import read_tasks
from tests.e2e.services.compose import BACKEND_URL, COMPOSE
from tests.e2e.services.containers import Process
from tests.e2e.services.stack import PUBLIC_URL, Stack


def count_open_tasks(stack: Stack, project: int) -> int:
    return sum(not task.annotated for task in read_tasks(stack.client, project))


def test_the_first_project_is_attached_without_a_manual_token(stack: Stack, project: int) -> None:
    output = stack.command("project", "status", str(project))
    assert "is attached" in output
    assert "events" in output
    assert "do not reach" not in output


def test_label_studio_sends_events_to_the_alias_of_the_backends(stack: Stack, project: int) -> None:
    at_docker = f"{BACKEND_URL}/webhook"
    webhook = stack.client.send("POST", "/api/webhooks/", json={"project": project, "url": at_docker, "is_active": False})
    assert webhook["url"] == at_docker
    stack.client.send("DELETE", f"/api/webhooks/{webhook['id']}/")
    with pytest.raises(LabelStudioError, match="Enter a valid URL"):
        stack.client.send("POST", "/api/webhooks/", json={"project": project, "url": "http://backend:9090/webhook"})


def log_in(stack: Stack, origin: str) -> httpx.Response:
    """Log in as a browser does through a TLS proxy: the headers state https, and Label Studio receives http."""
    with httpx.Client(base_url=stack.studio_url, trust_env=False) as client:
        page = client.get("/user/login/")
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    form = {"csrfmiddlewaretoken": token, "email": "admin@example.com", "password": stack.secret("label_studio_password")}
    cookie = "; ".join(f"{cookie_.name}={cookie_.value}" for cookie_ in client.cookies.jar)
    headers = {"Origin": origin, "Referer": f"{origin}/user/login/", "Host": origin.split("/")[2], "Cookie": cookie}
    return httpx.post(f"{stack.studio_url}/user/login/", data=form, headers=headers, trust_env=False)


def test_annotators_log_in_through_a_tls_proxy(stack: Stack) -> None:
    session = log_in(stack, PUBLIC_URL)
    assert session.is_redirect, session.text
    assert "sessionid" in session.cookies
    assert all("Secure" in cookie for cookie in session.headers.get_list("set-cookie"))


def test_a_login_from_another_site_is_rejected(stack: Stack) -> None:
    assert log_in(stack, "https://elsewhere.example.org").status_code == httpx.codes.FORBIDDEN


def test_a_worker_is_healthy(stack: Stack) -> None:
    _, *words = COMPOSE["services"]["worker"]["healthcheck"]["test"]
    assert "can be used" in stack.command(*words[1:])


def test_the_next_run_deletes_a_duplicate_prediction(stack: Stack, project: int) -> None:
    first = stack.client.get("/api/predictions/", project=project)[0]
    second = {name: first[name] for name in ("task", "result", "score", "model_version")}
    stack.client.send("POST", f"/api/projects/{project}/import/predictions", json=[second])
    assert f"were deleted for the tasks {first['task']} (1 in all)" in stack.command("prelabel", str(project))
    assert stack.count_predicted(project, "v0001") == len(read_tasks(stack.client, project))


def test_label_studio_does_not_call_other_private_addresses(stack: Stack, project: int) -> None:
    for url in (f"http://127.0.0.1:{stack.port}", "http://10.213.57.1:9090", "http://192.168.1.1"):
        with pytest.raises(LabelStudioError, match="reserved network address"):
            stack.client.send("POST", "/api/ml", json={"project": project, "url": url, "title": "inside"})
        with pytest.raises(LabelStudioError, match="reserved network address"):
            stack.client.send("POST", "/api/webhooks/", json={"project": project, "url": url})


def test_each_database_rejects_the_user_of_the_other(stack: Stack, postgresql: Any) -> None:
    password = stack.secret("label_studio_database_password")
    other = create_engine(f"postgresql+psycopg://label_studio:{password}@127.0.0.1:{postgresql.port}/galaxyloop")
    with pytest.raises(OperationalError, match="permission denied for database"):
        other.connect()


def test_a_batch_is_trained_once_and_goes_live_on_both_backends(stack: Stack, project: int, first_batch: list[int]) -> None:
    stack.wait_for_version(project, "v0002")
    assert stack.trained_versions() == ["2"]
    assert stack.count_predicted(project, "v0002") == count_open_tasks(stack, project)
    stack.assert_nothing_lost(project, "v0002")


def test_another_worker_replaces_one_that_is_killed_during_training(
    stack: Stack, project: int, first_batch: list[int], postgresql: Any
) -> None:
    def training(worker: Process) -> bool:
        return worker.read_log().count("event=training") > worker.read_log().count("event=trained")

    versions = create_engine(postgresql.url("galaxyloop"))
    with versions.connect() as lock:
        lock.exec_driver_sql("LOCK TABLE versions IN SHARE MODE")  # so that no training ends before the kill
        stack.turn_round(first_batch)
        stack.wait_until(lambda: any(map(training, stack.workers)), "a worker trains")
        killed_worker, other = sorted(stack.workers, key=training, reverse=True)
        killed_worker.kill()
        lock.rollback()

    def is_decided() -> bool:
        with versions.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT verdict FROM versions WHERE project_id = {project} AND number = 3")
            return rows.scalar() in ("live", "rejected")  # with so few labels the result may not be significant

    stack.wait_until(is_decided, "the other worker has trained and judged")
    versions.dispose()
    assert re.search(r"event=trained .*version=3", other.read_log())
    assert sorted(stack.trained_versions()) == ["2", "3"]
    stack.assert_nothing_lost(project, "v0003")
    (live,) = stack.live(project)
    stack.wait_for_version(project, live.partition("-")[0])
    assert stack.count_predicted(project, live.partition("-")[0]) == count_open_tasks(stack, project)


def test_the_registry_is_restored_from_a_backup(stack: Stack, project: int, postgresql: Any) -> None:
    server = postgresql.environment
    (live,) = stack.live(project)
    options = ["-U", "postgres"]
    dump = subprocess.run(["pg_dump", *options, "-Fc", "galaxyloop"], env=os.environ | server, capture_output=True, check=True)
    for process in (*stack.backends, *stack.workers):
        process.kill()
    old_engine = create_engine(postgresql.url("galaxyloop"))
    with old_engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE efforts, versions, projects CASCADE")
    old_engine.dispose()
    restore = ["pg_restore", *options, "--clean", "--if-exists", "-d", "galaxyloop"]
    subprocess.run(restore, env=os.environ | server, input=dump.stdout, capture_output=True, check=True)
    stack.start_galaxyloop()
    (name,) = stack.live(project)
    assert name == live
    assert name in stack.command("versions", str(project))
