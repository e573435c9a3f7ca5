"""Label Studio's JSON: another Label Studio accepts all of it, and it identifies people by number only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync.geometry.shapes import Box
from sync.labelling.config import parse

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def read_written(folder: Path) -> dict[str, Any]:
    (task,) = json.loads((folder / "train.json").read_text())
    return dict(task)


def test_annotators_are_numbers_in_the_provenance_only(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    person = {"id": 9, "email": "person@example.com", "first_name": "Vera", "last_name": "Rubin", "avatar": None}
    submission = annotation(region("morphology", ["Spiral"]), completed_by=person, created_username="person@example.com, 9")
    folder, _ = run_export([task(submission)], "json")
    (note,) = read_written(folder)["annotations"]
    assert note["provenance"] == {"annotator": 9, "version": ""}
    assert "completed_by" not in note
    assert not any(word in (folder / "train.json").read_text() for word in ("person@", "Vera", "Rubin"))


def test_the_parent_version_is_in_the_provenance(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE, origin="prediction")
    prediction = {"id": 8, "model_version": "v0002", "result": [box]}
    folder, _ = run_export([task(annotation(box, parent_prediction=8), predictions=(prediction,))], "json")
    (note,) = read_written(folder)["annotations"]
    assert note["provenance"]["version"] == "v0002"
    assert not note.keys() & {"parent_prediction", "parent_version", "states"}


def test_annotations_do_not_become_ground_truth(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    """Label Studio marks an imported annotation as ground truth if the field is missing."""
    notes = [annotation(region("morphology", ["Spiral"]), by=n, ground_truth=True) for n in range(2)]
    for consensus, truth in (("latest", True), ("majority", False)):
        folder, _ = run_export([task(*notes)], "json", consensus=consensus)
        assert [note["ground_truth"] for note in read_written(folder)["annotations"]] == [truth]


def test_a_shape_with_labels_of_two_controls_has_two_provenances(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    """Label Studio stores two regions with one id."""
    config = parse(
        '<View><Image name="image" value="$image"/>'
        '<RectangleLabels name="boxes" toName="image"><Label value="Star"/></RectangleLabels>'
        '<RectangleLabels name="rare" toName="image"><Label value="Quasar"/></RectangleLabels></View>'
    )
    star = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    quasar = {**star, "from_name": "rare", "value": {**star["value"], "rectanglelabels": ["Quasar"]}}
    prediction = {"id": 8, "model_version": "v0002", "result": [star]}
    submission = annotation(star, quasar, parent_prediction=8)
    folder, _ = run_export([task(submission, predictions=(prediction,))], "json", config=config)
    (note,) = read_written(folder)["annotations"]
    assert [entry["provenance"]["state"] for entry in note["result"]] == ["accepted", "edited"]


def test_storage_references_are_written_unchanged(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    address = "/tasks/1/resolve/?fileuri=czM6Ly9za3kvZ2FsYXh5LnBuZw=="
    folder, _ = run_export([task(annotation(region("morphology", ["Spiral"])), image=address)], "json")
    assert read_written(folder)["data"] == {"image": "s3://sky/galaxy.png"}
