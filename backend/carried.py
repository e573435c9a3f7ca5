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

from backend.annotator import Annotator
from backend.annotators import AnnotatorBuilder
from backend.project_heads import ProjectHeads
from backend.settings import Settings
from sync.labelconfig import parse

__all__ = ["CarriedVersion", "carry", "without_secrets"]

NEEDED = "label_studio_api_key"
"""The one secret that a worker needs, to fetch a project's images."""
HOLD_PASSWORDS = ("database_url", "queue_url", "s3_access_key_id")
"""Texts that are no secrets by their type, but may hold one, or belong to one."""


@dataclass(frozen=True, slots=True)
class CarriedVersion:
    """One version, on its way.

    Attributes
    ----------
    name : str
        That predictions carry.
    label_config : str
        XML.
    files : mapping of str to bytes
        Of the version's folder, by path in it; none of the shipped heads.
    settings : Settings
        Of the process that sends it, without the secrets that a worker does not need.
    """

    name: str
    label_config: str
    files: Mapping[str, bytes]
    settings: Settings

    def annotator(self, builder: AnnotatorBuilder) -> Annotator:
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
            heads = ProjectHeads.load(Path(folder), config)
        return builder.build(config, heads, version=self.name)


def carry(folder: Path | None, *, name: str, label_config: str, settings: Settings) -> CarriedVersion:
    """Take a version along.

    Parameters
    ----------
    folder : Path or None
        The version's; None, or one that is not there, stands for the shipped heads.
    settings : Settings
        Of its secrets Label Studio's access token travels, if it is there.
    """
    found = sorted(file for file in folder.rglob("*") if file.is_file()) if folder is not None else []
    files = {file.relative_to(folder).as_posix(): file.read_bytes() for file in found} if folder is not None else {}
    # Where a worker starts in another folder, a relative path would lead to another cache.
    travelling: dict[str, object] = {"data_dir": settings.data_dir.absolute(), NEEDED: settings.label_studio_api_key}
    return CarriedVersion(name, label_config, files, without_secrets(settings).model_copy(update=travelling))


def without_secrets(settings: Settings) -> Settings:
    """Settings without passwords, secrets and tokens."""
    secret = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
    nothing: dict[str, object] = dict.fromkeys(secret, SecretStr("")) | dict.fromkeys(HOLD_PASSWORDS, "")
    return settings.model_copy(update=nothing)
