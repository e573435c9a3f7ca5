"""A trial of another encoder: the heads of a project on both encoders, compared on its own labels in the same folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from backend.heads import NotEnoughLabels
from backend.loop.audit import divide_snapshot
from backend.loop.encoders.target import find_target
from backend.loop.examples.examples import gather_examples
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.candidates import score_candidates
from backend.loop.gate.evidence import describe_method
from backend.loop.gate.head_scorer import ComparedHead
from backend.loop.scores.comparison import Comparison, compare
from backend.loop.training.train import ImagesOfProject
from backend.lvm.speed import measure_speed
from backend.prediction.control_models import model_class
from backend.prediction.control_models.examples import Examples
from backend.prediction.factory import read_config
from backend.prediction.live import LivePredictors
from backend.prediction.project_heads import controls_to_predict
from backend.services import Services
from sync.controls import CONTROLS, Kind
from sync.label_studio.annotations import AnnotationReader
from sync.label_studio.projects import project_state
from sync.labelling.config import Control

__all__ = ["ControlTrial", "Trial", "try_encoder"]


@dataclass(frozen=True, slots=True)
class ControlTrial:
    """Scores of one control.

    Attributes
    ----------
    control : str
    current_score, trial_score : float
        Mean agreement with the annotators, 0 to 1, of the head on the current encoder and on the tried one.
    comparison : Comparison
        The tried encoder against the current one, on the same tasks.
    by : str
        How the tasks were scored.
    """

    control: str
    current_score: float
    trial_score: float
    comparison: Comparison
    by: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Result of a trial.

    Attributes
    ----------
    current_encoder, trial_encoder : str
        Fingerprints of both encoders.
    controls : tuple of ControlTrial
    not_compared : mapping
        Control's name to the reason why it was not compared.
    speeds : mapping
        Fingerprint to images per second of its networks; without imported embeddings, which need none.
    """

    current_encoder: str
    trial_encoder: str
    controls: tuple[ControlTrial, ...]
    not_compared: Mapping[str, str]
    speeds: Mapping[str, float]


def try_encoder(
    services: Services,
    project_id: int,
    encoder: str,
    *,
    show: Callable[[Sequence[Control]], Iterable[Control]] = iter,
) -> Trial:
    """Compare an encoder with that of the live version; only the annotated tasks are embedded, and nothing is changed.

    Parameters
    ----------
    services : Services
    project_id : int
    encoder : str
        Fingerprint of an encoder of the store.
    show : callable
        Yields the controls that it gets, and shows the progress.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project.
    LabelStudioError
        If Label Studio refuses a request or cannot be reached.
    """
    project = services.registry.project(project_id)
    state = project_state(services.label_studio, project_id)
    reader = AnnotationReader(services.label_studio, project_id)
    snapshot = take_snapshot(reader.read(label_config=state.label_config))
    snapshot = divide_snapshot(services, project, snapshot, tasks=reader.tasks)
    current = find_target(services, project).current
    predictors = services.predictors.on(current, encoder)
    config = read_config(state.label_config)
    controls = [control for control in controls_to_predict(config) if CONTROLS[control.tag].KIND is not Kind.OBJECTS]
    gather = partial(gather_examples, sizes_of=predictors.extractor.sizes, blocks_of=predictors.blocks.read)
    truth = gather((*snapshot.training, *snapshot.validation), config, controls)
    # Nothing goes live, so that held-out tasks are trained on as well: more tasks make the interval narrower.
    sides = replace(snapshot.sides, held_out=frozenset())
    trials: list[ControlTrial] = []
    reasons: dict[str, str] = {}
    for control in show(controls):
        scores_of_control = _compare(predictors, control, truth[control.name], sides, (encoder, current))
        if isinstance(scores_of_control, str):
            reasons[control.name] = scores_of_control
        else:
            trials.append(scores_of_control)
    return Trial(current, encoder, tuple(trials), reasons, _measure(services, (current, encoder)))


def _compare(
    predictors: LivePredictors, control: Control, truth: Examples, sides: Sides, encoders: tuple[str, str]
) -> ControlTrial | str:
    """Compare the heads of one control on two encoders, the tried one first; return the reason if that is not possible."""
    heads: list[ComparedHead] = []
    for encoder in encoders:
        try:
            head = model_class(control).fit(truth, control, ImagesOfProject(predictors, encoder))
        except NotEnoughLabels as error:
            return str(error)
        heads.append(ComparedHead(head, truth))
    scores = score_candidates(predictors, control, heads, truth, sides)
    if scores is None:
        return "no annotated image could be scored on both encoders"
    trial_agreement, current = scores.agreement(0), scores.agreement(1)
    is_resampled: Sequence[bool] = scores.is_resampled.tolist()
    comparison = compare(
        trial_agreement,
        current,
        groups=scores.groups,
        cross_validated=is_resampled,
        folds=scores.plan.folds if any(is_resampled) else None,
    )
    return ControlTrial(
        control.name, float(current.mean()), float(trial_agreement.mean()), comparison, describe_method(scores.is_resampled)
    )


def _measure(services: Services, encoders: Sequence[str]) -> dict[str, float]:
    """Measure the speed of encoders; imported embeddings need no network."""
    networks = {encoder: services.encoders.embedder(encoder) for encoder in encoders}
    return {encoder: measure_speed(network) for encoder, network in networks.items() if network}
