"""Names of magnitudes and of their errors, as catalogues write them."""

from __future__ import annotations

import re

__all__ = ["is_magnitude", "is_magnitude_error", "words_of"]

_WORDS = re.compile(r"[^a-z0-9]+")
_MAGNITUDE = re.compile(r"(mag|mags|magnitude|modelmag|cmodelmag|petromag|psfmag|fibermag)")
_ERROR = re.compile(r"(e|err|error|errmag|magerr|emag|sigma|sig|unc)")
_BAND = re.compile(r"[ubvgrizyjhk]|ks|w[1-4]|nuv|fuv")


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: `mag_r`, `MAG_AUTO` and `petroMag-r` have two."""
    return [word for word in _WORDS.split(name.lower()) if word]


def is_magnitude(name: str) -> bool:
    """Return whether a column is named like a magnitude: `mag_r`, `MAG_AUTO`, `petroMag_r`, `g`; its error is not one."""
    words = words_of(name)
    if is_magnitude_error(name):
        return False
    is_named = any(_MAGNITUDE.fullmatch(word) for word in words) or name.lower().startswith("mag")
    return is_named or (len(words) == 1 and _BAND.fullmatch(words[0]) is not None)


def is_magnitude_error(name: str) -> bool:
    """Return whether a column is named like the error of a magnitude: `err_u`, `MAGERR_AUTO`, `e_gmag`."""
    words, lower = words_of(name), name.lower()
    return any(_ERROR.fullmatch(word) for word in words) or lower.startswith(("err", "magerr")) or lower.endswith("err")
