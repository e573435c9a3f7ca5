"""A control of a labelling config: its tag, its labels and the images that it annotates."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Control", "Label", "join_path"]


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a control.

    Attributes
    ----------
    value : str
        Stored name: the `alias` if the config gives one, else the `value`; for a node of a taxonomy, its joined path.
    aliases : tuple of str
        Names in `predicted_values`: the model classes that map to this label.
    display_name : str
        Displayed name; for a node of a taxonomy, its own name without the path.
    """

    value: str
    aliases: tuple[str, ...] = ()
    display_name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The stored name, followed by the displayed name if it differs."""
        return (self.value, self.display_name) if self.display_name and self.display_name != self.value else (self.value,)


@dataclass(frozen=True, slots=True)
class Control:
    """One control tag of the labelling config, for one or several Image tags.

    Attributes
    ----------
    name, to_name : str
        The control's name and the name of its Image tag, or of the first if it annotates several.
    tag : str
        A key of `sync.controls.CONTROLS`.
    labels : tuple of Label
        In the config's order; empty for Number and Rating, and if the labels come from the task or from a URL.
    multiple : bool
        Whether one result may have several labels.
    smart, smart_only, never_smart : bool
        Whether the control is marked as a tool for prompts (`smart="true"`), only as a tool for prompts (`smartOnly="true"`),
        or not as a tool for prompts (`smart="false"`).
    minimum, maximum, step : float or None
        Bounds and step of a Number or Rating.
    paths : tuple of tuple of str
        Path of each of the `labels` of a Taxonomy; empty for other tags.
    also_to : tuple of str
        Names of the other Image tags that it annotates.
    per_item : bool
        Whether each page of the image has its own value (`perItem`).
    predicted_values : tuple of str
        Names of the model's values for a Number or Rating, from `predicted_values`.
    """

    name: str
    to_name: str
    tag: str
    labels: tuple[Label, ...] = ()
    multiple: bool = False
    smart: bool = False
    minimum: float | None = None
    maximum: float | None = None
    paths: tuple[tuple[str, ...], ...] = ()
    step: float | None = None
    smart_only: bool = False
    never_smart: bool = False
    also_to: tuple[str, ...] = ()
    per_item: bool = False
    predicted_values: tuple[str, ...] = ()

    @property
    def to_names(self) -> tuple[str, ...]:
        """Names of all Image tags that the control annotates."""
        return (self.to_name, *self.also_to)

    @property
    def marks_objects(self) -> bool:
        """Whether its regions have a position on the image, which holds for the tags named `…Labels`."""
        return self.tag.endswith("Labels")

    @property
    def only_prompts(self) -> bool:
        """Whether its regions are only prompts, never annotations: a smart key point, or any control with `smartOnly`."""
        return self.smart_only or (self.smart and self.tag == "KeyPointLabels")

    def path(self, value: str) -> tuple[str, ...]:
        """Return the path of the label that is stored as `value`.

        Raises
        ------
        KeyError
            If the control has no such path.
        """
        for label, path in zip(self.labels, self.paths, strict=False):
            if label.value == value:
                return path
        raise KeyError(f"control {self.name!r} has no path {value!r}")


def join_path(path: tuple[str, ...]) -> str:
    """Join a path of a taxonomy into one name: `("Featured", "Spiral")` gives `Featured/Spiral`."""
    return "/".join(path)
