"""Projects are created, read, and filled with images."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.projects import (
    ProjectState,
    create_project,
    list_states,
    project_state,
    set_uncertainty_sampling,
    upload_images,
)
from tests.small_label_studio import NOT_FOUND, PROJECT, SmallLabelStudio


def test_the_state_of_a_project_is_read(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.add_task(1)
    label_studio.annotate(label_studio.add_task(2), [])
    state = ProjectState(
        PROJECT, "Rings", "<View/>", None, "Sequential sampling", 2, created_at="2026-02-02T00:00:00Z", annotated_count=1
    )
    assert project_state(client, PROJECT) == state
    assert list_states(client) == [state]


def test_a_missing_project_is_named(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.refusals[f"GET /api/projects/{PROJECT}/"] = NOT_FOUND
    with pytest.raises(LabelStudioError, match=f"Label Studio has no project {PROJECT} that this key may see"):
        project_state(client, PROJECT)


def test_sampling_by_uncertainty_is_set(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    set_uncertainty_sampling(client, PROJECT)
    assert label_studio.project["sampling"] == "Uncertainty sampling"


@pytest.mark.parametrize("title", ["ab", "x" * 51])
def test_a_title_that_label_studio_refuses_is_not_sent(client: LabelStudioClient, title: str) -> None:
    with pytest.raises(ValueError, match="3 to 50 characters"):
        create_project(client, title, "<View/>")


def test_images_are_uploaded_once(label_studio: SmallLabelStudio, client: LabelStudioClient, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a b.png", "c (1).jpg", "d.png")]
    for file in files:
        file.write_bytes(file.name.encode())
    assert upload_images(client, PROJECT, files[:2]) == 2
    for task in label_studio.tasks.values():  # as Django stores the names
        task["data"]["image"] = task["data"]["image"].replace("a b", "a_b").replace("c (1)", "c_1")
    progress: list[tuple[int, int]] = []
    assert upload_images(client, PROJECT, files, progress=lambda count, total: progress.append((count, total))) == 1
    assert progress == [(3, 3)]
    assert len(label_studio.tasks) == 3


def test_a_file_type_that_label_studio_rejects_is_named(client: LabelStudioClient, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Label Studio does not accept a\.fits as an image: it accepts \.bmp"):
        upload_images(client, PROJECT, [tmp_path / "a.fits"])


def test_an_upload_that_creates_fewer_tasks_is_an_error(
    label_studio: SmallLabelStudio, client: LabelStudioClient, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    label_studio.refusals[f"POST /api/projects/{PROJECT}/import"] = (201, {"task_count": 0})
    with pytest.raises(LabelStudioError, match=f"Label Studio made 0 tasks of 1 images in project {PROJECT}"):
        upload_images(client, PROJECT, [tmp_path / "a.png"])
