"""Serialised sources: every field is read back, and an empty list too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from backend.heads.extraction.extract import extract
from backend.heads.extraction.serialise import pack, unpack


def test_every_field_of_every_source_is_restored(sky: Callable[..., Any]) -> None:
    plain_sources = extract(sky((120, 90), [(30, 20, 5, 4, 20, 0.7), (80, 60, 7, 4, 110, 0.5)])).sources
    sources = [replace(source, galaxy_probability=0.75) for source in plain_sources]
    size, unpacked_sources = unpack(pack((120, 90), sources))
    assert size == (120, 90)
    assert len(sources) == len(unpacked_sources) == 2
    for before, after in zip(sources, unpacked_sources, strict=True):
        for field in fields(before):
            first, second = getattr(before, field.name), getattr(after, field.name)
            assert np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
        assert after.crop.dtype == bool


def test_an_image_without_sources_is_restored() -> None:
    assert unpack(pack((30, 20), ())) == ((30, 20), ())
