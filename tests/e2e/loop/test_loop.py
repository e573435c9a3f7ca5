"""The loop on a real Label Studio: annotations, versions, and each rule of docs/loop.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from backend.loop.examples.examples import gather_examples
from backend.loop.examples.snapshot import take_snapshot
from backend.prediction.control_models.examples import ImageOfTask
from backend.prediction.factory import read_config
from backend.registry.records import config_hash
from backend.registry.task_queues import TaskQueues
from sync.label_studio.annotations import read_annotations
from sync.label_studio.projects import set_uncertainty_sampling
from tests.printed_tables import rows_of

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

CLASSES = ("Star or artifact", "Can't tell")
"""The shipped head has neither of them, so that a version trained on a few labels is significantly better."""


@pytest.fixture(scope="module")
def trained_project(loop: Loop) -> Project:
    """Return a project with one trained batch, for tests that only read."""
    project = loop.new_project()
    set_uncertainty_sampling(loop.client, project.id)
    project.annotate(project.teachers(), *CLASSES)
    project.wait_for_version(2)
    return project


@pytest.fixture
def project(loop: Loop) -> Project:
    return loop.new_project()


# --- day 0


def test_all_controls_of_an_attached_project_are_predicted(loop: Loop) -> None:
    project = loop.new_project("everything")
    assert project.predicted_by(project.name_of(1)) == project.tasks
    assert {region["from_name"] for prediction in project.predictions for region in prediction.result} == {
        "morphology",
        "outline",
    }
    assert project.title == project.state.model_version == project.name_of(1)
    project.assert_sound()


def test_tasks_imported_later_are_predicted(project: Project) -> None:
    project.import_again(3)
    project.loop.wait_until(lambda: project.predicted_by(project.name_of(1)) == project.tasks, "new tasks predicted", project)
    assert project.loop.events()["TASKS_CREATED"] > 0


def test_new_tasks_are_predicted_if_as_many_were_deleted(project: Project) -> None:
    deleted_tasks, remaining = project.tasks[:2], project.tasks[2:]
    for task in deleted_tasks:
        project.loop.client.send("DELETE", f"/api/tasks/{task}/")
    project.import_again(len(deleted_tasks))
    project.loop.wait_until(lambda: project.predicted_by(project.name_of(1)) == project.tasks, "new tasks predicted", project)
    assert set(remaining) < set(project.tasks)


# --- a batch


def test_a_batch_trains_a_version_that_goes_live_with_its_evidence(trained_project: Project) -> None:
    base, version = trained_project.versions
    assert (base.verdict, version.verdict) == ("base", "live")
    assert version.learned_from == 8
    assert version.evidence["compared_with"] == base.name
    assert "morphology is better" in version.evidence["reason"]
    assert version.heads == {"morphology": 2}
    assert set(trained_project.read_labels(version)) == {
        annotation.id for annotation in read_annotations(trained_project.loop.client, trained_project.id)
    }
    trained_project.assert_nothing_lost()


def test_open_tasks_have_one_prediction_of_the_new_version(trained_project: Project) -> None:
    assert trained_project.predicted_by(trained_project.name_of(2)) == trained_project.to_do()
    assert trained_project.title == trained_project.state.model_version == trained_project.name_of(2)
    trained_project.assert_sound()


def test_events_without_the_secret_are_rejected(trained_project: Project) -> None:
    assert trained_project.loop.events()["ANNOTATION_CREATED"] >= 8
    event = {"action": "ANNOTATION_CREATED", "project": {"id": trained_project.id}}
    assert httpx.post(f"{trained_project.loop.settings.public_url}/webhook", json=event, trust_env=False).status_code == 401


def test_the_next_task_has_the_lowest_score_of_the_new_version(trained_project: Project) -> None:
    task = trained_project.loop.client.get(f"/api/projects/{trained_project.id}/next")["id"]
    scores = {
        prediction.task: prediction.score
        for prediction in trained_project.predictions
        if prediction.version == trained_project.name_of(2)
    }
    assert scores[task] == min(scores.values())


def test_the_commands_show_the_results_of_the_loop(trained_project: Project) -> None:
    rows = rows_of(trained_project.loop.command("status"))
    (status,) = (row for row in rows if row[0] == str(trained_project.id))
    assert status[1] == trained_project.name_of(2)
    versions = trained_project.loop.command("versions", str(trained_project.id))
    assert "morphology is better" in versions
    assert "cross-validation" in versions


def test_held_out_tasks_have_random_scores_and_are_only_compared(loop: Loop) -> None:
    project = loop.new_project(batch=11)
    held_out = project.held_out
    project.wait_until_quiet()
    front = TaskQueues(project.loop.services.engine).front(project.id)
    scores = front.own_scores[project.name_of(1)]
    other_scores = [score for task, score in scores.items() if task not in held_out]
    assert 1 <= len(held_out) <= 12  # of 24
    assert scores.keys() == set(project.tasks)
    assert front.tasks[0] not in held_out
    assert all(min(other_scores) <= scores[task] <= max(other_scores) for task in held_out)
    project.annotate([min(held_out), *project.teachers(10)], *CLASSES)
    version = project.wait_for_version(2)
    assert version.learned_from == 10
    assert version.evidence["controls"]["morphology"]["by"] == "cross-validation and 1 held-out tasks"
    project.assert_sound()


def test_a_version_that_is_not_better_does_not_go_live(project: Project) -> None:
    teachers = project.teachers()
    project.annotate(teachers, *CLASSES)
    project.wait_for_version(2)
    first, other = teachers[:4], project.teachers(12)[8:]
    project.annotate(other, *CLASSES)
    notes = read_annotations(project.loop.client, project.id, task_ids=first)
    project.edit([note.id for note in notes], *CLASSES[::-1])  # half of the labels are wrong now
    version = project.wait_for_training(3)
    assert version.verdict == "rejected"
    assert project.record.live_version == 2
    assert version.evidence["controls"]["morphology"]["versus_live"]["answer"] in ("worse", "cannot tell")
    project.assert_sound()


def test_a_ground_truth_annotation_is_used_only_for_comparison(project: Project) -> None:
    annotations = project.annotate(project.teachers(9), *CLASSES)
    project.loop.client.send("PATCH", f"/api/annotations/{annotations[0]}/", json={"ground_truth": True})
    project.press_start_training()
    project.wait_until_quiet()
    version = project.versions[-1]
    assert version.learned_from in (7, 8)
    ground_truth = {annotation.id: annotation.ground_truth for annotation in read_annotations(project.loop.client, project.id)}
    assert ground_truth == {id_: id_ == annotations[0] for id_ in annotations}


# --- which annotations count


def test_skipped_draft_and_empty_annotations_are_not_used_for_training(project: Project) -> None:
    tasks = project.teachers(16)
    project.annotate(tasks[:8], *CLASSES, was_cancelled=True)
    for task in tasks[8:]:
        project.loop.client.send("POST", f"/api/tasks/{task}/drafts", json={"result": []})
        project.loop.client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": []})
    assert project.wait_until_quiet().startswith(f"0 of 8 changed annotations gathered since {project.name_of(1)}")
    assert project.numbers == [1]


def test_edited_and_deleted_annotations_count_as_changes(project: Project) -> None:
    annotations = project.annotate(project.teachers(), *CLASSES)
    project.wait_for_version(2)
    project.edit(annotations[:4], "Spiral", "Elliptical")
    for annotation in annotations[6:]:
        project.loop.client.send("DELETE", f"/api/annotations/{annotation}/")
    more = project.annotate(project.teachers(10)[8:], *CLASSES)
    assert set(project.read_labels(project.wait_for_training(3))) == {*annotations[:6], *more}
    project.assert_nothing_lost()
    project.assert_sound()


def test_a_task_whose_annotation_is_deleted_is_predicted_again(project: Project) -> None:
    annotations = project.annotate(project.teachers(), *CLASSES)
    project.wait_for_version(2)
    project.loop.client.send("DELETE", f"/api/annotations/{annotations[0]}/")
    assert project.wait_until_quiet().startswith(f"1 of 8 changed annotations gathered since {project.name_of(2)}")
    assert project.predicted_by(project.name_of(2)) == project.to_do() == sorted({*project.tasks} - {*project.teachers()[1:]})


def test_two_annotations_of_a_task_give_a_soft_label(project: Project) -> None:
    client = project.loop.client
    other = client.send("POST", "/api/users/", json={"email": f"second-{project.id}@example.com", "username": "second"})["id"]
    (task,) = project.teachers(1)
    project.annotate([task], "Spiral")
    project.annotate([task], "Elliptical", completed_by=other)
    project.annotate([task], "Merger", completed_by=other)
    config = read_config(project.record.label_config)
    snapshot = take_snapshot(read_annotations(client, project.id))
    examples = gather_examples(
        snapshot.training, config, config.controls, sizes_of=lambda references: [None] * len(references)
    )["morphology"]
    shares = zip(config.controls[0].labels, examples.labels[ImageOfTask(task, "image")].tolist(), strict=True)
    assert {label.value: share for label, share in shares if share} == {"Spiral": 0.5, "Merger": 0.5}


# --- when it trains


def test_too_few_labels_give_a_reason_and_no_version(project: Project) -> None:
    project.annotate(project.teachers(3), *CLASSES)
    project.press_start_training()
    assert "not trained: morphology: there are 3 labelled images" in project.wait_until_quiet()
    assert project.numbers == [1]


def test_a_single_class_gives_a_reason_and_no_version(project: Project) -> None:
    project.annotate(project.teachers(), "Spiral")
    assert "all 8 labelled images have the same label (Spiral)" in project.wait_until_quiet()
    assert project.numbers == [1]


def test_start_training_trains_below_the_batch(project: Project) -> None:
    project.annotate(project.teachers(7), *CLASSES)
    assert project.wait_until_quiet().startswith("7 of 8 changed annotations gathered")
    project.press_start_training()
    assert project.wait_for_training(2).learned_from == 7
    project.press_start_training()
    assert project.wait_until_quiet() == f"nothing new since {project.name_of(2)}"
    assert project.numbers == [1, 2]


def test_a_project_can_have_its_own_batch(loop: Loop) -> None:
    project = loop.new_project(batch=6)
    project.annotate(project.teachers(6), *CLASSES)
    assert project.wait_for_training(2).learned_from == 6


# --- back and forth


def test_a_rollback_restores_predictions_and_title_and_lasts(project: Project) -> None:
    project.annotate(project.teachers(), *CLASSES)
    project.wait_for_version(2)
    project.loop.command("rollback", str(project.id), "v0001")
    project.wait_for_version(1)
    assert project.title == project.state.model_version == project.name_of(1)
    assert project.numbers == [1, 2]
    project.assert_sound()


def test_each_labelling_config_has_its_own_live_version(project: Project) -> None:
    before = project.state.label_config
    project.annotate(project.teachers(), *CLASSES)
    project.wait_for_version(2)
    after = before.replace('<Choice value="Merger"', '<Choice value="Ring"/><Choice value="Merger"')
    project.configure(after)
    assert project.wait_for_version(3).config_hash == config_hash(after)
    project.assert_sound()
    project.configure(before)
    assert project.wait_for_version(2).config_hash == config_hash(before)
    project.assert_sound()
