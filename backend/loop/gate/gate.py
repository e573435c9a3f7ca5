"""The gate: decide for each control which head goes live.

For each control, a version takes the candidate's head, keeps the live version's head or returns to the shipped one. The version
goes live if this changes any head, or if the labelling config has changed since the live version was trained. The evidence of
the version records each control's comparison and the rule that was applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection.detection import Detection
from backend.loop.examples.examples import gather_examples
from backend.loop.examples.snapshot import Snapshot
from backend.loop.examples.training_labels import read_training_labels
from backend.loop.gate.candidates import CandidateScores, ComparedHead, score_candidates
from backend.loop.gate.change import ProjectTasks, limit_change
from backend.loop.gate.decision import Decision, Objects, Taken, decide
from backend.loop.gate.known_labels import new_labels
from backend.loop.scores.clicks import click_scores
from backend.loop.scores.comparison import Answer, Comparison, compare
from backend.loop.scores.controls import calibration_of
from backend.prediction.control_models import model_class
from backend.prediction.control_models.examples import Examples
from backend.prediction.factory import read_config
from backend.prediction.project_heads import PROMPTS, ProjectHeads, controls_to_fill
from backend.registry.records import BASE_NUMBER, Project, Version
from backend.services import Services
from sync.label_studio.tasks import Task
from sync.labelling.config import Control, LabelConfig

__all__ = ["Verdict", "judge"]

CANDIDATE, LIVE, SHIPPED = range(3)
NAMES = ("candidate", "live", "shipped")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate goes live, with which heads, and the measurements.

    Attributes
    ----------
    goes_live : bool
    heads : mapping
        Control's name to the number of the version that its head comes from.
    evidence : dict
        The reason and, for each control, its comparisons and scores, as the registry stores them.
    """

    goes_live: bool
    heads: Mapping[str, int]
    evidence: dict[str, Any]

    @property
    def reason(self) -> str:
        """The reason for the verdict, in one sentence."""
        return str(self.evidence["reason"])


@dataclass(frozen=True)
class _Sides:
    """The candidate's and the live version's heads, and the training set of each."""

    candidate: Version
    live: Version
    heads: Mapping[Taken, ProjectHeads]
    training_labels: Mapping[Taken, Mapping[str, Examples]]

    def compared_head(self, taken: Taken, control: str) -> ComparedHead:
        head = self.heads[taken].filling.get(control)
        return ComparedHead(head, self.training_labels[taken].get(control, Examples())) if head is not None else ComparedHead()

    def source(self, taken: Taken, control: str) -> int:
        """Return the number of the version whose folder holds a control's head."""
        if taken is Taken.SHIPPED:
            return BASE_NUMBER
        return self.candidate.number if taken is Taken.CANDIDATE else self.live.head_from(control)


def judge(
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
    controls = controls_to_fill(config)
    live = services.registry.version(project.id, project.live_version)
    judged_annotations = (*snapshot.training, *snapshot.judging)
    truth = gather_examples(judged_annotations, config, controls, sizes_of=services.predictors.extractor.sizes)
    sides = _read_sides(services, project, config, candidate, live, truth)
    evidence: dict[str, dict[str, Any]] = {}
    decisions: dict[str, Decision] = {}
    tasks: set[int] = set()
    for control in controls:
        compared_heads = [sides.compared_head(taken, control.name) for taken in (Taken.CANDIDATE, Taken.LIVE)]
        if compared_heads[CANDIDATE].head is None and compared_heads[LIVE].head is None:
            continue
        contest = score_candidates(
            services.predictors, control, [*compared_heads, ComparedHead()], truth[control.name], snapshot.sides
        )
        fresh = new_labels(services.predictors.base_morphology, control, *compared_heads)
        decision, measured = _decide(control, contest, compared_heads, truth[control.name], fresh)
        if contest is not None:
            shown = ProjectTasks(project_tasks, config, services.predictors)
            decision, change = limit_change(decision, contest, compared_heads, control, shown, held_out=snapshot.sides.held_out)
            if change is not None:
                measured |= {"change": change, "taken": str(decision.taken), "reason": decision.reason}
        decisions[control.name], evidence[control.name] = decision, measured
        tasks |= {image.task for image in contest.images} if contest else set()
    prompts = _decide_prompts(services, controls, sides, truth, snapshot)
    if prompts is not None:
        decisions[PROMPTS], evidence[PROMPTS] = prompts
    return _verdict(sides, decisions, evidence, judged_on=len(tasks))


def _read_sides(
    services: Services, project: Project, config: LabelConfig, candidate: Version, live: Version, truth: Mapping[str, Examples]
) -> _Sides:
    predictors, registry = services.predictors, services.registry
    heads, training_labels = {}, {}
    for taken, version in ((Taken.CANDIDATE, candidate), (Taken.LIVE, live)):
        heads[taken] = predictors.usable(predictors.heads_of(project.id, version.number, config))
        sources = {name: version.head_from(name) for name in heads[taken].filling}
        read = {number: read_training_labels(registry.path(project.id, number), truth) for number in set(sources.values())}
        training_labels[taken] = {name: read[number].get(name, Examples()) for name, number in sources.items()}
    return _Sides(candidate, live, heads, training_labels)


def _decide(
    control: Control,
    contest: CandidateScores | None,
    compared_heads: Sequence[ComparedHead],
    truth: Examples,
    fresh: tuple[str, ...],
) -> tuple[Decision, dict[str, Any]]:
    """Decide for one control; return the decision and its evidence."""
    if contest is None:
        nothing = compare([], [])
        versus = (nothing, nothing, nothing)
        scores: list[NDArray[np.float64]] = [np.zeros((1, 0))] * 3
    else:
        scores = [contest.agreement(index) for index in range(3)]
        versus = _versus(scores, contest)
    objects = _objects(contest, truth) if model_class(control).finds_objects and contest is not None else None
    if compared_heads[CANDIDATE].head is None:
        # The candidate has no head for this control: only whether the live head is worse than the shipped one matters.
        comes_back = versus[2].answer is Answer.WORSE
        decision = Decision(Taken.SHIPPED if comes_back else Taken.LIVE, "has too few labels")
    else:
        decision = decide(*versus, new_labels=fresh, objects=objects)
    measured: dict[str, Any] = _written(decision, versus, scores)
    if fresh:
        measured["new_labels"] = list(fresh)
    if contest is not None:
        measured["by"] = _judged_by(contest.resampled)
        if contest.scores[CANDIDATE][0].probabilities is not None:
            measured["calibration"] = _calibration(control, contest, truth)
    finders = {
        name: one.head.found_by for name, one in zip(NAMES, compared_heads, strict=False) if isinstance(one.head, Detection)
    }
    return decision, measured | ({"found_by": finders} if finders else {})


def _versus(scores: Sequence[NDArray[np.float64]], contest: CandidateScores) -> tuple[Comparison, Comparison, Comparison]:
    """Compare the candidate with the live version and the shipped head, and the live version with the shipped head."""

    def against(one: int, other: int) -> Comparison:
        resampled = contest.resampled.tolist()
        folds = contest.plan.folds if any(resampled) else None
        return compare(scores[one], scores[other], groups=contest.groups, cross_validated=resampled, folds=folds)

    return against(CANDIDATE, LIVE), against(CANDIDATE, SHIPPED), against(LIVE, SHIPPED)


def _decide_prompts(
    services: Services, controls: Sequence[Control], sides: _Sides, truth: Mapping[str, Examples], snapshot: Snapshot
) -> tuple[Decision, dict[str, Any]] | None:
    """Decide on the head that answers clicks, on held-out masks only: refitting it for each fold would take too long."""
    base = services.predictors.base_masks
    heads = [sides.heads[taken].prompted or base for taken in (Taken.CANDIDATE, Taken.LIVE)]
    if heads[CANDIDATE] is base and heads[LIVE] is base:
        return None
    control = next((one for one in controls if any(_has_mask(drawn) for drawn in truth[one.name].labels.values())), None)
    examples = truth[control.name] if control is not None else Examples()
    images = [image for image in examples.labels if image.task in snapshot.sides.held_out]
    judged, scores = click_scores(services.predictors.extractor, images, examples, [*heads, base])
    groups = [snapshot.sides.galaxies.get(image.task, str(image.task)) for image in judged]
    versus = tuple(compare(scores[one], scores[other], groups=groups) for one, other in ((0, 1), (0, 2), (1, 2)))
    first, second, third = versus
    decision = decide(first, second, third)
    written = _written(decision, (first, second, third), [*scores])
    return decision, written | {"by": "held-out tasks"}


def _has_mask(label: object) -> bool:
    return isinstance(label, list) and any(drawn.outline is not None for drawn in label)


def _objects(contest: CandidateScores, truth: Examples) -> Objects:
    """Count the objects on the scored images, in the first repetition."""
    drawn = np.array([len(truth.labels[image]) for image in contest.images])
    with_some = drawn > 0
    candidate, live = contest.scores[CANDIDATE][0], contest.scores[LIVE][0]
    return Objects(
        drawn=int(drawn.sum()),
        predicted=int(candidate.predicted[with_some].sum()),
        candidate_hits=int(candidate.hits.sum()),
        live_hits=int(live.hits.sum()),
    )


def _calibration(control: Control, contest: CandidateScores, truth: Examples) -> dict[str, dict[str, float]]:
    targets = np.stack([truth.labels[image] for image in contest.images])
    probabilities = {name: scores[0].probabilities for name, scores in zip(NAMES, contest.scores, strict=True)}
    return {name: calibration_of(control, one, targets) for name, one in probabilities.items() if one is not None}


def _judged_by(resampled: NDArray[np.bool_]) -> str:
    again, held_out = int(resampled.sum()), int((~resampled).sum())
    if not again:
        return "held-out tasks"
    return f"cross-validation and {held_out} held-out tasks" if held_out else "cross-validation"


def _written(
    decision: Decision, versus: tuple[Comparison, Comparison, Comparison], scores: Sequence[NDArray[np.float64]]
) -> dict[str, Any]:
    """Return a decision and its comparisons as the evidence that the registry stores."""
    means = {name: float(one.mean()) for name, one in zip(NAMES, scores, strict=True) if one.size}
    names = ("versus_live", "versus_shipped", "live_versus_shipped")
    kept = {name: {**asdict(one), "answer": str(one.answer)} for name, one in zip(names, versus, strict=True)}
    return {"taken": str(decision.taken), "reason": decision.reason, "judged_on": versus[0].tasks, **means, **kept}


def _verdict(
    sides: _Sides, decisions: Mapping[str, Decision], evidence: dict[str, dict[str, Any]], *, judged_on: int
) -> Verdict:
    candidate, live = sides.candidate, sides.live
    heads = {name: sides.source(decision.taken, name) for name, decision in decisions.items()}
    changed = {name for name, source in heads.items() if source != live.head_from(name)}
    outdated = live.config_hash != candidate.config_hash
    said = [_sentence(name, decision, evidence[name]) for name, decision in decisions.items()]
    if outdated:
        said.append(f"the labelling config has changed since {live.name}, whose predictions no longer fit")
    return Verdict(
        bool(changed) or outdated,
        heads,
        {
            "reason": "; ".join(said) or "there is nothing to compare",
            "compared_with": live.name,
            "judged_on": judged_on,
            "controls": evidence,
            "learned_from": {"candidate": candidate.learned_from, "live": live.learned_from},
        },
    )


def _sentence(name: str, decision: Decision, measured: Mapping[str, Any]) -> str:
    one = measured["versus_live"]
    interval = f" ({one['difference']:+.3f}, {one['low']:+.3f} to {one['high']:+.3f}, {one['tasks']} tasks)"
    back = "; the shipped head comes back" if decision.taken is Taken.SHIPPED else ""
    return f"{name or 'clicks'} {decision.reason}{interval if one['tasks'] else ''}{back}"
