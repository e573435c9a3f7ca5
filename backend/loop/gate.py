"""The gate: a new version goes live only if it is better than the live one on annotations that neither was trained on.

Each control gives every judged task a score between 0 and 1 (1: what the annotator said); a version's score is the mean over
tasks and then over controls, so that a project's twenty boxes do not outvote its one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.annotators import read_config
from backend.fillers import ClassFiller, Filler, NumberFiller, ObjectFiller
from backend.heads.calibration import brier_score, expected_calibration_error
from backend.loop.agreement import box_agreement, class_agreement, mask_agreement, number_agreement
from backend.loop.click_agreement import compare_clicks
from backend.loop.examples import Examples, ImageOfTask, gather_examples
from backend.loop.snapshot import Snapshot
from backend.observer import Observation
from backend.project_heads import MASKS, ProjectHeads, controls_to_fill
from backend.records import Project, Version
from backend.services import Services
from sync.labelconfig import Control

__all__ = ["MINIMUM_JUDGED", "Verdict", "judge"]

MINIMUM_JUDGED = 5
"""With fewer annotations kept aside, a difference says nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate goes live, and what was measured."""

    better: bool
    evidence: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return str(self.evidence["reason"])


def judge(services: Services, project: Project, candidate: Version, snapshot: Snapshot) -> Verdict:
    """Compare a candidate with the live version of its project."""
    registry, annotators = services.registry, services.annotators
    config = read_config(project.label_config)
    live = registry.version(project.id, project.live_version)
    if live.config_hash != candidate.config_hash:
        reason = f"the labelling config has changed since {live.name}, whose predictions no longer fit"
        return Verdict(True, {"reason": reason, "compared_with": live.name})
    controls = controls_to_fill(config)
    judging = gather_examples(snapshot.judging, config, controls, sizes_of=annotators.observer.sizes)
    built = {
        version.number: annotators.build(
            config, ProjectHeads.load(registry.path(project.id, version.number), config), version=version.name
        )
        for version in (live, candidate)
    }
    fillers = {number: {one.control.name: one for one in annotator.fillers} for number, annotator in built.items()}
    new_masks, live_masks = built[candidate.number].masks, built[live.number].masks
    scores: dict[str, dict[str, Any]] = {}
    judged: set[int] = set()
    for control in controls:
        both = _compare(
            services, control, judging[control.name],
            fillers[candidate.number].get(control.name), fillers[live.number].get(control.name),
        )  # fmt: skip
        if both is not None:
            images, scores[control.name] = both
            judged |= {image.task for image in images}
            finders = _finders(fillers[candidate.number].get(control.name), fillers[live.number].get(control.name))
            scores[control.name] |= {"found_by": finders} if finders else {}
        if control.tag in MASKS and new_masks is not live_masks:
            clicks = compare_clicks(annotators.observer, judging[control.name], new_masks, live_masks)
            scores |= {f"{control.name}, clicked": clicks} if clicks else {}
    evidence: dict[str, Any] = {
        "judged_on": len(judged),
        "compared_with": live.name,
        "controls": scores,
        "learned_from": {"candidate": candidate.learned_from, "live": live.learned_from},
    }
    if scores:
        evidence["candidate"] = float(np.mean([one["candidate"] for one in scores.values()]))
        evidence["live"] = float(np.mean([one["live"] for one in scores.values()]))
    return _decide(evidence, candidate, live)


def _decide(evidence: dict[str, Any], candidate: Version, live: Version) -> Verdict:
    judged_on = evidence["judged_on"]
    if judged_on < MINIMUM_JUDGED:
        more = candidate.learned_from >= live.learned_from
        who = candidate if more else live
        reason = (
            f"only {judged_on} annotated tasks are kept aside, too few to tell (at least {MINIMUM_JUDGED}); "
            f"{who.name} has learned from more ({who.learned_from} annotations)"
        )
        return Verdict(more, evidence | {"reason": reason})
    better = evidence["candidate"] >= evidence["live"]
    reason = (
        f"scores {evidence['candidate']:.3f} where {live.name} scores {evidence['live']:.3f}, "
        f"on {judged_on} annotated tasks that neither has seen"
    )
    return Verdict(better, evidence | {"reason": reason})


def _compare(
    services: Services,
    control: Control,
    examples: Examples,
    candidate: Filler | None,
    live: Filler | None,
) -> tuple[list[ImageOfTask], dict[str, Any]] | None:
    """The judged images and what was measured of both fillers of one control; None where there is nothing to judge."""
    fillers = [one for one in (candidate, live) if one is not None]
    said = examples.targets or examples.values or examples.objects
    if not said or not fillers:
        return None
    seen = services.annotators.observer.observe(
        [examples.references[image] for image in said],
        embed=any(one.needs_embedding for one in fillers),
        extractions=[one.needs_sources for one in fillers if one.needs_sources],
        look=any(one.needs_look for one in fillers),
    )
    readable = {image: one for image, one in zip(said, seen, strict=True) if isinstance(one, Observation)}
    if not readable:
        return None
    images, observations = list(readable), list(readable.values())
    measured: dict[str, Any] = {"judged_on": len(images)}
    for name, filler in (("candidate", candidate), ("live", live)):
        measured[name] = float(_scores(filler, images, observations, examples).mean())
        if isinstance(filler, ClassFiller):
            measured.setdefault("calibration", {})[name] = _calibration(filler, images, observations, examples)
    return images, measured


def _finders(candidate: Filler | None, live: Filler | None) -> dict[str, str]:
    """Which detector finds the objects of either version; nothing for a control that holds none."""
    both = {"candidate": candidate, "live": live}
    return {name: one.found_by for name, one in both.items() if isinstance(one, ObjectFiller)}


def _scores(
    filler: Filler | None, images: Sequence[ImageOfTask], observations: Sequence[Observation], examples: Examples
) -> NDArray[np.float64]:
    """Agreement with the annotators on each image; a control that a version cannot fill agrees with nobody."""
    if isinstance(filler, ClassFiller):
        embeddings = np.stack([one.embedding for one in observations if one.embedding is not None])
        targets = np.stack([examples.targets[image] for image in images])
        levels = filler.tree.depth if filler.tree else 1
        return class_agreement(filler.shares(embeddings), targets, exclusive=not filler.control.multiple, levels=levels)
    if isinstance(filler, NumberFiller):
        values = np.array([examples.values[image] for image in images])
        return number_agreement(filler.values(observations), values)
    if isinstance(filler, ObjectFiller):
        agree = mask_agreement if filler.control.tag in MASKS else box_agreement
        found = [filler.objects(one) for one in observations]
        sizes = [one.size for one in observations if one.size is not None]
        drawn = [examples.objects[image] for image in images]
        return np.array([agree(*each) for each in zip(found, drawn, sizes, strict=True)])
    return np.zeros(len(images))


def _calibration(
    filler: ClassFiller, images: Sequence[ImageOfTask], observations: Sequence[Observation], examples: Examples
) -> dict[str, float]:
    """Whether the probabilities of labels, of a taxonomy those of whole paths, are frequencies."""
    embeddings = np.stack([one.embedding for one in observations if one.embedding is not None])
    targets = np.stack([examples.targets[image] for image in images])
    if filler.tree is not None:
        targets = targets[:, filler.tree.ends]
    probabilities, exclusive = filler.probabilities(embeddings), not filler.control.multiple
    return {
        "ece": expected_calibration_error(probabilities, targets, exclusive=exclusive),
        "brier": brier_score(probabilities, targets, exclusive=exclusive),
    }
