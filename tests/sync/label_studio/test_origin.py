"""Projects are distinguished by more than their number."""

from __future__ import annotations

import pytest

from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.origin import Absence, find_absence, is_same_project, read_origin
from tests.small_label_studio import NOT_FOUND, PROJECT, SmallLabelStudio

ORIGIN = "2026-01-01T00:00:00Z/2026-02-02T00:00:00Z"
ORGANIZATIONS, ADDRESS = "GET /api/organizations/", f"GET /api/projects/{PROJECT}/"


def test_the_origin_is_the_creation_of_organization_and_project(
    label_studio: SmallLabelStudio, client: LabelStudioClient
) -> None:
    assert read_origin(client, PROJECT) == ORIGIN


def test_without_access_to_the_organization_the_project_is_enough(
    label_studio: SmallLabelStudio, client: LabelStudioClient
) -> None:
    label_studio.refusals[ORGANIZATIONS] = (403, {"detail": "forbidden"})
    assert read_origin(client, PROJECT) == "/2026-02-02T00:00:00Z"


@pytest.mark.parametrize(
    ("origin", "created_at", "same"),
    [
        pytest.param(ORIGIN, "2026-02-02T00:00:00Z", True, id="same"),
        pytest.param(ORIGIN, "2026-03-03T00:00:00Z", False, id="another project with the number"),
        pytest.param("", "2026-03-03T00:00:00Z", True, id="attached before origins were recorded"),
    ],
)
def test_a_project_is_compared_with_its_origin(origin: str, created_at: str, same: bool) -> None:
    assert is_same_project(origin, created_at) is same


def test_a_project_that_answers_is_not_absent(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert find_absence(client, PROJECT, ORIGIN) is None


def test_a_404_of_its_own_label_studio_means_deleted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.refusals[ADDRESS] = NOT_FOUND
    assert find_absence(client, PROJECT, ORIGIN) == Absence(deleted=True)


def test_a_404_of_another_label_studio_does_not_mean_deleted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.refusals[ADDRESS] = NOT_FOUND
    label_studio.organizations = [{"id": 1, "created_at": "2026-09-09T00:00:00Z"}]
    assert find_absence(client, PROJECT, ORIGIN) == Absence(deleted=False)


def test_a_key_that_may_not_read_the_project_is_an_error(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.refusals[ADDRESS] = (403, {"detail": "forbidden"})
    with pytest.raises(LabelStudioError, match="forbidden"):
        find_absence(client, PROJECT, ORIGIN)
