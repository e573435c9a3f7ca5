"""What a worker on another machine needs to predict as this one does: the version's files and the settings, in one value.

Sent along, they need no shared folder and no database there; the same galaxyloop must be installed. Secrets that nobody needs
there stay here: whoever may use a cluster can read what is sent to it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from backend.prediction.factory import PredictorFactory
from backend.prediction.predictor import Predictor
from backend.prediction.project_heads import ProjectHeads
from backend.settings import Settings
from sync.labelling.config import parse

__all__ = ["VersionBundle", "bundle_version", "without_secrets"]

NEEDED = "label_studio_api_key"
"""The one secret that a worker needs, to fetch a project's images."""
OWN = "own"
"""Name that the version's own folder travels under."""
HOLD_PASSWORDS = ("database_url", "queue_url", "s3_access_key_id")
"""Texts that are no secrets by their type, but may hold one, or belong to one."""


@dataclass(frozen=True, slots=True)
class VersionBundle:
    """One version, on its way.

    Attributes
    ----------
    name : str
        That predictions carry.
    label_config : str
        XML.
    files : mapping of str to bytes
        Of the folders that its heads are read from, by folder and path in it; none of the shipped heads.
    taken : mapping of str to str
        Control's name to the folder in `files` that its head is read from, where it is not the version's own.
    settings : Settings
        Of the process that sends it, without the secrets that a worker does not need.
    """

    name: str
    label_config: str
    files: Mapping[str, bytes]
    taken: Mapping[str, str]
    settings: Settings

    def predictor(self, builder: PredictorFactory) -> Predictor:
        """Build the version's annotator.

        Raises
        ------
        LabelConfigError
            If the labelling config cannot be read.
        HeadError
            If a head's files are damaged.
        CheckpointError
            If the SAM checkpoint of the settings cannot be used.
        """
        config = parse(self.label_config)
        with tempfile.TemporaryDirectory(prefix="galaxyloop-version-") as folder:
            for name, content in self.files.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            taken = {control: Path(folder) / place for control, place in self.taken.items()}
            heads = ProjectHeads.load(Path(folder) / OWN, config, taken=taken)
        return builder.build(config, heads, version=self.name)


def bundle_version(
    folder: Path | None, *, name: str, label_config: str, settings: Settings, taken: Mapping[str, Path] | None = None
) -> VersionBundle:
    """Take a version along.

    Parameters
    ----------
    folder : Path or None
        The version's; None, or one that is not there, stands for the shipped heads.
    settings : Settings
        Of its secrets Label Studio's access token travels, if it is there.
    taken : mapping, optional
        Control's name to the folder of another version that holds its head.
    """
    taken = taken or {}
    folders = ({} if folder is None else {OWN: folder}) | {place.name: place for place in taken.values()}
    files = {
        f"{name}/{file.relative_to(place).as_posix()}": file.read_bytes()
        for name, place in folders.items()
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }
    # Where a worker starts in another folder, a relative path would lead to another cache.
    travelling: dict[str, object] = {"data_dir": settings.data_dir.absolute(), NEEDED: settings.label_studio_api_key}
    names = {control: place.name for control, place in taken.items()}
    return VersionBundle(name, label_config, files, names, without_secrets(settings).model_copy(update=travelling))


def without_secrets(settings: Settings) -> Settings:
    """Settings without passwords, secrets and tokens."""
    secret = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
    nothing: dict[str, object] = dict.fromkeys(secret, SecretStr("")) | dict.fromkeys(HOLD_PASSWORDS, "")
    return settings.model_copy(update=nothing)
