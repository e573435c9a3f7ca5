"""Visibility of controls on Label Studio's page: `visibleWhen` of a control and of the Views that contain it.

The rules are those of the page of Label Studio 1.23. The page shows a control with `region-selected` while a matching region is
selected; this module treats the control as visible if such a region exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sync.controls import ANSWERS, Kind
from sync.labelling.config import Condition, LabelConfig

__all__ = ["hidden_controls"]

_CLASS_TYPES = {tag.lower() for tag, codec in ANSWERS.items() if codec.KIND is Kind.CLASSES}


def hidden_controls(regions: Iterable[Mapping[str, Any]], config: LabelConfig) -> frozenset[str]:
    """Return the names of the controls that Label Studio's page hides for a result with these regions."""
    if not config.conditions:
        return frozenset()
    visibility = _Visibility(list(regions), config)
    return frozenset(name for name in config.conditions if not visibility.control(name, ()))


class _Visibility:
    """Evaluates the conditions; choices of a hidden control do not count as selected."""

    def __init__(self, regions: list[Mapping[str, Any]], config: LabelConfig) -> None:
        self._regions = regions
        self._config = config

    def control(self, name: str, asking: tuple[str, ...]) -> bool:
        """Return whether the page shows a control; `asking` lists the controls whose visibility depends on it."""
        if name in asking:  # circular conditions
            return False
        return all(self._holds(condition, (*asking, name)) for condition in self._config.conditions.get(name, ()))

    def _holds(self, condition: Condition, asking: tuple[str, ...]) -> bool:
        if condition.when == "region-selected":
            return any(self._fits(region, condition) for region in self._regions if not _answers(region))
        if condition.when in ("choice-selected", "choice-unselected"):
            is_selected = any(
                self._fits(region, condition)
                for region in self._regions
                if _answers(region)
                and region.get("from_name") != asking[-1]
                and self.control(str(region.get("from_name")), asking)
            )
            return is_selected == (condition.when == "choice-selected")
        return True  # no-region-selected holds when a task opens

    def _fits(self, region: Mapping[str, Any], condition: Condition) -> bool:
        """Return whether a region belongs to the condition's control and has one of its values."""
        name = str(region.get("from_name"))
        if condition.control and name != condition.control:
            return False
        chosen_values = {spelt for value in _values(region) for spelt in self._spellings(name, value)}
        return bool(chosen_values) if not condition.values else not chosen_values.isdisjoint(condition.values)

    def _spellings(self, name: str, value: str) -> tuple[str, ...]:
        """Return all names of a label, because a condition may use its value or its alias."""
        control = self._config.control(name)
        label = next((label for label in control.labels if value in label.names), None) if control else None
        return (value, *(label.names if label else ()))


def _answers(region: Mapping[str, Any]) -> bool:
    return str(region.get("type")).lower() in _CLASS_TYPES


def _values(region: Mapping[str, Any]) -> Iterable[str]:
    """Yield the labels of a region; for a path of a taxonomy, its last name."""
    value = region.get("value")
    for key, items in value.items() if isinstance(value, Mapping) else ():
        if isinstance(items, list) and (key in _CLASS_TYPES or key.endswith("labels")):
            last = (item[-1] if isinstance(item, list | tuple) and item else item for item in items)
            yield from (item for item in last if isinstance(item, str))
