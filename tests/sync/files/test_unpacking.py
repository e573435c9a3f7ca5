"""Decompression with a bound."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable

import pytest

from sync.files import unpacking
from sync.files.unpacking import TooLargeError, UnpackingError, unpack

CONTENT = bytes(range(256)) * 64
formats = pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])


@formats
def test_the_content_is_yielded_in_pieces(compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "PIECE_BYTES", 1000)
    pieces = list(unpack(io.BytesIO(compress(CONTENT)), limit=len(CONTENT)))
    assert b"".join(pieces) == CONTENT
    assert {len(piece) for piece in pieces[:-1]} == {1000}


@formats
def test_no_more_than_the_limit_is_unpacked(compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(TooLargeError, match=f"unpacks to more than {len(CONTENT) - 1} bytes"):
        list(unpack(io.BytesIO(compress(CONTENT)), limit=len(CONTENT) - 1))


@formats
@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data[:20], lambda data: data[:8] + data[:30]])
def test_a_damaged_file_is_named(compress: Callable[[bytes], bytes], damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnpackingError):
        list(unpack(io.BytesIO(damage(compress(CONTENT))), limit=2 * len(CONTENT)))


def test_a_file_that_is_not_compressed_is_named() -> None:
    with pytest.raises(UnpackingError, match=r"it starts with b'SIMPL', not"):
        list(unpack(io.BytesIO(b"SIMPLE  = T"), limit=100))
