"""Parser of the header cards that define the coordinates of an image, restricted to the two celestial axes.

Other cards are not parsed: many headers in archives have a card for which astropy rejects the whole header (astropy 8.0.2: a
CONTINUE card with a number, an unquoted NaN). For the same reason, axes of wavelength, polarisation or time are removed before
astropy reads the header.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from astropy.io.fits import Card, Header
from astropy.io.fits.card import Undefined
from astropy.io.fits.verify import VerifyError

from sync.errors.images import DAMAGE
from sync.errors.sky import NoSkyError, SkyError

__all__ = [
    "PROBLEM_CARD",
    "UNREADABLE",
    "Axes",
    "Value",
    "celestial_axes",
    "image_size",
    "is_number",
    "planar_cards",
    "sky_cards",
]

Value = str | int | float | bool

UNREADABLE = "a value that is not valid FITS"
"""Placeholder for the value of a card that cannot be parsed; it is an error only if the card is needed."""
PROBLEM_CARD = "SKYPROB"
"""Card that galaxyloop writes into cut-outs: sentences about distortions of the mosaic that their coordinates lack."""
MAX_CARDS = 400
MAX_AXES = 8
CARD_LENGTH = 80

_AXIS = re.compile(r"(CRPIX|CRVAL|CDELT|CROTA|CTYPE|CUNIT|CPDIS|CQDIS|D2IMDIS)(\d)")
_ELEMENT = re.compile(r"(PC|CD|PV|PS)(\d)_(\d{1,3})")
_OLD_ELEMENT = re.compile(r"PC00(\d)00(\d)")
_WHOLE = re.compile(
    r"(A|B|AP|BP)_(ORDER|DMAX|\d_\d)|(DP|DQ|D2IM)\d(\..+)?|(CPERR|CQERR|DVERR|D2IMERR)\d?|AXISCORR|PROJP\d|WAT\d_\d{3}"
    r"|SKYPROB|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|EPOCH|NAXIS\d?|ZNAXIS\d?|ZIMAGE"
    # Plate solutions of the Digitized Sky Survey, which astropy applies.
    r"|PLTRA[HMS]|PLTDEC(SN|[DMS])|PLTSCALE|[XY]PIXELSZ|CNPIX[12]|PPO\d|AMD[XY]\d{1,2}"
)
_CELESTIAL = re.compile(r"(RA|DEC|[A-Z]LON|[A-Z]LAT|[A-Z]{2}LN|[A-Z]{2}LT)(-.*)?")
_LONGITUDE = re.compile(r"(RA|[A-Z]LON|[A-Z]{2}LN)(-.*)?")
_TABLE_AXIS = re.compile(r"....-TAB")


@dataclass(frozen=True, slots=True)
class Axes:
    """Celestial axes of a FITS array.

    Attributes
    ----------
    first, second : int
        Numbers of the axes, counted from 1; `first` varies faster.
    longitude : int
        Number of the axis of longitude, one of the two.
    """

    first: int
    second: int
    longitude: int


def sky_cards(header: Header | Mapping[str, Any]) -> dict[str, Value]:
    """Return the cards of the coordinates; if a keyword is repeated, the last value is used, as in astropy.

    Parameters
    ----------
    header : Header or mapping
        Header of a FITS file, or the `wcs` object of a task's data, with names and values of cards.

    Raises
    ------
    SkyError
        If a mapping has more than `MAX_CARDS` cards, or a value that is neither a number nor a string.
    """
    if isinstance(header, Header):
        return dict(_parse(header))
    if len(header) > MAX_CARDS:
        raise SkyError(f"the WCS has {len(header)} cards, more than the {MAX_CARDS} that are read")
    cards: dict[str, Value] = {}
    for key, value in header.items():
        name = str(key).strip().upper()
        if value is None or not _is_needed(name):
            continue
        if not isinstance(value, Value):
            raise SkyError(f"the WCS card {name} must be a number or a text, not {str(value)[:80]!r}")
        cards[name] = value
    return cards


def _is_needed(keyword: str) -> bool:
    patterns = (_AXIS, _ELEMENT, _WHOLE, _OLD_ELEMENT)
    return any(pattern.fullmatch(keyword) for pattern in patterns)


def _parse(header: Header) -> Iterator[tuple[str, Value]]:
    for card in header.cards:
        try:
            keyword = str(card.keyword)
        except (VerifyError, *DAMAGE):  # a card without a readable name is not needed
            continue
        if not _is_needed(keyword):
            continue
        try:
            value = _text_piece(card) if keyword.startswith("WAT") else card.value
        except (VerifyError, *DAMAGE):
            value = _value_without_continuation(card)
        if not isinstance(value, Undefined) and value is not None:
            yield keyword, value if isinstance(value, Value) else UNREADABLE


def _text_piece(card: Card) -> str:
    """Return a part of a longer string from its card, including trailing blanks, which astropy removes."""
    match = re.search(r"'(.*)'", card.image)
    return "" if match is None else match[1]


def _value_without_continuation(card: Card) -> Any:
    """Return the value of a card that astropy has joined with an unrelated CONTINUE card."""
    try:
        return Card.fromstring(card._image[:CARD_LENGTH]).value  # the public `image` raises the same error as `value`
    except (VerifyError, *DAMAGE):
        return UNREADABLE


def is_number(value: Value | None) -> bool:
    """Return whether the value of a card is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def image_size(cards: Mapping[str, Value]) -> tuple[int, int] | None:
    """Return width and height of an array, which may be compressed; None if the cards are missing or invalid."""
    names = ("ZNAXIS1", "ZNAXIS2") if cards.get("ZIMAGE") is True else ("NAXIS1", "NAXIS2")
    width, height = (cards.get(name) for name in names)
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        return width, height
    return None


def celestial_axes(cards: Mapping[str, Value]) -> Axes:
    """Return the two celestial axes, which are identified by their CTYPE and can have any order.

    Raises
    ------
    NoSkyError
        If no axis is celestial.
    SkyError
        If the longitude or the latitude is missing.
    """
    types = {axis: _type_of(cards, axis) for axis in range(1, MAX_AXES + 1)}
    axis_types = {axis: kind for axis, kind in types.items() if kind}
    if not axis_types:
        raise NoSkyError("the header has no CTYPE1 and CTYPE2, which name celestial axes such as RA---TAN and DEC--TAN")
    celestial = [axis for axis, kind in axis_types.items() if _CELESTIAL.fullmatch(kind)]
    longitudes = [axis for axis in celestial if _LONGITUDE.fullmatch(axis_types[axis])]
    latitudes = [axis for axis in celestial if axis not in longitudes]
    if not longitudes or not latitudes:
        axes_text = ", ".join(f"CTYPE{axis} = {kind!r}" for axis, kind in axis_types.items())
        kind_of_error = SkyError if celestial else NoSkyError
        raise kind_of_error(
            f"the header has no celestial axes ({axes_text}): two must be of types such as RA---TAN and DEC--TAN"
        )
    longitude, latitude = longitudes[0], latitudes[0]
    for axis in (longitude, latitude):
        if _TABLE_AXIS.fullmatch(axis_types[axis]):
            raise SkyError(
                f"the sky coordinates are in a table (CTYPE{axis} = {axis_types[axis]!r}), which is not read: "
                "write a projection such as RA---TAN into the header"
            )
    return Axes(min(longitude, latitude), max(longitude, latitude), longitude)


def _type_of(cards: Mapping[str, Value], axis: int) -> str:
    value = cards.get(f"CTYPE{axis}", "")
    return value.strip().upper() if isinstance(value, str) and value != UNREADABLE else ""


def planar_cards(cards: Mapping[str, Value], axes: Axes) -> dict[str, Value]:
    """Return the cards of the two celestial axes only, renamed to axes 1 and 2.

    Raises
    ------
    SkyError
        If the position depends on a third axis.
    """
    new_numbers = {str(axes.first): "1", str(axes.second): "2"}
    plane: dict[str, Value] = {}
    for key, value in cards.items():
        if key.startswith(("NAXIS", "ZNAXIS")) or key == "ZIMAGE":
            continue
        if match := _AXIS.fullmatch(key):
            if match[2] in new_numbers:
                plane[match[1] + new_numbers[match[2]]] = value
        elif match := _ELEMENT.fullmatch(key) or _OLD_ELEMENT.fullmatch(key):
            name, row, column = match.groups() if len(match.groups()) == 3 else ("PC", *match.groups())
            if name in ("PV", "PS"):
                if row in new_numbers:
                    plane[f"{name}{new_numbers[row]}_{column}"] = value
            elif row in new_numbers and column in new_numbers:
                plane[f"{name}{new_numbers[row]}_{new_numbers[column]}"] = value
            elif row in new_numbers and (not is_number(value) or value != 0):
                raise SkyError(f"the place on the sky depends on axis {column} as well ({key} = {value!r})")
        else:
            plane[key] = value
    return plane
