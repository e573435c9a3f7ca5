"""The spectrum of a task as a feature block: read from the file that its data name, and measured once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from backend.heads.feature_blocks import Block
from sync.errors.images import ImageError
from sync.files.cache import Cache, key_of
from sync.labelling.synonyms import normalise
from sync.spectra.spectrum import is_plausible_redshift

__all__ = ["SPECTRUM_KEY", "SpectrumReader"]

SPECTRUM_KEY, PROBLEM_KEY = "spectrum", "spectrum_problem"
"""Keys of a task's data: the reference of the spectrum's file, and why an import found none."""
REDSHIFTS = frozenset({"redshift", "z spec", "zspec", "spec z", "specz"})
"""Normalised names of columns with a known redshift."""
VERSION = "2"
"""Part of the cache keys; change it when the measurements change."""


class SpectrumReader:
    """Reads the spectra of tasks; measurements are cached by reference and redshift.

    Parameters
    ----------
    read : callable
        Returns the content of the file at a reference; raises ImageError.
    cache : Cache
    """

    def __init__(self, read: Callable[[str], bytes], cache: Cache) -> None:
        self._read = read
        self._cache = cache

    def __call__(self, data: Mapping[str, Any]) -> Block:
        """Return the block of a task; its `missing` says why there are no values."""
        reference = data.get(SPECTRUM_KEY)
        if not isinstance(reference, str) or not reference:
            problem = data.get(PROBLEM_KEY)  # of an import that could not read the file
            return Block(missing={"": problem if isinstance(problem, str) and problem else "the task has none"})
        redshift = _known_redshift(data)
        key = key_of("spectrum", VERSION, reference, repr(redshift))
        cached_block = self._cache.get(key)
        if cached_block is not None:
            return Block(json.loads(cached_block))
        from sync.spectra.features import measure_spectrum  # astropy's tables take time to import
        from sync.spectra.reading import read_spectrum

        try:
            spectrum = read_spectrum(self._read(reference))
        except ImageError as error:
            return Block(missing={"": str(error)})
        values = measure_spectrum(spectrum, redshift=spectrum.redshift if redshift is None else redshift)
        if not values:
            return Block(missing={"": "it shows neither a continuum above zero nor a line from 3800 to 9200 Angstrom"})
        self._cache.put(key, json.dumps(values).encode())
        return Block(values)


def _known_redshift(data: Mapping[str, Any]) -> float | None:
    for name, value in data.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and normalise(name) in REDSHIFTS and is_plausible_redshift(value):
            return float(value)
    return None
