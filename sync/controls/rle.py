"""Run-length encoding of brush masks, bit for bit as Label Studio's page and SDK write it (thi.ng/rle-pack).

A mask is encoded as RGBA pixels. The header has 32 bits for the number of bytes, 5 for the word size minus one, and 4 times 4
for the sizes of the run-length fields minus one. Each run has one bit that is 1 if one word repeats and 0 if single words
follow, two bits that select the field, the length minus one, and the word or the words.

The SDK processes one bit at a time in Python. This module uses array operations and decodes only the alpha channel: about ten
times faster in both directions on ragged masks, with identical bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import ControlError
from sync.geometry.shapes import Mask, Size, check_size

__all__ = ["decode", "encode", "encode_part", "pixel_count"]

CHANNELS = 4
WORD_BITS = 8
FIELD_BITS = (3, 4, 8, 16)
"""Sizes of the four run-length fields that Label Studio writes, bits; `decode` also reads other sizes."""

HEADER_BITS = 32 + 5 + 4 * 4
TOKEN_BITS = 32
"""Bits reserved for one run; its field, length and word need at most 27."""


def encode(mask: Mask) -> list[int]:
    """Encode a mask as RGBA pixels: 255 in all four channels inside, 0 outside.

    The result equals `label_studio_sdk.converter.brush.mask2rle(255 * mask)`.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        With at least one pixel.

    Returns
    -------
    list of int
        Bytes of the encoding.
    """
    height, width = mask.shape
    flat = np.ascontiguousarray(mask, dtype=np.bool_).ravel()
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return _pack(turns, starts_inside=bool(flat[0]), pixels=height * width)


def encode_part(part: Mask, *, x: int, y: int, size: Size) -> list[int]:
    """Encode a mask that is given as a crop: `part`, with its first pixel at column `x` and row `y` of an image of `size`.

    The result equals that of `encode` for the full mask. The cost depends on the size of the part, not on that of the image,
    which may be a survey frame.

    Parameters
    ----------
    part : ndarray of bool, shape (h, w)
        With at least one pixel, entirely on the image.
    x, y : int
    size : (width, height)
        Size of the image, pixels.
    """
    width, height = size
    edges = np.diff(np.pad(part, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, columns = np.nonzero(edges)
    turns = (rows + y).astype(np.int64) * width + columns + x
    # Pixels at the right edge of one row and at the left edge of the next form one run: their two changes cancel.
    once = np.ones(len(turns), dtype=np.bool_)
    twice = np.flatnonzero(turns[1:] == turns[:-1])
    once[twice] = once[twice + 1] = False
    turns = turns[once]
    starts_inside = bool(turns[0] == 0)
    return _pack(turns[(turns > 0) & (turns < width * height)], starts_inside=starts_inside, pixels=width * height)


def _pack(turns: NDArray[np.int64], *, starts_inside: bool, pixels: int) -> list[int]:
    """Encode the runs between `turns`, the flat indices at which a mask changes."""
    starts = np.concatenate([[0], turns])
    lengths = np.concatenate([turns, [pixels]]) - starts
    inside = (np.arange(len(starts)) % 2 == 0) == starts_inside
    lengths, words = _split(lengths * CHANNELS, np.where(inside, 255, 0))

    field = np.searchsorted([8, 16, 256], lengths)
    length_bits = np.asarray(FIELD_BITS)[field]
    tokens = (((0b100 + field) << length_bits) + lengths - 1 << WORD_BITS) + words
    token_bits = 3 + length_bits + WORD_BITS
    table = np.unpackbits((tokens << (TOKEN_BITS - token_bits)).astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)
    run_bits = table[np.arange(TOKEN_BITS) < token_bits[:, None]]

    header = (pixels * CHANNELS) << (HEADER_BITS - 32) | (WORD_BITS - 1) << 16
    for place, bits_of_field in zip((12, 8, 4, 0), FIELD_BITS, strict=True):
        header |= (bits_of_field - 1) << place
    header_bytes = np.frombuffer((header << 3).to_bytes(7, "big"), dtype=np.uint8)
    total = HEADER_BITS + run_bits.size
    bits = np.zeros(total + 8 - total % 8, dtype=np.uint8)  # plus a full byte if the bits fill bytes exactly, as the SDK does
    bits[:HEADER_BITS] = np.unpackbits(header_bytes)[:HEADER_BITS]
    bits[HEADER_BITS:total] = run_bits
    packed_bytes: list[int] = np.packbits(bits).tolist()
    return packed_bytes


def decode(rle: list[int], *, size: Size) -> Mask:
    """Decode a mask: True where alpha is at least 128.

    The page draws strokes with soft edges, so alpha takes all values at a stroke's border.

    Parameters
    ----------
    rle : list of int
        Bytes of the encoding.
    size : (width, height)
        Size of the encoded image, pixels. An RLE with another number of pixels is rejected before memory is allocated.

    Returns
    -------
    ndarray of bool, shape (height, width)

    Raises
    ------
    ControlError
        If the list contains other values than bytes, ends early, has a run beyond its end, or does not fit `size`.
    """
    width, height = check_size(size)
    data = _bytes_of(rle)
    header = int.from_bytes(data[:7], "big") >> 3
    count = header >> 21
    if count != width * height * CHANNELS:
        raise ControlError(f"an RLE of {count} bytes does not fit an image of {width}x{height} RGBA pixels")
    word_bits = (header >> 16 & 31) + 1
    if word_bits != WORD_BITS:
        raise ControlError(f"an RLE must have words of {WORD_BITS} bits, not {word_bits}")
    fields = tuple((header >> place & 15) + 1 for place in (12, 8, 4, 0))
    return _alpha(data, count, fields).reshape(height, width)


def pixel_count(rle: object) -> int:
    """Return the number of pixels in the header of an RLE; the header does not contain the width and height."""
    return int.from_bytes(_bytes_of(rle)[:4], "big") // CHANNELS


def _bytes_of(rle: object) -> bytes:
    if not isinstance(rle, list) or len(rle) * 8 < HEADER_BITS:
        raise ControlError("an RLE must be a list of bytes, at least seven")
    try:
        return bytes(rle)
    except (TypeError, ValueError, OverflowError) as error:
        raise ControlError("an RLE must hold whole numbers from 0 to 255 only") from error


def _alpha(data: bytes, count: int, fields: tuple[int, ...]) -> Mask:
    alpha = np.zeros(count // CHANNELS, dtype=np.bool_)
    last_bit = len(data) * 8
    padded_data = data + bytes(8)
    at, pixel_count = HEADER_BITS, 0
    while pixel_count < count:
        window = int.from_bytes(padded_data[at >> 3 : (at >> 3) + 5], "big") << (at & 7) & 0xFFFFFFFFFF
        bits = fields[window >> 37 & 3]
        end = pixel_count + 1 + (window >> (37 - bits) & (1 << bits) - 1)
        if end > count:
            raise ControlError(f"an RLE of {count} bytes has a run that ends at {end}")
        repeats = window >> 39
        stop = at + 3 + bits + WORD_BITS * (1 if repeats else end - pixel_count)
        if stop > last_bit:
            raise ControlError(f"an RLE of {count} bytes ends early, after {pixel_count}")
        if repeats:
            if window >> (37 - bits - WORD_BITS) & 128:
                alpha[pixel_count // CHANNELS : end // CHANNELS] = True
        else:
            words = _words(padded_data, at + 3 + bits, end - pixel_count)
            alpha[pixel_count // CHANNELS : end // CHANNELS] = words[-(pixel_count + 1) % CHANNELS :: CHANNELS] > 127
        at, pixel_count = stop, end
    return alpha


def _words(data: bytes, at: int, number: int) -> NDArray[np.uint8]:
    """Return `number` bytes, starting at bit `at`."""
    source = np.frombuffer(data, dtype=np.uint8, count=number + 1, offset=at >> 3)
    shift = at & 7
    pairs = source[:-1].astype(np.uint16) << 8 | source[1:]
    return (pairs >> (8 - shift)).astype(np.uint8)


def _split(lengths: NDArray[np.int64], words: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split runs of more than 65,536 bytes, the longest length that a field can encode."""
    longest = 1 << FIELD_BITS[-1]
    if lengths.max() <= longest:
        return lengths, words
    pieces = (lengths - 1) // longest + 1
    piece_lengths = np.full(int(pieces.sum()), longest)
    piece_lengths[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    return piece_lengths, np.repeat(words, pieces)
