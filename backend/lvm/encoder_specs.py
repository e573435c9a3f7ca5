"""Specifications of encoders: where the weights of an encoder come from.

`shipped`, `shipped-classifier`, `hf_hub:OWNER/NAME`, `local-dir:/folder`, a name of timm such as `convnext_nano.in12k_ft_in1k`,
or the path of a checkpoint that `galaxyloop pretrain` wrote.
"""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from pathlib import Path

from backend.lvm.checkpoint_files import CheckpointError
from backend.lvm.encoder_records import SHIPPED, SHIPPED_CLASSIFIER

__all__ = ["find_checkpoint", "find_timm_folder"]

HUB_PREFIXES = ("hf_hub:", "hf-hub:")
LOCAL_PREFIX = "local-dir:"
CHECKPOINT_SUFFIX = ".safetensors"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[^@\s]+)?")
"""OWNER/NAME of a repository of the hub, with or without a revision."""
LONGEST_REASON = 200


def find_checkpoint(spec: str) -> Path | None:
    """Return the path of a checkpoint of `galaxyloop pretrain`; None if the specification is not a path of a file.

    Raises
    ------
    CheckpointError
        If it is the path of a missing file, or of a file of another kind.
    """
    path = Path(spec)
    if path.is_dir():
        raise CheckpointError(f"the encoder {spec} is a folder: write {LOCAL_PREFIX}{spec}")
    if path.suffix == CHECKPOINT_SUFFIX or path.is_file():
        if not path.is_file():
            raise CheckpointError(f"the encoder {spec} cannot be read: there is no such file")
        if path.suffix != CHECKPOINT_SUFFIX:
            raise CheckpointError(
                f"the encoder {spec} is not a safetensors file: galaxyloop reads no pickle; put a configuration of timm beside "
                f"safetensors and write {LOCAL_PREFIX}FOLDER"
            )
        return path
    return None


def find_timm_folder(spec: str) -> Path:
    """Return the folder of an encoder of timm, downloaded from the Hugging Face Hub if necessary.

    Raises
    ------
    CheckpointError
        If no such encoder exists, or the hub cannot be reached.
    """
    if spec.startswith(LOCAL_PREFIX):
        folder = Path(spec.removeprefix(LOCAL_PREFIX)).expanduser()
        if not folder.is_dir():
            raise CheckpointError(f"the encoder {spec} cannot be read: there is no folder {folder}")
        return folder.absolute()
    prefix = next((prefix for prefix in HUB_PREFIXES if spec.startswith(prefix)), "")
    if prefix:
        name = spec.removeprefix(prefix)
        if not HUB_NAME.fullmatch(name):
            raise CheckpointError(f"the encoder {spec} names no repository of the Hugging Face Hub: write {prefix}OWNER/NAME")
        return _download(spec, name)
    if ":" not in spec and "/" not in spec:
        import timm  # loads torch

        config = timm.models.get_pretrained_cfg(spec)
        if config is not None and config.hf_hub_id:
            return _download(spec, config.hf_hub_id)
        nearest = get_close_matches(spec, [SHIPPED, SHIPPED_CLASSIFIER, *timm.list_pretrained()], n=1)
        if nearest:
            raise CheckpointError(f"the encoder {spec} is unknown: did you mean {nearest[0]}?")
    raise CheckpointError(
        f"the encoder {spec} is unknown: write {HUB_PREFIXES[0]}OWNER/NAME, {LOCAL_PREFIX}FOLDER, a name of timm that has "
        "weights on the Hugging Face Hub, or the path of a checkpoint that galaxyloop pretrain wrote"
    )


def _download(spec: str, name: str) -> Path:
    """Download configuration and weights, safetensors if the repository has them, and return their folder."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    from backend.lvm.timm_encoder import CONFIG_NAME, PICKLED_NAMES, WEIGHTS_NAME

    # Its client logs two warnings for each of five attempts; the error has the reason.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    repository, _, revision = name.partition("@")
    try:
        config = Path(hf_hub_download(repository, CONFIG_NAME, revision=revision or None))
        try:
            hf_hub_download(repository, WEIGHTS_NAME, revision=revision or None)
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # there is no network
                raise
            hf_hub_download(repository, PICKLED_NAMES[0], revision=revision or None)
    except Exception as error:  # of the HTTP library, and of the hub's client
        detail = " ".join(str(error).split())[:LONGEST_REASON]
        raise CheckpointError(
            f"the encoder {spec} cannot be downloaded from the Hugging Face Hub ({type(error).__name__}: {detail}): check the "
            f"name and the network, or download it elsewhere and write {LOCAL_PREFIX}FOLDER"
        ) from error
    return config.parent
