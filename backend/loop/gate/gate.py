"""The gate: decide for each control which head goes live.

For each control, a version takes the candidate's head, keeps the live version's head or returns to the shipped one. The version
goes live if this changes any head, or if the labelling config has changed since the live version was trained. The evidence of
the version records each control's comparison and the rule that was applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.loop.examples.judged_pictures import read_project_verdicts
from backend.loop.examples.project_examples import gather_project_examples
from backend.loop.examples.snapshot import Snapshot
from backend.loop.examples.training_labels import read_training_labels
from backend.loop.gate.candidates import score_candidates
from backend.loop.gate.change import ProjectTasks, limit_change
from backend.loop.gate.control_decision import CANDIDATE, LIVE, SHIPPED, decide_control
from backend.loop.gate.decision import Decision, HeadOrigin, decide
from backend.loop.gate.evidence import (
    Verdict,
    as_evidence,
    describe_decision,
)
from backend.loop.gate.head_scorer import ComparedHead, find_switch
from backend.loop.gate.known_labels import new_labels
from backend.loop.gate.restored_pictures import decide_restored
from backend.loop.scores.clicks import click_scores
from backend.loop.scores.comparison import compare
from backend.prediction.control_models.examples import Examples
from backend.prediction.factory import read_config
from backend.prediction.live import LivePredictors
from backend.prediction.project_heads import PROMPTS, RESTORED_PICTURES, ProjectHeads, controls_to_predict
from backend.registry.records import BASE_NUMBER, Project, Version
from backend.services import Services
from sync.label_studio.tasks import Task
from sync.labelling.config import Control, LabelConfig

__all__ = ["run_gate"]


@dataclass(frozen=True)
class _Heads:
    """The candidate's and the live version's heads, the training set of each, and predictors with all of their encoders."""

    predictors: LivePredictors
    candidate: Version
    live: Version
    heads_of: Mapping[HeadOrigin, ProjectHeads]
    training_labels: Mapping[HeadOrigin, Mapping[str, Examples]]

    def compared_head(self, origin: HeadOrigin, control: str) -> ComparedHead:
        head = self.heads_of[origin].by_control.get(control)
        return ComparedHead(head, self.training_labels[origin].get(control, Examples())) if head is not None else ComparedHead()

    def version_of(self, origin: HeadOrigin, control: str) -> int:
        """Return the number of the version whose folder holds a control's head."""
        if origin is HeadOrigin.SHIPPED:
            return BASE_NUMBER
        return self.candidate.number if origin is HeadOrigin.CANDIDATE else self.live.head_from(control)


def run_gate(
    services: Services, project: Project, candidate: Version, snapshot: Snapshot, *, project_tasks: Sequence[Task]
) -> Verdict:
    """Decide for each control of a project which head predicts it.

    Parameters
    ----------
    services : Services
    project : Project
    candidate : Version
        A trained version that has not been compared yet.
    snapshot : Snapshot
        Current annotations, divided into training, held-out and set-aside tasks.
    project_tasks : sequence of Task
        All tasks of the project.
    """
    config = read_config(project.label_config)
    controls = controls_to_predict(config)
    live = services.registry.version(project.id, project.live_version)
    annotations = (*snapshot.training, *snapshot.validation)
    predictors = services.predictors
    truth = gather_project_examples(annotations, config, controls, predictors=predictors)
    heads = _read_heads(services, project, config, candidate, live, truth)
    predictors = heads.predictors
    default_encoder = "" if project.encoder else services.encoders.shipped_name
    evidence: dict[str, dict[str, Any]] = {}
    decisions: dict[str, Decision] = {}
    tasks: set[int] = set()
    for control in controls:
        compared_heads = [heads.compared_head(origin, control.name) for origin in (HeadOrigin.CANDIDATE, HeadOrigin.LIVE)]
        if compared_heads[CANDIDATE].head is None and compared_heads[LIVE].head is None:
            continue
        scores = score_candidates(predictors, control, [*compared_heads, ComparedHead()], truth[control.name], snapshot.sides)
        new = new_labels(predictors.base, control, *compared_heads)
        switch = find_switch(*compared_heads, default_encoder=default_encoder)
        decision, control_evidence = decide_control(control, scores, compared_heads, truth[control.name], new, switch)
        if scores is not None:
            all_tasks = ProjectTasks(project_tasks, config, predictors)
            decision, change = limit_change(
                decision, scores, compared_heads, control, all_tasks, held_out=snapshot.sides.held_out, switch=switch
            )
            if change is not None:
                control_evidence |= {"change": change, "taken": str(decision.origin), "reason": decision.reason}
        decisions[control.name], evidence[control.name] = decision, control_evidence
        tasks |= {image.task for image in scores.images} if scores else set()
    prompts = _decide_prompts(services, controls, heads, truth, snapshot)
    if prompts is not None:
        decisions[PROMPTS], evidence[PROMPTS] = prompts
    pictures = read_project_verdicts(snapshot.validation, config)
    share, live_share = (heads.heads_of[origin].correction_share for origin in (HeadOrigin.CANDIDATE, HeadOrigin.LIVE))
    picture_decision = decide_restored(share, live_share, pictures, galaxies=snapshot.sides.galaxies)
    if picture_decision is not None:
        decisions[RESTORED_PICTURES], evidence[RESTORED_PICTURES] = picture_decision
        tasks |= {picture.task for picture in pictures}
    return _verdict(heads, decisions, evidence, judged_on=len(tasks))


def _read_heads(
    services: Services, project: Project, config: LabelConfig, candidate: Version, live: Version, truth: Mapping[str, Examples]
) -> _Heads:
    registry, heads_of_origin, training_labels = services.registry, {}, {}
    versions = {HeadOrigin.CANDIDATE: candidate, HeadOrigin.LIVE: live}
    stored_heads = {origin: services.predictors.heads_of(project.id, each.number, config) for origin, each in versions.items()}
    predictors = services.predictors.on(*(encoder for heads in stored_heads.values() for encoder in heads.encoders))
    for origin, version in versions.items():
        heads_of_origin[origin] = predictors.usable(stored_heads[origin])
        sources = {name: version.head_from(name) for name in heads_of_origin[origin].by_control}
        read = {number: read_training_labels(registry.path(project.id, number), truth) for number in set(sources.values())}
        training_labels[origin] = {name: read[number].get(name, Examples()) for name, number in sources.items()}
    return _Heads(predictors, candidate, live, heads_of_origin, training_labels)


def _decide_prompts(
    services: Services, controls: Sequence[Control], heads: _Heads, truth: Mapping[str, Examples], snapshot: Snapshot
) -> tuple[Decision, dict[str, Any]] | None:
    """Decide on the head that answers clicks, on held-out masks only: refitting it for each fold would take too long."""
    base = services.predictors.base_masks
    compared_masks = [heads.heads_of[origin].prompted_masks or base for origin in (HeadOrigin.CANDIDATE, HeadOrigin.LIVE)]
    if compared_masks[CANDIDATE] is base and compared_masks[LIVE] is base:
        return None
    control = next((each for each in controls if any(map(_has_mask, truth[each.name].labels.values()))), None)
    examples = truth[control.name] if control is not None else Examples()
    images = [image for image in examples.labels if image.task in snapshot.sides.held_out]
    scored_images, scores = click_scores(services.predictors.extractor, images, examples, [*compared_masks, base])
    groups = [snapshot.sides.galaxies.get(image.task, str(image.task)) for image in scored_images]
    versus_live, versus_shipped, live_versus_shipped = (
        compare(scores[first], scores[second], groups=groups)
        for first, second in ((CANDIDATE, LIVE), (CANDIDATE, SHIPPED), (LIVE, SHIPPED))
    )
    decision = decide(versus_live, versus_shipped, live_versus_shipped)
    control_evidence = as_evidence(decision, (versus_live, versus_shipped, live_versus_shipped), [*scores])
    return decision, control_evidence | {"by": "held-out tasks"}


def _has_mask(label: object) -> bool:
    return isinstance(label, list) and any(drawn_object.outline is not None for drawn_object in label)


def _verdict(
    heads: _Heads, decisions: Mapping[str, Decision], evidence: dict[str, dict[str, Any]], *, judged_on: int
) -> Verdict:
    candidate, live = heads.candidate, heads.live
    versions = {name: heads.version_of(decision.origin, name) for name, decision in decisions.items()}
    changed_names = {name for name, number in versions.items() if number != live.head_from(name)}
    is_outdated = live.config_hash != candidate.config_hash
    reasons = [describe_decision(name, decision, evidence[name]) for name, decision in decisions.items()]
    if is_outdated:
        reasons.append(f"the labelling config has changed since {live.name}, whose predictions no longer fit")
    return Verdict(
        bool(changed_names) or is_outdated,
        versions,
        {
            "reason": "; ".join(reasons) or "there is nothing to compare",
            "compared_with": live.name,
            "judged_on": judged_on,
            "controls": evidence,
            "learned_from": {"candidate": candidate.learned_from, "live": live.learned_from},
        },
    )
