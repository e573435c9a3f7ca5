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
    with services.registry.create_version(PROJECT, label_config=CONFIG, fingerprint="f", learned_from=12):
        pass
    return EffortStore(services.engine)


def sums(services: Services) -> dict[int, dict[str, Effort]]:
    return {version.number: version.effort for version in services.registry.versions(PROJECT)}


def boxes(annotation: int, effort: Effort, *, version: int | None = 1, at: str = "monday") -> Entry:
    return Entry(annotation, at, version, {"boxes": effort})


def test_a_version_that_nobody_has_worked_with_has_no_figures(services: Services, effort_store: EffortStore) -> None:
    assert sums(services) == {1: {}, 2: {}}
    assert effort_store.stamps(PROJECT) == {}


def test_the_annotations_of_a_version_are_summed_up_control_by_control(services: Services, effort_store: EffortStore) -> None:
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


def test_an_annotation_that_is_gone_leaves_nothing_behind(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [boxes(1, Effort(accepted=2)), boxes(2, Effort(accepted=1), version=2)])
    effort_store.write(PROJECT, [], gone={1, 99})
    assert sums(services) == {1: {}, 2: {"boxes": Effort(accepted=1)}}


def test_an_annotation_whose_version_is_not_known_is_remembered_and_counted(
    services: Services, effort_store: EffortStore
) -> None:
    effort_store.write(PROJECT, [Entry(1, "monday", None), boxes(2, Effort(accepted=1))])
    assert (effort_store.unknown(PROJECT), effort_store.stamps(PROJECT)) == (1, {1: "monday", 2: "monday"})
    assert sums(services)[1] == {"boxes": Effort(accepted=1)}


def test_projects_do_not_mix(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(8, [boxes(1, Effort(accepted=1)), Entry(2, "monday", None)])
    effort_store.write(PROJECT, [], gone={1, 2})
    assert sums(services) == {1: {}, 2: {}}
    assert (effort_store.unknown(PROJECT), effort_store.unknown(8), effort_store.stamps(8)) == (
        0,
        1,
        {1: "monday", 2: "monday"},
    )


def test_more_annotations_than_a_statement_holds_are_struck_out_all_the_same(
    services: Services, effort_store: EffortStore
) -> None:
    many = range(2 * IDS_PER_STATEMENT + 1)
    effort_store.write(PROJECT, [boxes(one, Effort(accepted=1)) for one in many])
    assert sums(services)[1] == {"boxes": Effort(accepted=len(many))}
    effort_store.write(PROJECT, [], gone=many)
    assert (sums(services)[1], effort_store.stamps(PROJECT)) == ({}, {})


def test_judging_a_version_leaves_its_figures_alone(services: Services, effort_store: EffortStore) -> None:
    effort_store.write(PROJECT, [boxes(1, Effort(accepted=1), version=2)])
    services.registry.promote(PROJECT, 2, evidence={"reason": "better"})
    assert services.registry.version(PROJECT, 2).effort == {"boxes": Effort(accepted=1)}


counts = st.builds(Effort, *[st.integers(0, 5)] * 4)
entries = st.builds(boxes, st.integers(1, 6), counts, version=st.sampled_from([None, 1, 2]))
turns = st.lists(st.tuples(st.lists(entries, max_size=4, unique_by=lambda one: one.annotation_id), st.sets(st.integers(1, 6))))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(turns)
def test_whatever_is_entered_and_struck_out_the_sums_are_those_of_what_stands(
    services: Services, effort_store: EffortStore, history: list[tuple[list[Entry], set[int]]]
) -> None:
    effort_store.write(PROJECT, [], gone=effort_store.stamps(PROJECT))  # of the previous example
    standing: dict[int, Entry] = {}
    for written, gone in history:
        effort_store.write(PROJECT, written, gone=gone)
        standing = {id_: entry for id_, entry in standing.items() if id_ not in gone} | {
            one.annotation_id: one for one in written
        }
    for version in (1, 2):
        of_it = [one.effort["boxes"] for one in standing.values() if one.version == version]
        found = services.registry.version(PROJECT, version).effort.get("boxes", Effort())
        assert found == sum(of_it, Effort())
    assert effort_store.stamps(PROJECT).keys() == standing.keys()
