"""Protocols of the codecs: the names that the module of a control tag must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask, Size

__all__ = ["AnswerCodec", "Codec", "MaskCodec", "NumberCodec", "ObjectCodec", "ShapeCodec"]


class Codec(Protocol):
    """Converts between the JSON of one control tag and Python values.

    Attributes
    ----------
    TAG : str
        Name of the tag, as in Label Studio's documentation.
    KIND : Kind
        Kind of the control.
    encode, decode : callable
        `encode(value, control=..., ...)` returns one region of a result; `decode(region)` returns its value. Both raise
        `ControlError`.
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
        """Yield the reasons why Label Studio's page rejects a value that `decode` accepts, as predicates of sentences."""
        ...


class AnswerCodec(Codec, Protocol):
    """The codec of a control whose value applies to the whole image.

    Attributes
    ----------
    NESTED : bool
        Whether the labels form a tree: a value then has their paths from the root, as tuples, instead of their names.
    """

    @property
    def NESTED(self) -> bool: ...  # noqa: N802

    def instruction(self, control: Control) -> str:
        """Return one to three sentences that tell an annotator how to answer."""
        ...


class NumberCodec(AnswerCodec, Protocol):
    """The codec of a control whose value is one number.

    Attributes
    ----------
    RATES_INTEREST : bool
        Whether the number states how interesting an image is; the strategy `expected_improvement` orders tasks by it.
    """

    @property
    def RATES_INTEREST(self) -> bool: ...  # noqa: N802

    def bounds(self, read: Callable[[str], float | None]) -> tuple[float | None, float | None, float | None]:
        """Return minimum, maximum and step of a control; `read` returns an attribute of its element as a number."""
        ...


class ShapeCodec(Codec, Protocol):
    """The codec of a control whose regions have a position on the image.

    Label Studio stores shapes relative to the image. `encode(shape, control=..., label=..., size=..., score=...)` takes a shape
    in pixels of an image of `size` (width, height), or a mask of shape (height, width). `decode(region, size=...)` returns them
    in pixels of an image of `size`, regardless of the size that the region states; without it, in pixels of the stated size.

    Attributes
    ----------
    SHAPE : type
        Type of the value of `encode` and `decode`: a class of `sync.geometry.shapes`, or `numpy.ndarray` for masks. It also
        decides what a region prompts for with a smart tool: the object at a point, in a box, or that a mask or outline covers.
    """

    @property
    def SHAPE(self) -> type[Any]: ...  # noqa: N802

    def readable_size(self, region: Mapping[str, Any]) -> Size | None:
        """Return a size at which the region can be decoded, or None if the image's own size is needed."""
        ...


class ObjectCodec(ShapeCodec, Protocol):
    """The codec of a control for objects."""

    def encode_mask(self, mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
        """Return the regions of a non-empty mask, shape (height, width): one, or one for each connected part."""
        ...


class MaskCodec(ObjectCodec, Protocol):
    """The codec of a control that stores the pixels of an object; `SHAPE` is `numpy.ndarray`."""

    def encode_footprint(
        self, footprint: Footprint, *, control: Control, label: str, size: Size, score: float | None = None
    ) -> Region:
        """Return the region of a cropped mask."""
        ...
