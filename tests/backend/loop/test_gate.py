"""The gate: the better of two versions on annotations that neither was trained on; with too few, the one that knows more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, islice
from typing import Any

import numpy as np
import pytest

from backend.heads.morphology import Morphology
from backend.loop.gate import MINIMUM_JUDGED, Verdict, judge
from backend.loop.snapshot import is_judge, take_snapshot
from backend.project_heads import ProjectHeads
from backend.services import Services
from sync.annotations import Annotation
from sync.controls import choices
from sync.labelconfig import parse

# Words that the shipped head does not know: only what a test trains can fill them.
CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="mood" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
MOODS = ["Calm", "Wild"]
TASKS = list(islice(filter(is_judge, count(1)), 8))
PROJECTS = count(500)


class Bench:
    """A project with judged tasks, half of them of each mood, and heads that are right or wrong about them."""

    def __init__(self, services: Services, files: Any, png: Callable[..., bytes]) -> None:
        self.services, self.id = services, next(PROJECTS)
        self.project = services.registry.meet_project(self.id, label_config=CONFIG, extra_params=None)
        self.references = []
        for task in TASKS:
            spots = ((100, 50, 4 + task % 3), *(((40, 30, 3), (160, 70, 3)) if task % 2 else ()))
            self.references.append(files.put(f"/data/upload/500/{task}.png", png(spots=spots, seed=task)))
        seen = services.annotators.observer.observe(self.references, embed=True)
        self.embeddings = np.stack([one.embedding for one in seen])

    def version(self, *, right: bool, learned_from: int) -> int:
        truth = np.eye(2)[[task % 2 for task in TASKS]]
        head = Morphology.fit(self.embeddings, truth if right else truth[:, ::-1], classes=MOODS, exclusive=True)
        writing = self.services.registry.writing_version(
            self.id, label_config=self.project.label_config, fingerprint="f", learned_from=learned_from
        )
        with writing as (folder, number):
            ProjectHeads({"mood": head}).save(folder, parse(CONFIG))
        return number

    def judge(self, candidate: int, *, live: int, judged: int = len(TASKS)) -> Verdict:
        registry = self.services.registry
        registry.promote(self.id, live)
        annotations = [
            self.annotation(task, reference) for task, reference in list(zip(TASKS, self.references, strict=True))[:judged]
        ]
        snapshot = take_snapshot(annotations)
        return judge(self.services, registry.project(self.id), registry.version(self.id, candidate), snapshot)

    def annotation(self, task: int, reference: str) -> Annotation:
        region = choices.encode([MOODS[task % 2]], control=parse(CONFIG).controls[0])
        return Annotation(task, task, {"image": reference}, [region], "2026-01-01T00:00:00Z", 1, False, None, None)


@pytest.fixture
def bench(predicting: Services, files: Any, png: Callable[..., bytes]) -> Bench:
    return Bench(predicting, files, png)


def test_the_better_version_goes_live(bench: Bench) -> None:
    worse, better = bench.version(right=False, learned_from=90), bench.version(right=True, learned_from=10)
    verdict = bench.judge(better, live=worse)
    assert verdict.better
    assert verdict.evidence["candidate"] > verdict.evidence["live"]


def test_the_worse_version_does_not_whatever_it_has_learned_from(bench: Bench) -> None:
    better, worse = bench.version(right=True, learned_from=10), bench.version(right=False, learned_from=90)
    assert not bench.judge(worse, live=better).better


def test_an_equally_good_version_goes_live_because_it_is_newer(bench: Bench) -> None:
    one, other = (bench.version(right=True, learned_from=10) for _ in range(2))
    assert bench.judge(other, live=one).better


def test_the_evidence_says_what_was_measured_on_what(bench: Bench) -> None:
    live, candidate = bench.version(right=False, learned_from=10), bench.version(right=True, learned_from=20)
    evidence = bench.judge(candidate, live=live).evidence
    assert (evidence["judged_on"], evidence["compared_with"]) == (
        len(TASKS),
        bench.services.registry.version(bench.id, live).name,
    )
    assert evidence["learned_from"] == {"candidate": 20, "live": 10}
    assert evidence["controls"]["mood"]["judged_on"] == len(TASKS)
    assert 0 <= evidence["live"] < evidence["candidate"] <= 1
    calibration = evidence["controls"]["mood"]["calibration"]
    assert calibration["candidate"]["brier"] < calibration["live"]["brier"]
    assert calibration["candidate"]["ece"] < calibration["live"]["ece"]
    assert "on 8 annotated tasks that neither has seen" in evidence["reason"]


def test_a_control_that_the_live_version_cannot_fill_counts_for_the_candidate(bench: Bench) -> None:
    verdict = bench.judge(bench.version(right=True, learned_from=10), live=1)
    assert verdict.better
    assert verdict.evidence["live"] == 0


@pytest.mark.parametrize(("live_from", "candidate_from", "better"), [(10, 11, True), (10, 10, True), (11, 10, False)])
def test_with_too_few_to_tell_the_one_that_has_learned_from_more_is_live(
    bench: Bench, live_from: int, candidate_from: int, better: bool
) -> None:
    live = bench.version(right=True, learned_from=live_from)
    candidate = bench.version(right=False, learned_from=candidate_from)
    verdict = bench.judge(candidate, live=live, judged=MINIMUM_JUDGED - 1)
    assert verdict.better is better
    assert f"only {MINIMUM_JUDGED - 1} annotated tasks are kept aside, too few to tell" in verdict.reason


def test_nothing_to_judge_on_is_too_few_as_well(bench: Bench) -> None:
    verdict = bench.judge(bench.version(right=True, learned_from=10), live=1, judged=0)
    assert verdict.better
    assert verdict.evidence["judged_on"] == 0


def test_a_picture_that_cannot_be_read_judges_nobody(bench: Bench, files: Any) -> None:
    live, candidate = bench.version(right=True, learned_from=10), bench.version(right=True, learned_from=10)
    bench.references[0] = files.put("/data/upload/500/broken.png", b"no image")
    assert bench.judge(candidate, live=live).evidence["judged_on"] == len(TASKS) - 1


def test_for_a_new_labelling_config_there_is_no_comparison(bench: Bench) -> None:
    registry, old = bench.services.registry, bench.version(right=True, learned_from=90)
    registry.promote(bench.id, old)
    bench.project = registry.meet_project(bench.id, label_config=CONFIG + "<!-- changed -->", extra_params=None)
    candidate = registry.version(bench.id, bench.version(right=False, learned_from=0))
    verdict = judge(bench.services, bench.project, candidate, take_snapshot([]))
    assert verdict.better
    assert "the labelling config has changed since v0002-" in verdict.reason
