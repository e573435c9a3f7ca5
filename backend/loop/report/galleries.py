"""Galleries: tasks to look at, with thumbnails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.loop.report.embedded_control import ClassControl, EmbeddedControl
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.object_figures import ObjectFigures
from backend.loop.report.scored_images import ScoredImages
from backend.loop.report.task_sample import TaskSample
from backend.loop.report.thumbnails import ThumbnailMaker
from backend.reports.report import Gallery
from sync.label_studio.task_images import reference_of_image

__all__ = [
    "show_confusions",
    "show_disagreements",
    "show_missed_objects",
    "show_uncertain",
    "show_uncertain_objects",
]

Floats = NDArray[np.float64]

MOST_SHOWN = 12
MOST_CONFUSIONS = 3
MOST_OF_CONFUSION = 6


@dataclass(frozen=True)
class _Item:
    task: int
    reference: str
    caption: str


def show_uncertain(
    inputs: ReportInputs, control: ClassControl, predictions: Floats, sample: TaskSample, thumbnails: ThumbnailMaker
) -> Gallery | None:
    """Show the open tasks of a sample whose two likeliest classes are closest; for a multiple choice, probabilities near 1/2.

    Parameters
    ----------
    predictions : ndarray, shape (n, k)
        The live version's probabilities of the n sampled tasks.
    """
    if control.control.multiple or predictions.shape[1] < 2:
        margin = np.abs(2 * predictions - 1).mean(axis=1)
    else:
        margin = np.diff(np.sort(predictions, axis=1)[:, -2:], axis=1)[:, 0]
    waiting = [place for place in np.argsort(margin, kind="stable") if sample.tasks[place].id not in inputs.labelled_at]
    items = [
        _Item(sample.tasks[place].id, sample.references[place], _shares(control, predictions[place]))
        for place in waiting[:MOST_SHOWN]
    ]
    return _gallery(inputs, "uncertain", f"Least certain {control.control.name}", items, thumbnails)


def show_uncertain_objects(inputs: ReportInputs, thumbnails: ThumbnailMaker) -> Gallery | None:
    """Show the open tasks with the lowest score of the stored prediction."""
    waiting = [
        (score, task)
        for task in inputs.tasks
        if not task.annotated and task.id not in inputs.labelled_at and (score := inputs.scores.get(task.id)) is not None
    ]
    waiting.sort(key=lambda pair: (pair[0], pair[1].id))
    name, key = next(iter(inputs.config.image_key.items()), ("", ""))
    items = [
        _Item(task.id, reference_of_image(task.data, inputs.config, (name, 0)), f"score {score:.2f}")
        for score, task in waiting[:MOST_SHOWN]
        if key
    ]
    return _gallery(inputs, "uncertain", "Lowest scores", items, thumbnails)


def show_disagreements(
    inputs: ReportInputs, control: EmbeddedControl, scored_images: ScoredImages, predictions: Floats, thumbnails: ThumbnailMaker
) -> Gallery | None:
    """Show the annotated images on which the model contradicts the annotators most.

    Parameters
    ----------
    predictions : ndarray, shape (n, ...)
        Predictions of the n images by heads that were not fitted on them.
    """
    if isinstance(control, ClassControl):
        targets = control.targets(scored_images.labels)
        differ = (control.choose_classes(predictions) != control.choose_classes(targets)).any(axis=1)
        size = np.abs(predictions - targets).max(axis=1)
        order = [place for place in np.argsort(-size, kind="stable") if differ[place]]
        captions = [
            f"annotated {_names(control, targets[place])}, predicted {_shares(control, predictions[place])}" for place in order
        ]
    else:
        errors = np.abs(predictions[:, 0] - np.asarray(scored_images.labels, np.float64))
        order = list(np.argsort(-errors, kind="stable"))
        captions = [f"annotated {scored_images.labels[place]:.4g}, predicted {predictions[place, 0]:.4g}" for place in order]
    items = [
        _Item(scored_images.images[place].task, _reference(inputs, control, scored_images, place), caption)
        for place, caption in zip(order, captions, strict=True)
    ]
    return _gallery(inputs, "disagreement", f"Largest disagreements on {control.control.name}", items[:MOST_SHOWN], thumbnails)


def show_confusions(
    inputs: ReportInputs, control: ClassControl, scored_images: ScoredImages, predictions: Floats, thumbnails: ThumbnailMaker
) -> list[Gallery]:
    """Show the most frequent confusions of two classes; the most certain wrong predictions come first."""
    if control.control.multiple:
        return []
    true_class, predicted_class = control.targets(scored_images.labels).argmax(axis=1), predictions.argmax(axis=1)
    pairs: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in np.argsort(-predictions.max(axis=1), kind="stable"):
        if true_class[place] != predicted_class[place]:
            pairs[int(true_class[place]), int(predicted_class[place])].append(int(place))
    galleries = []
    for (annotated_class, answer), places in sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:MOST_CONFUSIONS]:
        labels = [label.value for label in control.control.labels]
        items = [
            _Item(
                scored_images.images[place].task,
                _reference(inputs, control, scored_images, place),
                _shares(control, predictions[place]),
            )
            for place in places[:MOST_OF_CONFUSION]
        ]
        count = f"{len(places)} image{'s' if len(places) > 1 else ''}"
        title = f"{labels[annotated_class]} predicted as {labels[answer]} ({count})"
        galleries.append(_gallery(inputs, "confusion", title, items, thumbnails))
    return [gallery for gallery in galleries if gallery is not None]


def show_missed_objects(inputs: ReportInputs, figures: ObjectFigures, thumbnails: ThumbnailMaker) -> Gallery | None:
    """Show the held-out images with the most missed and false objects."""
    image_errors = []
    for image, matches in zip(figures.images, figures.matches, strict=True):
        missed_count, false = len(matches.drawn_labels) - int((matches.matches >= 0).sum()), int((matches.matches < 0).sum())
        if missed_count + false:
            image_errors.append(
                (missed_count + false, image, f"{len(matches.drawn_labels)} drawn, {missed_count} missed, {false} false")
            )
    image_errors.sort(key=lambda row: (-row[0], row[1]))
    references = inputs.truth[figures.report.name].references
    items = [_Item(image.task, references[image], caption) for _, image, caption in image_errors[:MOST_SHOWN]]
    return _gallery(inputs, "disagreement", f"Largest disagreements on {figures.report.name}", items, thumbnails)


def _reference(inputs: ReportInputs, control: EmbeddedControl, scored_images: ScoredImages, place: int) -> str:
    return inputs.truth[control.control.name].references[scored_images.images[place]]


def _shares(control: ClassControl, row: Floats) -> str:
    """Return the two likeliest labels with their probabilities: "spiral 0.52, elliptical 0.47"."""
    labels = [label.value for label in control.control.labels]
    return ", ".join(f"{labels[place]} {row[place]:.2f}" for place in np.argsort(-row, kind="stable")[:2])


def _names(control: ClassControl, shares: Floats) -> str:
    labels = [label.value for label in control.control.labels]
    return ", ".join(labels[place] for place in np.flatnonzero(control.choose_classes(shares[None])[0])) or "nothing"


def _gallery(
    inputs: ReportInputs,
    kind: Literal["uncertain", "disagreement", "confusion"],
    title: str,
    items: Sequence[_Item],
    thumbnails: ThumbnailMaker,
) -> Gallery | None:
    galleries = []
    for item in items:
        inputs.check()
        galleries.append(thumbnails.make(inputs.predictors.open, item.reference, task=item.task, caption=item.caption))
    return Gallery(kind=kind, title=title, tasks=galleries) if galleries else None
