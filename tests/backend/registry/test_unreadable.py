"""The list of unreadable annotations is always that of the last cycle."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.registry.unreadable import Unreadable, UnreadableList
from backend.services import Services

pytestmark = pytest.mark.databases

PROJECT = 7
items = st.lists(
    st.builds(
        Unreadable,
        st.integers(1, 9),
        st.integers(1, 99),
        st.sampled_from(["boxes", "class"]),
        st.sampled_from(["x must be a number", "the label 'Nebula' is not in the labelling config"]),
        st.booleans(),
    ),
    unique_by=lambda item: (item.annotation, item.control),
    max_size=9,
)


@pytest.fixture
def unreadable(services: Services) -> UnreadableList:
    for project in (PROJECT, 8):
        services.registry.register_project(project, label_config="<View/>", extra_params=None)
    return UnreadableList(services.engine)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items, items)
def test_a_list_replaces_the_previous_one(
    unreadable: UnreadableList, before: list[Unreadable], after: list[Unreadable]
) -> None:
    unreadable.replace(PROJECT, before)
    unreadable.replace(PROJECT, after)
    assert unreadable.of(PROJECT) == sorted(after)
    assert unreadable.tasks_left_out(PROJECT) == len({item.task for item in after if item.left_out})
    assert (unreadable.of(8), unreadable.tasks_left_out(8)) == ([], 0)
