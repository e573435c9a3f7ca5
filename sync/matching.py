"""From a model's classes to a project's labels.

The team's own word comes first (`predicted_values`), then the name itself, then what astronomers call the same thing.
The result depends on nothing but the classes and one control: a label is never borrowed from another control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sync.synonyms import BROADER, HUBBLE_LETTERS, SYNONYMS, normalise

if TYPE_CHECKING:
    from sync.labelconfig import Control, Label

__all__ = ["match_labels"]


def match_labels(classes: Sequence[str], control: Control) -> dict[str, str]:
    """Return the label of `control` that stands for each model class; classes without one are left out.

    Several classes may share a label: their probabilities then add. Where two labels fit equally well, the first one in
    the config is taken.

    Parameters
    ----------
    classes : sequence of str
        Names of the model's classes, such as `edge_on`.
    control : Control
        Choices, Taxonomy or any of the label tags.

    Returns
    -------
    dict of str to str
        Class to `Label.value`; for a taxonomy, `control.path(value)` gives the path.
    """
    matches = {}
    for name in classes:
        label = _match(name, control.labels)
        if label is not None:
            matches[name] = label.value
    return matches


def _match(name: str, labels: Sequence[Label]) -> Label | None:
    wanted = normalise(name)
    steps: list[Callable[[Label], bool]] = [
        lambda label: wanted in map(normalise, label.aliases),
        lambda label: name in label.names,
        lambda label: wanted in map(normalise, label.names),
    ]
    for fits in steps:
        for label in labels:
            if fits(label):
                return label
    return _by_synonym(wanted, labels)


def _by_synonym(wanted: str, labels: Sequence[Label]) -> Label | None:
    by_name: dict[str, Label] = {}
    for label in labels:
        for own in label.names:
            by_name.setdefault(normalise(own), label)
    letters_mean_types = by_name.keys() >= HUBBLE_LETTERS
    meaning: str | None = _meaning(wanted)
    while meaning is not None:
        for synonym in SYNONYMS[meaning]:
            if synonym in by_name and (synonym not in HUBBLE_LETTERS or letters_mean_types):
                return by_name[synonym]
        meaning = BROADER.get(meaning)
    return None


def _meaning(wanted: str) -> str | None:
    for meaning in SYNONYMS:
        if wanted == normalise(meaning):
            return meaning
    return next((meaning for meaning, synonyms in SYNONYMS.items() if wanted in synonyms), None)
