"""A switch to another encoder: images are embedded ahead, a version is trained on it, and the gate compares."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.heads import EmbeddedHead
from backend.jobs.lease import Lease
from backend.loop.encoders.embed_ahead import embed_ahead
from backend.loop.encoders.target import find_target
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import Snapshot, take_snapshot
from backend.loop.gate.evidence import Verdict
from backend.loop.gate.gate import run_gate
from backend.loop.training.train import train
from backend.prediction.predictor import PredictionTask
from backend.registry.records import Project
from backend.services import Services
from sync.controls import choices
from sync.label_studio.annotations import Annotation
from sync.label_studio.tasks import Task
from sync.labelling.config import parse
from tests.small_encoders import save_encoder

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="mood" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
(CONTROL,) = parse(CONFIG).controls
TASKS = range(1, 25)
ID = 970


class Switched:
    """A project whose odd tasks show a large galaxy and whose even tasks show small ones, all annotated correctly."""

    def __init__(self, services: Services, files: Any, png: Callable[..., bytes]) -> None:
        self.services = services
        services.registry.register_project(ID, label_config=CONFIG, extra_params=None)
        self.tasks = []
        for task in TASKS:
            large, small = ((100, 50, 18 + task % 3),), ((100, 50, 4), (40, 30, 3), (160, 70, 3), (60, 75, 3))
            reference = files.put(f"/data/upload/{ID}/{task}.png", png(spots=large if task % 2 else small, seed=task))
            self.tasks.append(Task(task, {"image": reference}, True, 1, ""))

    @property
    def project(self) -> Project:
        return self.services.registry.project(ID)

    @property
    def snapshot(self) -> Snapshot:
        tasks = []
        for task in self.tasks:
            regions = [choices.encode([CONTROL.labels[task.id % 2].value], control=CONTROL)]
            tasks.append(Annotation(task.id, task.id, task.data, regions, "2026-01-01T00:00:00Z", 1, False, None, None))
        return take_snapshot(tasks, Sides(frozenset(range(17, 25))))

    def train(self, encoder: str = "") -> int:
        return train(self.services, self.project, self.snapshot, allow_none=False, encoder=encoder)

    def run_gate(self, candidate: int) -> Verdict:
        version = self.services.registry.version(ID, candidate)
        return run_gate(self.services, self.project, version, self.snapshot, project_tasks=self.tasks)


@pytest.fixture
def switched_project(open_services: Callable[..., Services], files: Any, png: Callable[..., bytes]) -> Switched:
    return Switched(open_services(), files, png)


@pytest.mark.slow
def test_a_version_on_another_encoder_goes_live_and_predicts(switched_project: Switched, tmp_path: Path) -> None:
    services, registry = switched_project.services, switched_project.services.registry
    registry.promote(ID, switched_project.train())
    entry = services.encoders.add(save_encoder(tmp_path / "mine"))
    candidate = switched_project.train(entry.fingerprint)
    assert registry.version(ID, candidate).encoder == entry.fingerprint
    heads = services.predictors.heads_of(ID, candidate, parse(CONFIG))
    head = heads.by_control["mood"]
    assert isinstance(head, EmbeddedHead)
    assert head.encoder == entry.fingerprint
    verdict = switched_project.run_gate(candidate)
    assert verdict.goes_live
    assert "stands on the chosen encoder" in verdict.reason or "is better" in verdict.reason
    registry.promote(ID, candidate, heads=verdict.heads)
    predictor = services.predictors.of(switched_project.project, label_config=CONFIG)
    assert predictor.extractor.dimension == 32 + 1280
    predictions = predictor.predict([PredictionTask(id=1, data=switched_project.tasks[0].data)])
    assert predictions[0].problem == ""
    assert len(predictions[0].result) == 1


@pytest.mark.slow
def test_a_version_of_an_earlier_release_predicts_until_the_switch(
    switched_project: Switched,
) -> None:
    services, registry = switched_project.services, switched_project.services.registry
    earlier, whole = services.predictors.shipped_encoder, services.encoders.shipped_name
    assert find_target(services, switched_project.project).chosen_encoder == whole
    registry.promote(ID, switched_project.train(earlier))
    target = find_target(services, switched_project.project)
    assert (target.current, target.chosen_encoder, target.spec, target.is_switch) == (earlier, whole, "shipped", True)
    before = services.predictors.of(switched_project.project, label_config=CONFIG)
    assert before.extractor.dimension == 1280
    assert len(before.models) == 1
    pairs: set[tuple[str, str]] = set()
    lease = Lease("test", None)
    assert embed_ahead(
        services, switched_project.project, switched_project.tasks, whole, pairs_done=pairs, lease=lease
    ).is_complete
    candidate = switched_project.train(whole)
    (head,) = services.predictors.heads_of(ID, candidate, parse(CONFIG)).by_control.values()
    assert isinstance(head, EmbeddedHead)
    assert head.encoder == whole
    verdict = switched_project.run_gate(candidate)
    assert verdict.goes_live
    registry.promote(ID, candidate, heads=verdict.heads)
    predictor = services.predictors.of(switched_project.project, label_config=CONFIG)
    assert predictor.extractor.dimension == 2108
    (prediction,) = predictor.predict([PredictionTask(id=1, data=switched_project.tasks[0].data)])
    assert len(prediction.result) == 1
    assert not find_target(services, switched_project.project).is_switch


@pytest.mark.slow
def test_a_worse_encoder_does_not_go_live(switched_project: Switched) -> None:
    services = switched_project.services
    services.registry.promote(ID, switched_project.train())
    references = [task.data["image"] for task in switched_project.tasks]
    noise = np.random.default_rng(0).normal(size=(len(references), 8)).astype(np.float32)
    verdict = switched_project.run_gate(
        switched_project.train(services.encoders.add_vectors("noise.parquet", references, noise).fingerprint)
    )
    assert not verdict.goes_live
    assert "mood is worse" in verdict.reason


@pytest.mark.slow
def test_a_head_without_its_encoder_is_left_out_and_named(
    switched_project: Switched, tmp_path: Path, caplog: pytest.LogCaptureFixture, open_services: Callable[..., Services]
) -> None:
    entry = switched_project.services.encoders.add(save_encoder(tmp_path / "mine"))
    switched_project.services.registry.promote(ID, switched_project.train(entry.fingerprint))
    (switched_project.services.encoders.folder / entry.fingerprint / "model.safetensors").unlink()
    second_services = open_services()
    with caplog.at_level(logging.WARNING):
        predictor = second_services.predictors.of(switched_project.project, label_config=CONFIG)
    assert predictor.models == []
    assert f"event=head_not_used control=mood trained_on={entry.fingerprint}" in caplog.text
    assert "were changed: add it again" in caplog.text


@pytest.mark.slow
def test_images_are_embedded_ahead_until_all_are(switched_project: Switched, tmp_path: Path) -> None:
    services = switched_project.services
    encoder = services.encoders.add(save_encoder(tmp_path / "mine")).fingerprint
    embedded_pairs: set[tuple[str, str]] = set()
    tasks = [*switched_project.tasks, Task(99, {"image": "/data/upload/970/missing.png"}, False, 0, "")]
    before = embed_ahead(
        services, switched_project.project, tasks, encoder, pairs_done=embedded_pairs, lease=Lease("test", None), seconds=0
    )
    assert (before.count_done, before.total, before.is_complete) == (0, 25, False)
    assert embed_ahead(
        services, switched_project.project, tasks, encoder, pairs_done=embedded_pairs, lease=Lease("test", None)
    ).is_complete
    assert (
        embed_ahead(
            services, switched_project.project, tasks, encoder, pairs_done=set(), lease=Lease("test", None), seconds=0
        ).count_done
        == 24
    )


@pytest.mark.slow
def test_an_event_stops_embedding_ahead(switched_project: Switched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = switched_project.services
    encoder = services.encoders.add(save_encoder(tmp_path / "mine")).fingerprint
    answers = iter([{}, {ID: 1}])
    monkeypatch.setattr(services.pending_events, "pending", lambda: next(answers))
    progress = embed_ahead(
        services, switched_project.project, switched_project.tasks, encoder, pairs_done=set(), lease=Lease("test", None)
    )
    assert progress.count_done == 0


@pytest.mark.slow
def test_the_chosen_encoder_is_the_target_and_a_bad_one_leaves_the_live_one(switched_project: Switched, tmp_path: Path) -> None:
    services = switched_project.services
    shipped_encoder = services.predictors.shipped_encoder
    entry = services.encoders.add(save_encoder(tmp_path / "mine"))
    services.registry.set_encoder(ID, entry.fingerprint)
    fresh = find_target(services, switched_project.project)
    assert (fresh.chosen_encoder, fresh.is_switch) == (
        entry.fingerprint,
        False,
    )  # the shipped heads stay until the first version
    services.registry.promote(ID, switched_project.train())
    target = find_target(services, switched_project.project)
    assert (target.current, target.chosen_encoder, target.spec, target.is_switch) == (
        shipped_encoder,
        entry.fingerprint,
        entry.spec,
        True,
    )
    services.registry.set_encoder(ID, "00ff")
    target_without_file = find_target(services, switched_project.project)
    assert (target_without_file.chosen_encoder, target_without_file.is_switch) == (shipped_encoder, False)
    assert "the encoder 00ff of project 970 cannot be used" in target_without_file.problem


def test_the_setting_names_the_encoder_of_projects_without_a_choice(
    switched_project: Switched, tmp_path: Path, open_services: Callable[..., Services]
) -> None:
    spec = save_encoder(tmp_path / "mine")
    services = open_services(encoder=spec)
    entry = services.encoders.find(spec)
    assert entry is None
    target = find_target(services, switched_project.project)
    entry = services.encoders.find(spec)
    assert entry is not None
    assert target.chosen_encoder == entry.fingerprint
    bad = find_target(open_services(encoder="local-dir:/nowhere"), switched_project.project)
    assert bad.problem == "the encoder local-dir:/nowhere cannot be read: there is no folder /nowhere"
    assert bad.chosen_encoder == services.predictors.shipped_encoder
