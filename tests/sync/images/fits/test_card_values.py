"""Numbers of FITS headers: cards whose value cannot be used are bad_cards."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.io import fits

from sync.images.fits.card_values import quote_unusable, read_number


def header_of(text: str) -> fits.Header:
    return fits.Header.fromstring(f"{text:<80}END{'':<77}")


@pytest.mark.parametrize(
    ("card", "number", "quote"),
    [
        ("SEEING  =                  1.2 / [arcsec]", 1.2, ""),
        ("SEEING  =                    2", 2.0, ""),
        ("SEEING  =                 -1.5", -1.5, "SEEING = -1.5"),
        ("SEEING  = 'n/a     '", None, "SEEING = 'n/a'"),
        ("SEEING  =                    T", None, "SEEING = True"),
        ("SEEING  =", None, "SEEING = (empty)"),
        ("SEEING  = 1.2 arcsec", None, "SEEING = '1.2 arcsec'"),
        ("SEEING  = nan", None, "SEEING = 'nan'"),
        ("OTHER   = 'n/a     '", None, ""),
    ],
)
def test_a_card_gives_a_number_or_is_quoted(card: str, number: float | None, quote: str) -> None:
    header = header_of(card)
    assert read_number(header, "SEEING") == number
    assert quote_unusable((header, header), ("SEEING",), lambda value: value > 0) == quote


def test_several_cards_are_joined() -> None:
    cards: dict[str, Any] = {"MAGZERO": "n/a", "ZP": 99.0, "MAGZP": 25.0}
    bad_cards = quote_unusable((fits.Header(cards),), tuple(cards), lambda value: value < 90)
    assert bad_cards == "MAGZERO = 'n/a' and ZP = 99.0"
