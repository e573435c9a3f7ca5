"""A version with its settings, as one value that can be sent to a worker on another machine.

The worker needs the same release of galaxyloop, but no shared folder and no database. Secrets that it does not need are
removed, because every user of a cluster can read the data that is sent to it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from backend.heads import HeadError
from backend.lvm.encoder_store import EncoderStore
from backend.prediction.factory import PredictorFactory
from backend.prediction.predictor import Predictor
from backend.prediction.project_heads import ProjectHeads, encoders_in
from backend.settings import Settings
from sync.labelling.config import parse

__all__ = ["VersionBundle", "bundle_version", "without_secrets"]

NEEDED_SECRET = "label_studio_api_key"
"""The only secret that a worker needs, to download the images of a project."""
OWN = "own"
"""Name of the folder of the version itself in the bundle."""
ENCODERS = "encoders"
"""Name of the folder of the encoders that its heads stand on, in the bundle."""
MAY_HOLD_SECRETS = ("database_url", "queue_url", "s3_access_key_id")
"""Settings of type str that may contain a secret or belong to one."""


@dataclass(frozen=True, slots=True)
class VersionBundle:
    """One version with its settings.

    Attributes
    ----------
    name : str
        Name of the version in predictions.
    label_config : str
        Labelling config, XML.
    files : mapping of str to bytes
        Content of the files of its heads and encoders, by folder and path in the folder; empty for the shipped heads.
    head_folders : mapping of str to str
        Name of a control to the folder in `files` with its head, for heads of other versions.
    settings : Settings
        Settings of the sending process, without the secrets that a worker does not need.
    """

    name: str
    label_config: str
    files: Mapping[str, bytes]
    head_folders: Mapping[str, str]
    settings: Settings

    def predictor(self, factory: PredictorFactory) -> Predictor:
        """Build the predictor of the version.

        Raises
        ------
        LabelConfigError
            If the labelling config cannot be read.
        HeadError
            If the files of a head are damaged, or its encoder is missing.
        CheckpointError
            If the SAM checkpoint of the settings cannot be used.
        """
        config = parse(self.label_config)
        with tempfile.TemporaryDirectory(prefix="galaxyloop-version-") as folder:
            for name, content in self.files.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            head_folders = {control: Path(folder) / place for control, place in self.head_folders.items()}
            heads = ProjectHeads.load(Path(folder) / OWN, config, head_folders=head_folders)
            factory = factory.with_encoders(EncoderStore(Path(folder) / ENCODERS)).on(*heads.encoders)
            predictor = factory.build(config, heads, version=self.name)
        if missing := heads.encoders - predictor.extractor.columns.parts.keys():
            raise HeadError(
                f"the heads of {self.name} stand on the encoder {' and '.join(sorted(missing))}, which is not in "
                f"{self.settings.encoders_dir}: add it with galaxyloop encoder use"
            )
        return predictor


def bundle_version(
    folder: Path | None, *, name: str, label_config: str, settings: Settings, head_folders: Mapping[str, Path] | None = None
) -> VersionBundle:
    """Read the files of a version into a bundle.

    Parameters
    ----------
    folder : Path or None
        Folder of the version; None or a missing folder means the shipped heads.
    name : str
        Name of the version in predictions.
    label_config : str
        Labelling config, XML.
    settings : Settings
        Sent without secrets, except the access token of Label Studio.
    head_folders : mapping, optional
        Name of a control to the folder of another version with its head.
    """
    head_folders = head_folders or {}
    folders = ({} if folder is None else {OWN: folder}) | {place.name: place for place in head_folders.values()}
    files = {
        f"{name}/{file.relative_to(place).as_posix()}": file.read_bytes()
        for name, place in folders.items()
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }
    for encoder in sorted({encoder for place in folders.values() for encoder in encoders_in(place)}):
        for file in sorted((settings.encoders_dir / encoder).glob("*")):
            files[f"{ENCODERS}/{encoder}/{file.name}"] = file.read_bytes()
    # An absolute path, because a worker may start in another folder, where a relative path would refer to another cache.
    sent_settings: dict[str, object] = {"data_dir": settings.data_dir.absolute(), NEEDED_SECRET: settings.label_studio_api_key}
    names = {control: place.name for control, place in head_folders.items()}
    return VersionBundle(name, label_config, files, names, without_secrets(settings).model_copy(update=sent_settings))


def without_secrets(settings: Settings) -> Settings:
    """Return the settings without passwords, secrets and tokens."""
    secret = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
    blank_secrets: dict[str, object] = dict.fromkeys(secret, SecretStr("")) | dict.fromkeys(MAY_HOLD_SECRETS, "")
    return settings.model_copy(update=blank_secrets)
