"""The description of a run: everything that determines the content of its parts, so that parts of two runs never mix."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from backend.cluster.version_bundle import VersionBundle
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, CheckpointError, fingerprint
from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.prediction.factory import BASE_DETECTOR, BASE_MORPHOLOGY
from backend.registry.records import config_hash
from backend.survey.catalogue import CatalogueFiles
from backend.survey.errors import SurveyError
from sync.files.cache import key_of
from sync.images.stretch import STRETCH_VERSION
from sync.importing.s3_client import SCHEME

__all__ = ["check_build", "describe"]

NO_FILES = CatalogueFiles()


def describe(
    input: str,
    version: VersionBundle,
    *,
    part_images: int,
    extension: str = "",
    limit: int | None = None,
    catalogue: CatalogueFiles = NO_FILES,
) -> dict[str, Any]:
    """Return the description of a run, as JSON values.

    Parameters
    ----------
    input : str
        Recorded as an absolute path: the same relative path in another folder is another input.
    version : VersionBundle
        The version that predicts.
    part_images : int
        Images per part.
    extension : str
    limit : int, optional
    catalogue : CatalogueFiles, optional
        These three are recorded only if given, so that surveys of releases without these options can be continued.

    Raises
    ------
    CheckpointError
        If the SAM checkpoint of the settings cannot be read.
    InputError
        If the files of the catalogue cannot be read.
    """
    return {
        "input": input if input.startswith(SCHEME) else os.path.abspath(input),
        "version": version.name,
        "labelling_config": config_hash(version.label_config),
        "images_a_part": part_images,
        "largest_image_bytes": version.settings.image_max_bytes,
        "largest_image_pixels": version.settings.image_max_pixels,
        **({"extension": extension} if extension else {}),
        **({"limit": limit} if limit else {}),
        **catalogue.describe(),
        **_describe_build(version),
    }


def check_build(run: Mapping[str, Any], version: VersionBundle) -> None:
    """Check that this machine computes the same parts as the machine that described the run.

    Raises
    ------
    SurveyError
        If this machine has another galaxyloop, other weights, or another arithmetic: `openvino-bf16` is that of the extra
        `fast`.
    CheckpointError
        As for `describe`.
    """
    build = _describe_build(version)
    for name in [*build, *({"numerics"} - build.keys())]:
        value, planned_value = build.get(name, ""), run.get(name, "")
        if planned_value != value:
            raise SurveyError(
                f"{socket.gethostname()} would compute different parts: its {name.replace('_', ' ')} is {value!r} "
                f"and not {planned_value!r}; install the same galaxyloop on every machine"
            )


def _describe_build(version: VersionBundle) -> dict[str, str]:
    """Return the part of the description that depends on the machine: the release and the weights."""
    weight_files = (file for place in (BASE_DETECTOR, BASE_MORPHOLOGY, BASE_SEGMENTER) for file in sorted(place.rglob("*")))
    contents = [
        *(version.files[name] for name in sorted(version.files)),
        *(file.read_bytes() for file in weight_files if file.is_file()),
    ]
    numerics = load_fastest_encoder(SHIPPED_CHECKPOINT).numerics
    return {
        "galaxyloop": installed("galaxyloop"),
        "stretch": STRETCH_VERSION,
        "heads": key_of(*contents),
        "encoder": fingerprint(SHIPPED_CHECKPOINT),
        "sam_checkpoint": _fingerprint_sam(version.settings.sam_checkpoint),
        **({"numerics": numerics} if numerics else {}),  # so that surveys without it, and of older releases, can be continued
    }


def _fingerprint_sam(checkpoint: Path | None) -> str:
    if checkpoint is None:
        return ""
    try:
        return fingerprint(checkpoint)
    except OSError as error:
        raise CheckpointError(f"the SAM checkpoint {checkpoint} cannot be read: {error.strerror or error}") from error
