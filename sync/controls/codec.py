"""What the module of a control tag offers: its codec, and the facts that other code asks by tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region
from sync.geometry.shapes import Mask, Size

__all__ = ["AnswerCodec", "Codec", "ObjectCodec", "ShapeCodec"]


class Codec(Protocol):
    """Turns the JSON of one control tag into Python values, and back.

    Attributes
    ----------
    TAG : str
        The name of the tag, as Label Studio's documentation writes it.
    KIND : Kind
    encode, decode : callable
        `encode(value, control=..., ...)` makes one region of a result; `decode(region)` reads one. Both raise `ControlError`.
    """

    @property
    def TAG(self) -> str: ...  # noqa: N802

    @property
    def KIND(self) -> Kind: ...  # noqa: N802

    @property
    def encode(self) -> Callable[..., Region]: ...

    @property
    def decode(self) -> Callable[..., Any]: ...

    def faults(self, value: Mapping[str, Any], control: Control) -> Iterator[str]:
        """Yield why Label Studio's page cannot take a decodable value, as the ends of sentences."""
        ...


class AnswerCodec(Codec, Protocol):
    """The codec of a control that is answered for the whole image."""


class ShapeCodec(Codec, Protocol):
    """The codec of a control whose regions lie on the image.

    Shapes are stored relative to the image: `decode(region, size=...)` gives them in pixels of the picture's own `size`,
    whatever size the region states; without it, in pixels of the stated size.

    Attributes
    ----------
    SHAPE : type
        What `encode` takes and `decode` gives: a class of `sync.geometry.shapes`, or `numpy.ndarray` for masks.
    """

    @property
    def SHAPE(self) -> type[Any]: ...  # noqa: N802

    def readable_size(self, region: Mapping[str, Any]) -> Size | None:
        """Return a size at which the region can be decoded; None if only the picture's own size can tell."""
        ...


class ObjectCodec(ShapeCodec, Protocol):
    """The codec of a control that holds objects."""

    def encode_mask(self, mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
        """Return the regions of a mask that is not empty, shape (height, width): one, or one for each part."""
        ...
