"""Tests of the stored report of a project."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from backend.registry.database import open_database
from backend.registry.store import Registry
from backend.registry.tables import ReportRow
from backend.reports.estimate import Estimate
from backend.reports.report import ControlReport, Report, VersionReport
from backend.reports.store import ReportStore

CONFIG = '<View><Image name="image" value="$image"/></View>'


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db")
    Registry(engine, folder=tmp_path).register_project(7, label_config=CONFIG, extra_params=None)
    return engine


def _report(*, live: int) -> Report:
    version = VersionReport(
        number=live,
        name="v0002-3f9a7c",
        created_at=1.0,
        labels=40,
        metrics={"accuracy": Estimate(value=0.9, low=0.8, high=0.95)},
    )
    return Report(project=7, made_at=2.0, live=live, controls=[ControlReport(name="kind", kind="classes", versions=[version])])


def test_a_project_has_no_report_at_first(engine: Engine) -> None:
    assert ReportStore(engine).read(7) is None


def test_the_newest_report_replaces_the_earlier_one(engine: Engine) -> None:
    store = ReportStore(engine)
    store.write(_report(live=1))
    store.write(_report(live=2))
    assert store.read(7) == _report(live=2)


def test_a_report_of_another_release_counts_as_missing(engine: Engine) -> None:
    store = ReportStore(engine)
    store.write(_report(live=1))
    with Session(engine) as session:
        session.execute(update(ReportRow).values(content='{"project": "seven"}'))
        session.commit()
    assert store.read(7) is None
