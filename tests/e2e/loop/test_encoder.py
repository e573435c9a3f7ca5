"""Another encoder on a real Label Studio: it is tried, used and given up, and predictions stay available meanwhile."""

from __future__ import annotations

import json
import re
from pathlib import Path

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_model, save_model
from backend.registry.version_files import INDEX
from tests.e2e.loop.conftest import Loop, Project
from tests.e2e.loop.test_loop import CLASSES
from tests.small_encoders import save_encoder


def write_checkpoint(file: Path) -> str:
    """Write an encoder so similar to the network of the shipped classifier that it cannot be measured as worse."""
    encoder, decoder = load_model(SHIPPED_CHECKPOINT)
    next(encoder.parameters()).data *= 1.002
    save_model(encoder, decoder, file, training={})
    return str(file)


def assert_all_open_tasks_are_predicted(project: Project) -> None:
    """Check that the version that annotators are shown has a prediction of each open task."""
    title = project.title
    assert set(project.to_do()) <= set(project.predicted_by(title)), f"{title} lacks predictions"


def test_an_encoder_is_tried_used_and_given_up(loop: Loop, tmp_path: Path) -> None:
    project = loop.new_project()
    number = str(project.id)
    loop.command("encoder", "use", number, "shipped-classifier")
    project.annotate(project.teachers(), *CLASSES)
    before = project.wait_for_version(2)

    trial = loop.command("encoder", "try", number, save_encoder(tmp_path / "random"))
    assert re.search(
        r"^morphology: .* 90 % interval .*; agreement with the annotators 0\.\d+ on the live encoder", trial, re.MULTILINE
    )
    assert len(re.findall(r": [0-9.]+ images/s$", trial, re.MULTILINE)) == 2
    assert project.record.live_name == before.name

    checkpoint = write_checkpoint(tmp_path / "own.safetensors")
    assert f"the encoder of project {number} is {checkpoint}" in loop.command("encoder", "use", number, checkpoint)
    polls = 0

    def is_switched() -> bool:
        nonlocal polls
        polls += 1
        assert_all_open_tasks_are_predicted(project)
        return bool(project.record.published_version == project.record.live_version == 3)

    loop.wait_until(is_switched, "version 3 is live on the other encoder", project)
    assert polls > 1
    live = project.wait_for_version(3)
    (encoder_used,) = [encoder for encoder in loop.services.encoders.encoders() if encoder.spec == checkpoint]
    assert live.encoder == encoder_used.fingerprint != before.encoder
    assert live.learned_from == before.learned_from
    index = json.loads((loop.services.registry.path(project.id, 3) / INDEX).read_text())
    assert index["morphology"]["encoder"] == encoder_used.fingerprint
    assert "live; v0003" in loop.command("encoder", "list", number)
    assert_all_open_tasks_are_predicted(project)

    assert f"{before.name} is live again" in loop.command("encoder", "rollback", number)
    project.wait_for_version(2)
    assert_all_open_tasks_are_predicted(project)
    project.assert_sound()
