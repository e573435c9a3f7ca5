"""A project's heads: which head predicts which control, and their files in a version's folder.

A control without a trained head is predicted by the shipped one, so that a new project has predictions; a head whose control
has changed since it was trained is not used. A version may use the head of a control from an earlier version's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.heads import HEADS, EmbeddedHead, Head, HeadError
from backend.heads.detection.detection import Detection
from backend.heads.restoration.share import CorrectionShare
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.registry.records import PROMPTS, RESTORED_PICTURES
from backend.registry.version_files import INDEX
from sync.controls import ANSWERS, BOXES, OBJECTS
from sync.labelling.config import Control, LabelConfig
from sync.labelling.matching import read_label

__all__ = ["PROMPTS", "RESTORED_PICTURES", "ProjectHeads", "controls_to_predict", "encoders_in", "prompt_target"]


@dataclass(frozen=True)
class ProjectHeads:
    """The trained heads of one version.

    Attributes
    ----------
    by_control : mapping
        Control's name to the head that predicts it.
    prompted_masks : PromptedMasks or None
        The head that answers clicks and boxes.
    correction_share : CorrectionShare or None
        How restored pictures are drawn.
    """

    by_control: Mapping[str, Head] = field(default_factory=dict)
    prompted_masks: PromptedMasks | None = None
    correction_share: CorrectionShare | None = None

    @property
    def encoders(self) -> frozenset[str]:
        """Fingerprints of the encoders whose embeddings the heads read."""
        return frozenset(head.encoder for head in self.by_control.values() if isinstance(head, EmbeddedHead))

    def save(self, folder: Path, config: LabelConfig) -> None:
        """Write each head into its own folder, and an index of them.

        Parameters
        ----------
        folder : Path
            Folder of the version.
        config : LabelConfig
            The labelling config that the heads were trained for.
        """
        heads: dict[str, Head] = {**self.by_control}
        heads |= {PROMPTS: self.prompted_masks} if self.prompted_masks else {}
        heads |= {RESTORED_PICTURES: self.correction_share} if self.correction_share else {}
        index = {}
        for position, (name, head) in enumerate(heads.items()):
            place = f"head-{position}"
            head.save(folder / place)
            index[name] = {"kind": _kind(head), "folder": place, "signature": _signature(config.control(name))}
            if encoder := _encoder_of(head):
                index[name]["encoder"] = encoder
        (folder / INDEX).write_text(json.dumps(index, indent=1))

    @classmethod
    def load(cls, folder: Path, config: LabelConfig, *, head_folders: Mapping[str, Path] | None = None) -> ProjectHeads:
        """Read a version's heads; none if it has no folder (the base version).

        Parameters
        ----------
        folder : Path
            Folder of the version.
        config : LabelConfig
            Heads whose control differs from the one that they were trained for are left out.
        head_folders : mapping, optional
            Control's name, `PROMPTS` or `RESTORED_PICTURES`, to the folder of another version that its head is read from; if
            that folder has no such head, the shipped head is used.

        Raises
        ------
        HeadError
            If a head's files are damaged.
        """
        head_folders = head_folders or {}
        entries = {name: (folder, entry) for name, entry in _index(folder).items() if name not in head_folders}
        entries |= {name: (place, index[name]) for name, place in head_folders.items() if name in (index := _index(place))}
        by_control: dict[str, Head] = {}
        masks = picture_head = None
        for name, (place, entry) in entries.items():
            if entry["signature"] != _signature(config.control(name)):
                continue
            if entry["kind"] not in HEADS:
                raise HeadError(f"{place / INDEX} names a head of the unknown kind {entry['kind']!r}")
            head = HEADS[entry["kind"]].load(place / entry["folder"])
            if isinstance(head, PromptedMasks):
                masks = head
            elif isinstance(head, CorrectionShare):
                picture_head = head
            else:
                by_control[name] = head
        return cls(by_control, masks, picture_head)


def encoders_in(folder: Path) -> frozenset[str]:
    """Return the fingerprints of the encoders that the index of a version names; none if the version has no folder."""
    return frozenset(entry["encoder"] for entry in _index(folder).values() if entry["encoder"])


def _index(folder: Path) -> dict[str, dict[str, str]]:
    try:
        index: dict[str, dict[str, str]] = json.loads((folder / INDEX).read_bytes())
        return {
            name: {key: entry[key] for key in ("kind", "folder", "signature")} | {"encoder": entry.get("encoder", "")}
            for name, entry in index.items()
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HeadError(f"{folder / INDEX} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HeadError(f"{folder / INDEX} is not the index of a version's heads") from error


def controls_to_predict(config: LabelConfig) -> tuple[Control, ...]:
    """Choose the controls to predict.

    A smart box is not predicted, but used as a tool for prompts, if another control holds objects.
    """
    objects = [control for control in config.controls if control.tag in OBJECTS and not control.smart_only]
    plain = [control for control in objects if not (control.smart and control.tag in BOXES)]
    shapes = plain or objects
    return tuple(control for control in config.controls if control in shapes or control.tag in ANSWERS)


def prompt_target(config: LabelConfig, *, label: str, to_name: str, from_name: object = None) -> tuple[Control, str] | None:
    """Choose the control and the label for the answer to a prompt.

    Parameters
    ----------
    config : LabelConfig
    label : str
        Label of the prompt.
    to_name : str
        Name of the Image tag that the prompt is on.
    from_name : str, optional
        Name of the prompt's control, whose label may have an alias.

    Returns
    -------
    (control, label) or None
        The control with the most exact outline that has the prompt's label, and the value that it stores for that label; None
        if no control has it: another label would be a wrong answer.
    """
    prompt_control = config.control(from_name)
    own_label = next((each for each in prompt_control.labels if each.value == label), None) if prompt_control else None
    for tag in OBJECTS:
        for control in controls_to_predict(config):
            if control.tag != tag or to_name not in control.to_names or not control.labels:
                continue
            for name in own_label.names if own_label else (label,):
                own_name = read_label(name, control)
                if own_name is not None:
                    return control, own_name
    return None


def _kind(head: Head) -> str:
    return next(kind for kind, head_class in HEADS.items() if isinstance(head, head_class))


def _encoder_of(head: Head) -> str:
    """Return the fingerprint of the encoder that a head stands on; empty for one that reads extracted sources only."""
    if isinstance(head, Detection):
        return head.learned_detector.encoder if head.learned_detector is not None else ""
    return head.encoder if isinstance(head, EmbeddedHead | PromptedMasks) else ""


def _signature(control: Control | None) -> str:
    """Return a hash of what a head depends on in its control: another tag, label or order needs another head."""
    if control is None:
        return ""
    parts = [control.tag, control.to_name, control.multiple, [label.value for label in control.labels]]
    parts += [control.predicted_values] if control.predicted_values else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
