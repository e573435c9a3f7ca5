"""Metrics of the workers: the server reads them from the registry."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from backend.loop.effort.store import EffortStore, Entry
from backend.registry import versions
from backend.registry.records import Effort, Version
from backend.registry.rows import version_of
from backend.registry.tables import VersionRow
from backend.registry.worker_figures import WorkerFigures, WorkerFiguresStore
from backend.server.coverage import Coverage
from backend.server.metrics import Metrics
from backend.services import Services

PROJECT = 7
EVIDENCE = {"judged_on": 12, "controls": {"mood": {"candidate": 0.9, "live": 0.8, "shipped": 0.5, "reason": "better"}}}


@pytest.fixture
def services_with_project(services: Services) -> Services:
    services.registry.register_project(PROJECT, label_config="<View/>", extra_params=None)
    return services


def read_metrics(services: Services) -> dict[str, float]:
    metrics = Metrics(services.registry, services.pending_events, Coverage(services.settings))
    lines = (line for line in generate_latest(metrics.collectors).decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_cycles_and_trainings_are_counted(services_with_project: Services) -> None:
    figures = WorkerFiguresStore(services_with_project.engine)
    assert figures.read() == []
    figures.add_cycle(PROJECT, seconds=2.0, failed=False)
    figures.add_cycle(PROJECT, seconds=3.0, failed=True)
    assert figures.read() == [WorkerFigures(PROJECT, 2, 5.0, 1, 0, 0.0, None)]
    figures.add_training(PROJECT, seconds=4.0)
    figures.add_training(PROJECT, seconds=6.0)
    values = read_metrics(services_with_project)
    expected = {
        "cycles_total": 2,
        "cycle_seconds_total": 5,
        "cycle_errors_total": 1,
        "trainings_total": 2,
        "training_seconds_total": 10,
        "last_training_seconds": 6,
    }
    assert {name: values[f'galaxyloop_{name}{{project="{PROJECT}"}}'] for name in expected} == expected


def test_the_scores_of_the_newest_gate_are_exposed(services_with_project: Services) -> None:
    registry = services_with_project.registry
    for evidence in (EVIDENCE, None):  # the second version has not been compared yet
        with registry.create_version(PROJECT, label_config="<View/>", fingerprint="f", learned_from=20) as (folder, number):
            (folder / "heads.json").write_text("{}")
        if evidence is not None:
            registry.reject(PROJECT, number, evidence=evidence)
    values = read_metrics(services_with_project)
    assert values['galaxyloop_gate_score{control="mood",head="candidate",project="7"}'] == 0.9
    assert values['galaxyloop_gate_score{control="mood",head="live",project="7"}'] == 0.8
    assert values['galaxyloop_gate_version{project="7"}'] == 2
    assert values['galaxyloop_gate_tasks{project="7"}'] == 12


def test_only_the_newest_versions_are_parsed(services_with_project: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = services_with_project.registry
    entries = []
    for number in range(2, 42):
        with registry.create_version(PROJECT, label_config="<View/>", fingerprint="f", learned_from=20) as (_, new_number):
            assert new_number == number
        registry.promote(PROJECT, number, evidence=EVIDENCE)
        entries.append(Entry(number, "now", number, {"box": Effort(accepted=number)}))
    EffortStore(services_with_project.engine).write(PROJECT, entries)
    parsed_numbers: list[int] = []

    def record_and_parse(row: VersionRow) -> Version:
        parsed_numbers.append(row.number)
        return version_of(row)

    monkeypatch.setattr(versions, "version_of", record_and_parse)
    values = read_metrics(services_with_project)
    assert values['galaxyloop_gate_version{project="7"}'] == 41
    assert values['galaxyloop_regions{action="accepted",control="box",project="7"}'] == 41
    assert sorted(set(parsed_numbers)) == list(range(32, 42))


def test_the_edited_share_is_that_of_the_newest_version_with_annotations(services_with_project: Services) -> None:
    registry = services_with_project.registry
    with registry.create_version(PROJECT, label_config="<View/>", fingerprint="f", learned_from=20) as (folder, _):
        (folder / "heads.json").write_text("{}")
    EffortStore(services_with_project.engine).write(
        PROJECT, [Entry(1, "now", 1, {"box": Effort(accepted=3, edited=1, rejected=1, added=2)})]
    )
    values = read_metrics(services_with_project)
    assert values['galaxyloop_edited_share{control="box",project="7"}'] == pytest.approx(0.4)
    assert values['galaxyloop_regions{action="added",control="box",project="7"}'] == 2
