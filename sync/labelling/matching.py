"""Matching of a model's classes, and of the labels of regions, to the labels of a control.

A model's class is matched by `predicted_values` first, then by its name, then by synonyms that astronomers use; the label of a
region is matched by its name first. The result depends only on the names and on one control; labels of other controls are not
considered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sync.labelling.synonyms import BROADER, HUBBLE_LETTERS, SYNONYMS, normalise

if TYPE_CHECKING:
    from sync.controls.control import Control, Label

__all__ = ["match_labels", "read_label", "read_path"]


def match_labels(classes: Sequence[str], control: Control) -> dict[str, str]:
    """Return the label of `control` for each model class; classes without a matching label are left out.

    Several classes may map to one label; their probabilities then add. If two labels match equally well, the first one in the
    config is returned.

    Parameters
    ----------
    classes : sequence of str
        Names of the model's classes, such as `edge_on`.
    control : Control
        Choices, Taxonomy or any of the label tags.

    Returns
    -------
    dict of str to str
        Class to `Label.value`; for a taxonomy, `control.path(value)` returns the path.
    """
    matches = {}
    for name in classes:
        label = _match(name, control.labels)
        if label is not None:
            matches[name] = label.value
    return matches


def read_label(name: str, control: Control) -> str | None:
    """Return the stored name of the label that matches a region's label; None if no label matches, or several do.

    The rules are tried in order: stored name, `alias` or `value` as on Label Studio's page, other case and spacing as in some
    scripts, other punctuation, `predicted_values`, synonyms. The first rule that any label satisfies decides.

    Parameters
    ----------
    name : str
        Label of the region.
    control : Control
        A control without labels in the config, whose labels come from the tasks, accepts any name.
    """
    if not control.labels:
        return name
    bare, normal_name = _bare(name), normalise(name)
    for fits in (
        lambda label: name == label.value,
        lambda label: name in label.names,
        lambda label: bare in map(_bare, label.names),
        lambda label: bool(normal_name) and normal_name in map(normalise, label.names),
        lambda label: bare in map(_bare, label.aliases),
    ):
        fitting = {label.value for label in control.labels if fits(label)}
        if fitting:
            return fitting.pop() if len(fitting) == 1 else None
    meanings = _meanings(normal_name)
    fitting = {
        label.value
        for label in control.labels
        if any(meanings & _meanings(normalise(label_name)) for label_name in label.names)
    }
    return fitting.pop() if len(fitting) == 1 else None


def read_path(path: Sequence[str], control: Control) -> tuple[str, ...] | None:
    """Return the path of a taxonomy that matches a region's path level by level; None if no path matches, or several do."""
    names = tuple(path)
    if not control.paths or names in control.paths:
        return names
    names_of = {candidate: label.names for candidate, label in zip(control.paths, control.labels, strict=True)}
    fitting = [
        candidate
        for candidate in control.paths
        if len(candidate) == len(names)
        and all(
            _bare(name) in map(_bare, (label_name, *names_of.get(candidate[: depth + 1], ())[1:]))
            for depth, (name, label_name) in enumerate(zip(names, candidate, strict=True))
        )
    ]
    return fitting[0] if len(fitting) == 1 else None


def _bare(name: str) -> str:
    """Return a name in folded case, without leading, trailing and repeated spaces."""
    return " ".join(name.split()).casefold()


def _meanings(name: str) -> set[str]:
    """Return all classes that a normalised name may denote; none for a single letter of the Hubble sequence."""
    return set() if name in HUBBLE_LETTERS else {meaning for meaning, synonyms in SYNONYMS.items() if name in synonyms}


def _match(name: str, labels: Sequence[Label]) -> Label | None:
    normal_name = normalise(name)
    steps: list[Callable[[Label], bool]] = [
        lambda label: normal_name in map(normalise, label.aliases),
        lambda label: name in label.names,
        lambda label: normal_name in map(normalise, label.names),
    ]
    for fits in steps:
        for label in labels:
            if fits(label):
                return label
    return _by_synonym(normal_name, labels)


def _by_synonym(name: str, labels: Sequence[Label]) -> Label | None:
    by_name: dict[str, Label] = {}
    for label in labels:
        for label_name in label.names:
            by_name.setdefault(normalise(label_name), label)
    letters_mean_types = by_name.keys() >= HUBBLE_LETTERS
    meaning: str | None = _meaning(name)
    while meaning is not None:
        for synonym in SYNONYMS[meaning]:
            if synonym in by_name and (synonym not in HUBBLE_LETTERS or letters_mean_types):
                return by_name[synonym]
        meaning = BROADER.get(meaning)
    return None


def _meaning(name: str) -> str | None:
    for meaning in SYNONYMS:
        if name == normalise(meaning):
            return meaning
    return next((meaning for meaning, synonyms in SYNONYMS.items() if name in synonyms), None)
