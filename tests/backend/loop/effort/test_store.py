"""The effort store: the sums of a version are always those of the annotations in their current state."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.loop.effort.store import IDS_PER_STATEMENT, EffortStore, Entry
from backend.registry.records import Effort
from backend.services import Services

pytestmark = pytest.mark.databases

CONFIG = "<View/>"
PROJECT = 7


@pytest.fixture
def effort_store(services: Services) -> EffortStore:
    """Return the effort store of a project with the versions 1 and 2."""
    for project in (PROJECT, 8):
        services.registry.register_project(project, label_config=CONFIG, extra_params=None)
    with services.registry.create_version(PROJECT, label_config=CONFIG, fingerprint="f", learned_from=12) as (folder, _):
        (folder / "heads.json").write_text("{}")
    return EffortStore(services.engine)


def sums(services: Services) -> dict[int, dict[str, Effort]]:
    return {version.number: version.effort for version in services.registry.versions(PROJECT)}


def boxes(annotation: int, effort: Effort, *, version: int | None = 1, at: str = "monday") -> Entry:
    return Entry(annotation, at, version, {"boxes": effort})


def test_a_version_without_annotations_has_no_effort(services: Services, effort_store: EffortStore) -> None:
    assert sums(services) == {1: {}, 2: {}}
    assert effort_store.stamps(PROJECT) == {}


def test_effort_is_summed_for_each_version_and_control(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [boxes(1, Effort(accepted=2)), Entry(2, "monday", 1, {"class": Effort(edited=1)})])
    effort_store.write(PROJECT, [boxes(3, Effort(edited=1, compared=1, overlap=0.5)), boxes(4, Effort(added=1), version=2)])
    assert sums(services) == {
        1: {"boxes": Effort(accepted=2, edited=1, compared=1, overlap=0.5), "class": Effort(edited=1)},
        2: {"boxes": Effort(added=1)},
    }


def test_an_annotation_that_is_measured_again_counts_once(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [boxes(1, Effort(accepted=2))])
    effort_store.write(PROJECT, [boxes(1, Effort(rejected=2), at="tuesday")])
    assert sums(services)[1] == {"boxes": Effort(rejected=2)}
    assert effort_store.stamps(PROJECT) == {1: "tuesday"}


def test_the_effort_of_a_deleted_annotation_is_subtracted(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [boxes(1, Effort(accepted=2)), boxes(2, Effort(accepted=1), version=2)])
    effort_store.write(PROJECT, [], outdated_ids={1, 99})
    assert sums(services) == {1: {}, 2: {"boxes": Effort(accepted=1)}}


def test_an_annotation_of_an_unknown_version_is_stored_and_counted(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [Entry(1, "monday", None), boxes(2, Effort(accepted=1))])
    assert (effort_store.unknown(PROJECT), effort_store.stamps(PROJECT)) == (1, {1: "monday", 2: "monday"})
    assert sums(services)[1] == {"boxes": Effort(accepted=1)}


def test_projects_are_independent(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(8, [boxes(1, Effort(accepted=1)), Entry(2, "monday", None)])
    effort_store.write(PROJECT, [], outdated_ids={1, 2})
    assert sums(services) == {1: {}, 2: {}}
    assert (effort_store.unknown(PROJECT), effort_store.unknown(8), effort_store.stamps(8)) == (
        0,
        1,
        {1: "monday", 2: "monday"},
    )


def test_more_entries_than_a_statement_allows_are_deleted(services: Services, effort_store: EffortStore) -> None:
    ids = range(2 * IDS_PER_STATEMENT + 1)
    effort_store.write(PROJECT, [boxes(number, Effort(accepted=1)) for number in ids])
    assert sums(services)[1] == {"boxes": Effort(accepted=len(ids))}
    effort_store.write(PROJECT, [], outdated_ids=ids)
    assert (sums(services)[1], effort_store.stamps(PROJECT)) == ({}, {})


def test_the_verdict_of_the_gate_does_not_change_the_effort(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [boxes(1, Effort(accepted=1), version=2)])
    services.registry.promote(PROJECT, 2, evidence={"reason": "better"})
    assert services.registry.version(PROJECT, 2).effort == {"boxes": Effort(accepted=1)}


def test_the_median_time_is_of_the_annotations_begun_from_a_version(effort_store: EffortStore) -> None:
    times = {1: 30.0, 2: 10.0, 3: 20.0, 4: None, 5: float("inf")}
    effort_store.write(PROJECT, [Entry(annotation, "monday", 1, {}, seconds) for annotation, seconds in times.items()])
    effort_store.write(PROJECT, [Entry(6, "monday", 2, {}, 5.0), Entry(7, "monday", None, {}, 99.0)])
    assert effort_store.median_seconds(PROJECT) == {1: 20.0, 2: 5.0}


counts = st.builds(Effort, *[st.integers(0, 5)] * 4)
entries = st.builds(boxes, st.integers(1, 6), counts, version=st.sampled_from([None, 1, 2]))
histories = st.lists(
    st.tuples(st.lists(entries, max_size=4, unique_by=lambda entry: entry.annotation_id), st.sets(st.integers(1, 6)))
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(histories)
def test_the_sums_equal_those_of_the_current_entries(
    services: Services, effort_store: EffortStore, history: list[tuple[list[Entry], set[int]]]
) -> None:
    effort_store.write(PROJECT, [], outdated_ids=effort_store.stamps(PROJECT))  # of the previous example
    current: dict[int, Entry] = {}
    for version_number, is_deleted in history:
        effort_store.write(PROJECT, version_number, outdated_ids=is_deleted)
        current = {id_: entry for id_, entry in current.items() if id_ not in is_deleted} | {
            entry.annotation_id: entry for entry in version_number
        }
    for version in (1, 2):
        of_version = [entry.effort["boxes"] for entry in current.values() if entry.version == version]
        counts = services.registry.version(PROJECT, version).effort.get("boxes", Effort())
        assert counts == sum(of_version, Effort())
    assert effort_store.stamps(PROJECT).keys() == current.keys()
