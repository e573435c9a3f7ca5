"""Forgetting a project deletes its rows, jobs and folders only, and never while a worker has its lease."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from backend.jobs.lease import hold_lease
from backend.projects.forget import ProjectInUseError, forget_project
from backend.registry.tables import Base, EffortRow, ProcessRow
from backend.services import Services

pytestmark = pytest.mark.databases

CONFIG = "<View/>"


@pytest.fixture
def two_projects(services: Services) -> Services:
    """Return services with projects 7 and 8, each with a version, an annotation's effort, and a job in the queue."""
    for project in (7, 8):
        services.registry.register_project(project, label_config=CONFIG, extra_params=None)
        with services.registry.create_version(project, label_config=CONFIG, fingerprint="f", learned_from=1) as (folder, _):
            (folder / "head").write_text(json.dumps(project))
        with Session(services.engine) as session:
            session.execute(insert(EffortRow).values(project_id=project, annotation_id=1, updated_at="", effort={}))
            session.commit()
        services.mark([project])
        services.queue.schedule(project, delay_s=0)
    return services


def projects_in_tables(services: Services) -> dict[str, set[int]]:
    """Return the projects in each table."""
    with Session(services.engine) as session:
        return {
            table.name: set(session.scalars(select(table.c["project_id" if "project_id" in table.c else "id"])))
            for table in Base.metadata.sorted_tables
            if table.name != ProcessRow.__tablename__
        }


def test_all_data_of_one_project_and_of_no_other_are_deleted(two_projects: Services) -> None:
    assert two_projects.queue.list_queued() == {7, 8}
    assert forget_project(two_projects, 7, patience_s=0)
    assert all(7 not in projects for projects in projects_in_tables(two_projects).values())
    assert {"projects", "versions", "efforts"} <= {name for name, ids in projects_in_tables(two_projects).items() if ids == {8}}
    assert [path.name for path in two_projects.settings.versions_dir.iterdir()] == ["8"]
    assert two_projects.queue.list_queued() == {8}


def test_jobs_in_redis_are_deleted(open_services: Callable[..., Services], redis: object) -> None:
    services = open_services(queue_url=redis.url)  # type: ignore[attr-defined]
    redis.client.flushall()  # type: ignore[attr-defined]
    for project in (7, 8):
        services.queue.schedule(project, delay_s=0)
        services.queue.schedule(project, delay_s=100)
    services.queue.forget(7)
    assert services.queue.list_queued() == {8}


def test_a_project_held_by_a_worker_is_not_deleted(two_projects: Services) -> None:
    with (
        hold_lease(two_projects.engine, 7, seconds=30),
        pytest.raises(ProjectInUseError, match=r"project 7 is used by process \d+ on .*: stop it"),
    ):
        forget_project(two_projects, 7, patience_s=0.1)
    assert two_projects.registry.versions(7)
    assert forget_project(two_projects, 7, patience_s=0)


def test_an_unregistered_project_has_no_data_to_delete(services: Services) -> None:
    assert not forget_project(services, 7, patience_s=0)


def test_a_deleted_project_can_be_registered_again(two_projects: Services) -> None:
    forget_project(two_projects, 7, patience_s=0)
    two_projects.registry.register_project(7, label_config=CONFIG, extra_params=None)
    assert [version.number for version in two_projects.registry.versions(7)] == [1]
    assert not two_projects.registry.path(7, 2).exists()
