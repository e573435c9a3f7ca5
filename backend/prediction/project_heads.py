"""A project's heads: which head fills which control, and how a version's folder keeps them.

A control without a trained head is filled by the shipped one, so day 0 is not empty; a head whose control has changed since it
was trained is left aside. A version may take the head of a control from an earlier version's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.heads import HEADS, Head, HeadError
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.registry.version_files import INDEX
from sync.controls import ANSWERS, OBJECTS
from sync.labelling.config import Control, LabelConfig
from sync.labelling.matching import read_label

__all__ = ["PROMPTS", "ProjectHeads", "controls_to_fill", "prompt_target"]

PROMPTS = ""
"""Name under which the prompted head stands: no control can be called so."""


@dataclass(frozen=True)
class ProjectHeads:
    """The trained heads of one version.

    Attributes
    ----------
    filling : mapping
        Control's name to the head that fills it.
    prompted : PromptedMasks or None
        Answers clicks and boxes.
    """

    filling: Mapping[str, Head] = field(default_factory=dict)
    prompted: PromptedMasks | None = None

    def save(self, folder: Path, config: LabelConfig) -> None:
        """Write the heads, each in a folder of its own, and an index."""
        heads: dict[str, Head] = {**self.filling} | ({PROMPTS: self.prompted} if self.prompted else {})
        index = {}
        for position, (name, head) in enumerate(heads.items()):
            place = f"head-{position}"
            head.save(folder / place)
            index[name] = {"kind": _kind(head), "folder": place, "signature": _signature(config.control(name))}
        (folder / INDEX).write_text(json.dumps(index, indent=1))

    @classmethod
    def load(cls, folder: Path, config: LabelConfig, *, taken: Mapping[str, Path] | None = None) -> ProjectHeads:
        """Read a version's heads; none where it has no folder (the base version).

        Parameters
        ----------
        taken : mapping, optional
            Control's name, or `PROMPTS`, to the folder of another version that its head is read from; one that is not there
            stands for the shipped head.

        Raises
        ------
        HeadError
            If a head's files are damaged.
        """
        taken = taken or {}
        entries = {name: (folder, entry) for name, entry in _index(folder).items() if name not in taken}
        entries |= {name: (place, index[name]) for name, place in taken.items() if name in (index := _index(place))}
        filling: dict[str, Head] = {}
        prompted = None
        for name, (place, entry) in entries.items():
            if entry["signature"] != _signature(config.control(name)):
                continue
            if entry["kind"] not in HEADS:
                raise HeadError(f"{place / INDEX} names a head of the unknown kind {entry['kind']!r}")
            head = HEADS[entry["kind"]].load(place / entry["folder"])
            if isinstance(head, PromptedMasks):
                prompted = head
            else:
                filling[name] = head
        return cls(filling, prompted)


def _index(folder: Path) -> dict[str, dict[str, str]]:
    try:
        index: dict[str, dict[str, str]] = json.loads((folder / INDEX).read_bytes())
        return {name: {key: entry[key] for key in ("kind", "folder", "signature")} for name, entry in index.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HeadError(f"{folder / INDEX} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HeadError(f"{folder / INDEX} is not the index of a version's heads") from error


def controls_to_fill(config: LabelConfig) -> tuple[Control, ...]:
    """Choose the controls that every task is filled in; a smart rectangle is a tool where objects have another control."""
    objects = [control for control in config.controls if control.tag in OBJECTS and not control.smart_only]
    plain = [control for control in objects if not (control.smart and control.tag == "RectangleLabels")]
    shapes = plain or objects
    return tuple(control for control in config.controls if control in shapes or control.tag in ANSWERS)


def prompt_target(config: LabelConfig, *, label: str, to_name: str, from_name: object = None) -> tuple[Control, str] | None:
    """Choose the control and the label that a prompt is answered in.

    Parameters
    ----------
    label : str
        Of the prompt.
    to_name : str
        Name of the Image tag that it lies on.
    from_name : str, optional
        Name of the prompt's own control, whose label may have an alias.

    Returns
    -------
    (control, label) or None
        The control with the most exact outline that has the prompt's label, and what it stores for that label; None where no
        control has it: another label would be a wrong answer.
    """
    asked = config.control(from_name)
    own = next((one for one in asked.labels if one.value == label), None) if asked else None
    for tag in OBJECTS:
        for control in controls_to_fill(config):
            if control.tag != tag or to_name not in control.to_names or not control.labels:
                continue
            for name in own.names if own else (label,):
                known = read_label(name, control)
                if known is not None:
                    return control, known
    return None


def _kind(head: Head) -> str:
    return next(kind for kind, one in HEADS.items() if isinstance(head, one))


def _signature(control: Control | None) -> str:
    """Name what a head depends on of its control: another tag, label or order needs another head."""
    if control is None:
        return ""
    parts = [control.tag, control.to_name, control.multiple, [label.value for label in control.labels]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
