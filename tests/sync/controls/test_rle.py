from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from label_studio_sdk.converter.brush import decode_rle, encode_rle, mask2rle
from numpy.typing import NDArray

from sync.controls import rle
from sync.errors.controls import ControlError

SHAPES = npst.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=80)
MASKS = npst.arrays(np.bool_, SHAPES) | npst.arrays(np.bool_, SHAPES, fill=st.booleans())


def disc(size: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:size, :size] - size / 2
    return np.asarray(x**2 + y**2 < (size / 3) ** 2)


def write(runs: list[tuple[bool, list[int]]], fields: tuple[int, ...] = (3, 4, 8, 16), words: int | None = None) -> list[int]:
    """Return the bytes that thi.ng/rle-pack writes for runs, each of one repeated word or of single words."""
    count = sum(len(run) for _, run in runs) if words is None else words
    bits = f"{count:032b}{7:05b}" + "".join(f"{field - 1:04b}" for field in fields)
    for repeats, run in runs:
        place = next(i for i, field in enumerate(fields) if len(run) <= 1 << field)
        bits += f"{int(repeats)}{place:02b}{len(run) - 1:0{fields[place]}b}"
        bits += "".join(f"{word:08b}" for word in (run[:1] if repeats else run))
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


@given(MASKS)
def test_our_bytes_are_the_sdks_bytes(mask: NDArray[np.bool_]) -> None:
    assert rle.encode(mask) == mask2rle(np.where(mask, 255, 0).astype(np.uint8))


@given(MASKS)
def test_the_sdk_reads_what_we_write(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    read = decode_rle(rle.encode(mask)).reshape(height, width, 4)
    assert ((read == 255) == mask[:, :, None]).all()


@given(MASKS)
def test_we_read_what_we_write(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    assert (rle.decode(rle.encode(mask), size=(width, height)) == mask).all()


@given(MASKS, st.tuples(*[st.integers(0, 5)] * 4))
def test_a_part_has_the_bytes_of_the_whole_mask(mask: NDArray[np.bool_], around: tuple[int, int, int, int]) -> None:
    left, right, top, low = around
    full_mask = np.pad(mask, ((top, low), (left, right)))
    if mask.any():
        assert rle.encode_part(mask, x=left, y=top, size=(full_mask.shape[1], full_mask.shape[0])) == rle.encode(full_mask)


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(4))))
def test_we_read_colours_as_the_sdk_does(image: NDArray[np.uint8]) -> None:
    height, width, _ = image.shape
    encoding = encode_rle(image.ravel())
    read = decode_rle(encoding).reshape(height, width, 4)[:, :, 3] > 127
    assert (rle.decode(encoding, size=(width, height)) == read).all()


@given(
    st.lists(
        st.tuples(st.just(True), st.tuples(st.integers(0, 255), st.integers(1, 300)).map(lambda run: [run[0]] * run[1]))
        | st.tuples(st.just(False), st.lists(st.integers(0, 255), min_size=1, max_size=40)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([(3, 4, 8, 16), (2, 5, 9, 12), (9, 9, 9, 9)]),
)
def test_runs_and_single_words_of_any_length_are_read_as_the_sdk_does(
    runs: list[tuple[bool, list[int]]], fields: tuple[int, ...]
) -> None:
    total = sum(len(run) for _, run in runs)
    runs = [*runs, (True, [7] * (-total % 4))] if total % 4 else runs
    encoding = write(runs, fields)
    pixels = sum(len(run) for _, run in runs) // 4
    read = decode_rle(encoding).reshape(1, pixels, 4)[:, :, 3] > 127
    assert (rle.decode(encoding, size=(pixels, 1)) == read).all()


@pytest.mark.parametrize("value", [False, True])
def test_longer_runs_are_split_as_in_the_sdk(value: bool) -> None:
    mask = np.full((300, 301), value)
    mask[150, 7] = not value
    assert rle.encode(mask) == mask2rle(np.where(mask, 255, 0).astype(np.uint8))
    assert (rle.decode(rle.encode(mask), size=(301, 300)) == mask).all()


def test_a_run_of_maximum_length_is_one_run() -> None:
    mask = np.zeros((128, 129), dtype=np.bool_)
    mask[:, 128] = True
    flat = np.zeros((1, 16_384), dtype=np.bool_)
    for pixels in (mask, flat):
        assert rle.encode(pixels) == mask2rle(np.where(pixels, 255, 0).astype(np.uint8))


def test_pixels_with_half_cover_are_inside() -> None:
    encoding = encode_rle(np.repeat(np.array([0, 127, 128, 255], dtype=np.uint8), 4))
    assert rle.decode(encoding, size=(4, 1)).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "list of bytes"),
        (5_000_000_000, "list of bytes"),
        ("AAAA", "list of bytes"),
        ([], "list of bytes"),
        ([0] * 6, "list of bytes"),
        ([0.5] * 9, "whole numbers"),
        ([256] * 9, "whole numbers"),
        ([-1] * 9, "whole numbers"),
        (["a"] * 9, "whole numbers"),
        ([10**30] * 9, "whole numbers"),
        ([0] * 9, "does not fit"),
        (rle.encode(np.ones((5, 4), dtype=np.bool_)), "does not fit"),
        (rle.encode(disc(4))[:-2], "ends early"),
        (write([(True, [255] * 64)], (3, 4, 8, 16))[:7], "ends early"),
        (write([(False, [255] * 64)])[:20], "ends early"),
        (write([(True, [255] * 65)], words=64), "ends at 65"),
        ([0, 0, 0, 64, 0b01111_000, 0, 0, 0, 0], "words of 8 bits, not 16"),
    ],
)
def test_bytes_that_are_not_a_mask_are_rejected(value: object, sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        rle.decode(value, size=(4, 4))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 255), max_size=60))
def test_any_bytes_are_read_or_rejected(noise: list[int]) -> None:
    try:
        mask = rle.decode([0, 0, 4, 0, *noise], size=(16, 16))
    except ControlError:
        return
    assert mask.shape == (16, 16)


def test_a_claim_of_pixels_is_rejected_before_memory_is_allocated() -> None:
    claim = [0x5F, 0x5E, 0x10, 0x00, 0x38, 0x00, 0x00, 0x00]  # states 1.6e9 bytes
    tracemalloc.start()
    for size in [(4, 4), (20_001, 20_000), (10**9, 10**9)]:
        with pytest.raises(ControlError):
            rle.decode(claim, size=size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
