"""A version with its settings, as one value for a worker on another machine.

The worker needs no shared folder and no database, only the same galaxyloop. Secrets that it does not need are removed, because
every user of a cluster can read what is sent to it.
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

NEEDED_SECRET = "label_studio_api_key"
"""The only secret that a worker needs: it downloads a project's images with it."""
OWN = "own"
"""Name of the version's own folder in the bundle."""
MAY_HOLD_SECRETS = ("database_url", "queue_url", "s3_access_key_id")
"""Settings of type str that may contain a secret or belong to one."""


@dataclass(frozen=True, slots=True)
class VersionBundle:
    """One version with its settings.

    Attributes
    ----------
    name : str
        The version's name in predictions.
    label_config : str
        XML.
    files : mapping of str to bytes
        Content of the files in the folders of its heads, by folder and path in it; empty for the shipped heads.
    taken : mapping of str to str
        Control's name to the folder in `files` that holds its head, if that is not the version's own.
    settings : Settings
        Settings of the sending process, without the secrets that a worker does not need.
    """

    name: str
    label_config: str
    files: Mapping[str, bytes]
    taken: Mapping[str, str]
    settings: Settings

    def predictor(self, factory: PredictorFactory) -> Predictor:
        """Build the version's predictor.

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
        return factory.build(config, heads, version=self.name)


def bundle_version(
    folder: Path | None, *, name: str, label_config: str, settings: Settings, taken: Mapping[str, Path] | None = None
) -> VersionBundle:
    """Read a version's files into a bundle.

    Parameters
    ----------
    folder : Path or None
        The version's; None or a missing folder means the shipped heads.
    settings : Settings
        Of its secrets, only Label Studio's access token is sent, if there is one.
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
    # Absolute, because a worker may start in another folder, where a relative path would be another cache.
    sent: dict[str, object] = {"data_dir": settings.data_dir.absolute(), NEEDED_SECRET: settings.label_studio_api_key}
    names = {control: place.name for control, place in taken.items()}
    return VersionBundle(name, label_config, files, names, without_secrets(settings).model_copy(update=sent))


def without_secrets(settings: Settings) -> Settings:
    """Return the settings without passwords, secrets and tokens."""
    secret = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
    empty: dict[str, object] = dict.fromkeys(secret, SecretStr("")) | dict.fromkeys(MAY_HOLD_SECRETS, "")
    return settings.model_copy(update=empty)
