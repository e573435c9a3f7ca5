"""Numbers in the cards of FITS headers: read where they can be used, and quoted where they cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from astropy.io import fits

__all__ = ["quote_unusable", "read_number"]


def read_number(header: fits.Header, name: str) -> float | None:
    """Return the finite number of a card; None if there is no such card, or its value is another one."""
    value = _value_of(header, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def quote_unusable(headers: Iterable[fits.Header], names: Sequence[str], is_usable: Callable[[float], bool]) -> str:
    """Return the cards whose values cannot be used.

    Parameters
    ----------
    headers : iterable of Header
    names : sequence of str
        Names of the cards.
    is_usable : callable
        Returns whether a finite number can be used.

    Returns
    -------
    str
        Such as ``MAGZERO = 'n/a' and ZP = 99.0``; empty if no card has such a value.
    """
    quotes: dict[str, None] = {}
    for header in headers:
        for name in names:
            number = read_number(header, name)
            if name in header and not (number is not None and is_usable(number)):
                quotes[f"{name} = {_quote(_value_of(header, name))}"] = None
    return " and ".join(quotes)


def _value_of(header: fits.Header, name: str) -> object:
    """Return the value of a card: the text of the card if astropy cannot parse it."""
    try:
        return header.get(name)
    except (fits.VerifyError, ValueError):
        return str(header.cards[name].image).partition("=")[2].partition("/")[0].strip()


def _quote(value: object) -> str:
    return "(empty)" if value is None or isinstance(value, fits.Undefined) else repr(value)
