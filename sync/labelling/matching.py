"""From a model's classes, and from the labels of regions, to a project's labels.

For a model's class the team's own word comes first (`predicted_values`), then the name itself, then what astronomers call the
same thing; for the label of a region the name itself comes first. The result depends on nothing but the names and one control:
a label is never borrowed from another control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sync.labelling.synonyms import BROADER, HUBBLE_LETTERS, SYNONYMS, normalise

if TYPE_CHECKING:
    from sync.controls.control import Control, Label

__all__ = ["match_labels", "read_label", "read_path"]


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


def read_label(name: str, control: Control) -> str | None:
    """Return the stored name of the label that a region's label means; None where that is no label or not clear.

    Label Studio's page takes a label's `alias` and its `value`. Scripts write other case and spacing, and labels are renamed:
    the first of these rules that a label fits decides, and only where it fits one label alone.

    Parameters
    ----------
    name : str
        As the region has it.
    control : Control
        A control whose labels come from the tasks takes any name.
    """
    if not control.labels:
        return name
    bare, wanted = _bare(name), normalise(name)
    for fits in (
        lambda label: name == label.value,
        lambda label: name in label.names,
        lambda label: bare in map(_bare, label.names),
        lambda label: bool(wanted) and wanted in map(normalise, label.names),
        lambda label: bare in map(_bare, label.aliases),
    ):
        fitting = {label.value for label in control.labels if fits(label)}
        if fitting:
            return fitting.pop() if len(fitting) == 1 else None
    meanings = _meanings(wanted)
    fitting = {label.value for label in control.labels if any(meanings & _meanings(normalise(own)) for own in label.names)}
    return fitting.pop() if len(fitting) == 1 else None


def read_path(path: Sequence[str], control: Control) -> tuple[str, ...] | None:
    """Return the path of a taxonomy that a region's path means, level by level; None as for `read_label`."""
    named = tuple(path)
    if not control.paths or named in control.paths:
        return named
    shown = {known: label.names for known, label in zip(control.paths, control.labels, strict=True)}
    fitting = [
        known
        for known in control.paths
        if len(known) == len(named)
        and all(
            _bare(name) in map(_bare, (own, *shown.get(known[: depth + 1], ())[1:]))
            for depth, (name, own) in enumerate(zip(named, known, strict=True))
        )
    ]
    return fitting[0] if len(fitting) == 1 else None


def _bare(name: str) -> str:
    """A name without what people do not see: case, and spaces around and in a row."""
    return " ".join(name.split()).casefold()


def _meanings(name: str) -> set[str]:
    """All that a normalised name may mean; a single letter means nothing by itself."""
    return set() if name in HUBBLE_LETTERS else {meaning for meaning, synonyms in SYNONYMS.items() if name in synonyms}


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
