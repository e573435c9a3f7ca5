"""A control of a labelling config: its tag, its labels and the images that it annotates."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Control", "Label", "join_path"]


@dataclass(frozen=True, slots=True)
class Label:
    """One label that a control offers.

    Attributes
    ----------
    value : str
        The stored name: the `alias` where there is one, else the `value`; for a node of a taxonomy, its joined path.
    aliases : tuple of str
        The names in `predicted_values`: the model classes that this label stands for.
    shown : str
        The name that the annotator reads; for a node of a taxonomy its own name, without the path.
    """

    value: str
    aliases: tuple[str, ...] = ()
    shown: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The label's own names, the stored one first."""
        return (self.value, self.shown) if self.shown and self.shown != self.value else (self.value,)


@dataclass(frozen=True, slots=True)
class Control:
    """One control tag on an image, or on several.

    Attributes
    ----------
    name, to_name : str
        The control's name and the name of the Image tag it annotates, the first one if it annotates several.
    tag : str
        A key of `sync.controls.CONTROLS`.
    labels : tuple of Label
        In the config's order; empty for Number, and where the labels come from the task or from a URL.
    multiple : bool
        Whether one result may hold several labels.
    smart, smart_only, never_smart : bool
        Whether the control is marked as a tool for prompts (`smart="true"`), only as a tool for prompts (`smartOnly="true"`),
        or not as a tool for prompts (`smart="false"`).
    minimum, maximum, step : float or None
        Bounds of a Number.
    paths : tuple of tuple of str
        The path of each of `labels` of a Taxonomy; else empty.
    also_to : tuple of str
        Names of the further Image tags that it annotates.
    per_item : bool
        Whether it is answered for each page of its image (`perItem`).
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

    @property
    def to_names(self) -> tuple[str, ...]:
        """The names of all Image tags that it annotates."""
        return (self.to_name, *self.also_to)

    @property
    def marks_objects(self) -> bool:
        """Whether its regions lie somewhere on the image, rather than classify it; Label Studio names such tags `…Labels`."""
        return self.tag.endswith("Labels")

    @property
    def only_prompts(self) -> bool:
        """Whether its regions are prompts and never an answer: a smart key point, or any control with `smartOnly`."""
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
    """Return a path of a taxonomy as one name: `("Featured", "Spiral")` is `Featured/Spiral`."""
    return "/".join(path)
