"""Origins: which regions of an annotation a person drew, and what they did with those that a model proposed.

The prediction is compared where it is still there, as the loop does when it measures the effort; where it is gone, a region's
`origin` tells. Regions are found again by their id; what is said of the whole image by its control, since a class that was
cleared and chosen anew has a new id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync.controls import ANSWERS, ControlError
from sync.controls.comparing import decoder
from sync.controls.equality import same_answer, same_shape
from sync.geometry.shapes import Labelled

__all__ = ["ACCEPTED", "ANSWERING_TAGS", "DRAWN", "EDITED", "RELABELLED", "states_of"]

ACCEPTED, DRAWN = "accepted", "drawn"
EDITED = "edited"
"""Another outline; the class is still the model's."""
RELABELLED = "relabelled"
"""The class is no longer the model's, or nobody can tell any more."""

ANSWERING_TAGS = tuple(ANSWERS)
"""Controls that are answered for the whole image."""

_ANSWERS = {tag.lower() for tag in ANSWERING_TAGS}


def states_of(result: Sequence[Any], predicted: Sequence[Any] | None) -> list[str]:
    """Say what became of each region.

    Parameters
    ----------
    result : sequence
        Of the annotation; not checked.
    predicted : sequence or None
        Result of the prediction that it was begun from; None where that is gone.

    Returns
    -------
    list of str
        One state for each item of `result`.
    """
    if predicted is None:
        return [_by_origin(region) for region in result]
    before: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for region in predicted:
        if isinstance(region, Mapping):
            before.setdefault(_key(region), []).append(region)
    return [_state(region, before) for region in result]


def _key(region: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(region.get("type")).lower()
    if kind in _ANSWERS:
        return kind, f"{region.get('from_name') or ''} of page {region.get('item_index') or 0}"
    return kind, str(region.get("id") or "")


def _state(region: Any, before: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> str:
    if not isinstance(region, Mapping):
        return DRAWN
    proposed = before.get(_key(region))
    if proposed:
        same_control = [one for one in proposed if one.get("from_name") == region.get("from_name")]
        return _became((same_control or proposed)[0], region)
    # Label Studio's page gives an id to a region that was predicted without one.
    return _by_origin(region) if (_key(region)[0], "") in before else DRAWN


def _became(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    same_control = before.get("from_name") == after.get("from_name")
    if same_control and before.get("value") == after.get("value"):
        return ACCEPTED
    if not same_control:
        return RELABELLED
    try:
        decode = decoder(before, after)
        proposed, submitted = decode(dict(before)), decode(dict(after))
    except ControlError:
        return RELABELLED
    if not isinstance(proposed, Labelled):
        return ACCEPTED if same_answer(proposed, submitted) else RELABELLED
    if set(proposed.labels) != set(submitted.labels):
        return RELABELLED
    return ACCEPTED if same_shape(proposed, submitted) else EDITED


def _by_origin(region: Any) -> str:
    origin = region.get("origin") if isinstance(region, Mapping) else None
    return {"prediction": ACCEPTED, "prediction-changed": RELABELLED}.get(str(origin), DRAWN)
