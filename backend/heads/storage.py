"""Heads on disk: `head.json` for fields, `head.safetensors` for arrays; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from backend.heads.errors import HeadError
from backend.registry.records import FIRST_ENCODER
from backend.registry.version_files import ARRAYS_NAME, JSON_NAME

__all__ = ["FIRST_ENCODER", "FORMAT", "StoredHead", "read", "write"]

FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredHead:
    """The content of the folder of a head; its accessors check types and shapes.

    Attributes
    ----------
    folder : Path
    fields : mapping of str to object
        Content of the JSON file.
    arrays : mapping of str to ndarray
        Content of the safetensors file.
    """

    folder: Path
    fields: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def array(self, name: str, *shape: int) -> NDArray[Any]:
        """Return the array `name`, which must have this shape (-1 for any length) and finite values.

        Raises
        ------
        HeadError
            If the array is missing, has another shape, or has a value that is not finite.
        """
        value = self.arrays.get(name)
        if value is None:
            raise HeadError(f"the head in {self.folder} has no array {name!r}")
        fits = len(value.shape) == len(shape) and all(s in (-1, f) for s, f in zip(shape, value.shape, strict=True))
        if not fits or not np.isfinite(value).all():
            raise HeadError(f"the array {name!r} of the head in {self.folder} is damaged: {value.shape}, not {shape}")
        return value

    @property
    def encoder(self) -> str:
        """Fingerprint of the encoder whose embeddings the head reads."""
        return str(self.fields.get("encoder", FIRST_ENCODER))

    def field(self, name: str, kind: type) -> Any:
        """Return the field `name`.

        Raises
        ------
        HeadError
            If the field is missing or is not of the type `kind`.
        """
        value = self.fields.get(name)
        if not isinstance(value, kind):
            raise HeadError(f"the field {name!r} of the head in {self.folder} must be a {kind.__name__}, not {value!r}")
        return value

    def build(self, name: str, make: Callable[[dict[str, Any]], T]) -> T:
        """Return the value that `make` builds from the field `name`, a JSON object.

        Raises
        ------
        HeadError
            If the field is missing or is not an object, or `make` raises TypeError, ValueError or KeyError.
        """
        value = self.field(name, dict)
        try:
            return make(value)
        except (TypeError, ValueError, KeyError) as error:
            raise HeadError(f"the field {name!r} of the head in {self.folder} is damaged: {value}") from error

    def names(self, name: str) -> tuple[str, ...]:
        """Return the field `name` as a tuple of strings.

        Raises
        ------
        HeadError
            If the field is missing or is not a list of strings.
        """
        value = self.field(name, list)
        if not all(isinstance(item, str) for item in value):
            raise HeadError(f"the field {name!r} of the head in {self.folder} must be a list of names, not {value!r}")
        return tuple(value)


def write(folder: Path, *, head: str, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write a head of the kind `head` into `folder`, which is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    (folder / ARRAYS_NAME).write_bytes(save_arrays(contiguous))
    text = json.dumps({"format": FORMAT, "head": head, **fields}, indent=2, allow_nan=False)
    (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path, *, head: str) -> StoredHead:
    """Read a head of the kind `head` from `folder`.

    Raises
    ------
    HeadError
        If a file is missing, is not JSON or safetensors, or holds another kind of head or another format.
    """
    try:
        fields = json.loads((folder / JSON_NAME).read_text(encoding="utf-8"))
        arrays = load_arrays((folder / ARRAYS_NAME).read_bytes())
    except OSError as error:
        raise HeadError(f"{folder} holds no head: {error.strerror} ({error.filename})") from error
    except (ValueError, SafetensorError) as error:
        raise HeadError(f"the head in {folder} is not a pair of JSON and safetensors files: {error}") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT or fields.get("head") != head:
        raise HeadError(f"{folder} holds no {head} head of format {FORMAT}")
    return StoredHead(folder, fields, arrays)
