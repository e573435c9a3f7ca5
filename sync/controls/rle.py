"""Run-length encoding of brush masks, bit for bit as Label Studio's page and SDK write it (thi.ng/rle-pack).

A mask travels as RGBA pixels: 32 bits for the number of bytes, 5 for the word size less one, 4 times 4 for the sizes of
the run-length fields less one, then the runs: one bit that says whether one word repeats (1) or single words follow
(0), two bits that pick the field, the length less one, the word or the words.

The SDK handles one bit at a time in Python. Here bits are laid out by array operations, and of the four channels only
alpha is written out: about ten times faster both ways on ragged masks, to the same bytes.
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
"""Sizes of the four run-length fields that Label Studio writes; others are read as well."""

HEADER_BITS = 32 + 5 + 4 * 4
TOKEN_BITS = 32
"""Room for one run, whose field, length and word take 27 bits at most."""


def encode(mask: Mask) -> list[int]:
    """Return the bytes of a mask: 255 in all four channels inside, 0 outside.

    Equal to `label_studio_sdk.converter.brush.mask2rle(255 * mask)`.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        With at least one pixel.
    """
    height, width = mask.shape
    flat = np.ascontiguousarray(mask, dtype=np.bool_).ravel()
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return _packed(turns, starts_inside=bool(flat[0]), pixels=height * width)


def encode_part(part: Mask, *, x: int, y: int, size: Size) -> list[int]:
    """Return the bytes that `encode` returns for an image of `size` that is empty but for `part`, at column `x` and row `y`.

    It takes the time of the part, not of the image, which may be a frame of a survey.

    Parameters
    ----------
    part : ndarray of bool, shape (h, w)
        With at least one pixel, wholly on the image.
    x, y : int
    size : (width, height)
        Of the image, pixels.
    """
    width, height = size
    edges = np.diff(np.pad(part, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, columns = np.nonzero(edges)
    turns = (rows + y).astype(np.int64) * width + columns + x
    # A row that ends at the image's right edge and one that goes on at its left are one run: their turns are at one place.
    once = np.ones(len(turns), dtype=np.bool_)
    twice = np.flatnonzero(turns[1:] == turns[:-1])
    once[twice] = once[twice + 1] = False
    turns = turns[once]
    starts_inside = bool(turns[0] == 0)
    return _packed(turns[(turns > 0) & (turns < width * height)], starts_inside=starts_inside, pixels=width * height)


def _packed(turns: NDArray[np.int64], *, starts_inside: bool, pixels: int) -> list[int]:
    """Write the runs between `turns`, the pixels at which a mask changes."""
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
    bits = np.zeros(total + 8 - total % 8, dtype=np.uint8)  # a whole byte more where it is even: the SDK does so
    bits[:HEADER_BITS] = np.unpackbits(header_bytes)[:HEADER_BITS]
    bits[HEADER_BITS:total] = run_bits
    packed: list[int] = np.packbits(bits).tolist()
    return packed


def decode(rle: list[int], *, size: Size) -> Mask:
    """Return the mask of an RLE: True where the alpha channel is at least half covered.

    The page draws strokes with soft edges, so alpha takes every value at a stroke's border.

    Parameters
    ----------
    size : (width, height)
        What the region says of its image, pixels. An RLE of another number of pixels is refused before memory is taken.

    Raises
    ------
    ControlError
        If the bytes are not bytes, end early, run over, or do not make an image of `size`.
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
    """Return the number of pixels of an RLE's image, which its first bytes hold; its width and height are not in it."""
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
    padded = data + bytes(8)
    at, done = HEADER_BITS, 0
    while done < count:
        window = int.from_bytes(padded[at >> 3 : (at >> 3) + 5], "big") << (at & 7) & 0xFFFFFFFFFF
        bits = fields[window >> 37 & 3]
        end = done + 1 + (window >> (37 - bits) & (1 << bits) - 1)
        if end > count:
            raise ControlError(f"an RLE of {count} bytes has a run that ends at {end}")
        repeats = window >> 39
        stop = at + 3 + bits + WORD_BITS * (1 if repeats else end - done)
        if stop > last_bit:
            raise ControlError(f"an RLE of {count} bytes ends early, after {done}")
        if repeats:
            if window >> (37 - bits - WORD_BITS) & 128:
                alpha[done // CHANNELS : end // CHANNELS] = True
        else:
            words = _words(padded, at + 3 + bits, end - done)
            alpha[done // CHANNELS : end // CHANNELS] = words[-(done + 1) % CHANNELS :: CHANNELS] > 127
        at, done = stop, end
    return alpha


def _words(data: bytes, at: int, number: int) -> NDArray[np.uint8]:
    """Return `number` bytes that begin at the bit `at`."""
    source = np.frombuffer(data, dtype=np.uint8, count=number + 1, offset=at >> 3)
    shift = at & 7
    pairs = source[:-1].astype(np.uint16) << 8 | source[1:]
    return (pairs >> (8 - shift)).astype(np.uint8)


def _split(lengths: NDArray[np.int64], words: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut runs of more than 65,536 bytes, the longest that a field can say."""
    longest = 1 << FIELD_BITS[-1]
    if lengths.max() <= longest:
        return lengths, words
    pieces = (lengths - 1) // longest + 1
    whole = np.full(int(pieces.sum()), longest)
    whole[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    return whole, np.repeat(words, pieces)
