"""Origins: which regions of an annotation a person drew, and which predicted regions the person accepted or edited.

If the prediction still exists, its regions are compared with those of the annotation, as the effort measure does. Otherwise a
region's `origin` decides. Regions are matched by their id, and answers about the whole image by their control, since a class
that was cleared and chosen again has a new id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync.controls import ANSWERS, TAG_OF_TYPE, ControlError
from sync.controls.comparing import decoder
from sync.controls.equality import same_answer, same_shape
from sync.geometry.shapes import Labelled

__all__ = ["ACCEPTED", "DRAWN", "EDITED", "RELABELLED", "states_of"]

ACCEPTED, DRAWN = "accepted", "drawn"
EDITED = "edited"
"""The annotator changed the shape and kept the predicted class."""
RELABELLED = "relabelled"
"""The annotator changed the class, or it is unknown whether the class was changed."""


def states_of(result: Sequence[Any], prediction: Sequence[Any] | None) -> list[str]:
    """Return the state of each region of an annotation.

    Parameters
    ----------
    result : sequence
        Result of the annotation, not validated.
    prediction : sequence or None
        Result of the prediction that the annotation began from; None if it no longer exists.

    Returns
    -------
    list of str
        `ACCEPTED`, `DRAWN`, `EDITED` or `RELABELLED` for each item of `result`.
    """
    if prediction is None:
        return [_by_origin(region) for region in result]
    before: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for region in prediction:
        if isinstance(region, Mapping):
            before.setdefault(_key(region), []).append(region)
    return [_state(region, before) for region in result]


def _key(region: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(region.get("type")).lower()
    if TAG_OF_TYPE.get(kind) in ANSWERS:
        return kind, f"{region.get('from_name') or ''} of page {region.get('item_index') or 0}"
    return kind, str(region.get("id") or "")


def _state(region: Any, before: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> str:
    if not isinstance(region, Mapping):
        return DRAWN
    predicted_region = before.get(_key(region))
    if predicted_region:
        same_control = [candidate for candidate in predicted_region if candidate.get("from_name") == region.get("from_name")]
        return _compare((same_control or predicted_region)[0], region)
    # Label Studio's frontend assigns an id to a region that was predicted without one.
    return _by_origin(region) if (_key(region)[0], "") in before else DRAWN


def _compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    same_control = before.get("from_name") == after.get("from_name")
    if same_control and before.get("value") == after.get("value"):
        return ACCEPTED
    if not same_control:
        return RELABELLED
    try:
        decode = decoder(before, after)
        prediction, submission = decode(dict(before)), decode(dict(after))
    except ControlError:
        return RELABELLED
    if not isinstance(prediction, Labelled):
        return ACCEPTED if same_answer(prediction, submission) else RELABELLED
    if set(prediction.labels) != set(submission.labels):
        return RELABELLED
    return ACCEPTED if same_shape(prediction, submission) else EDITED


def _by_origin(region: Any) -> str:
    origin = region.get("origin") if isinstance(region, Mapping) else None
    return {"prediction": ACCEPTED, "prediction-changed": RELABELLED}.get(str(origin), DRAWN)
