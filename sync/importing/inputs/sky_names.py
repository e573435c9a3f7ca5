"""Common names of the columns of a position on the sky, in pairs of longitude and latitude."""

from __future__ import annotations

import re

__all__ = ["ECLIPTIC", "EQUATORIAL", "GALACTIC", "NOT_POSITIONS", "OF_1950", "SUPERGALACTIC", "is_position_name", "plain_name"]

EQUATORIAL = (
    ("ra", "dec"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("_raj2000", "_dej2000"),
    ("_raj2000", "_decj2000"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("_ra_icrs", "_de_icrs"),
    ("raicrs", "deicrs"),
    ("_raicrs", "_deicrs"),
    ("ra_deg", "dec_deg"),
    ("radeg", "dedeg"),
    ("radeg", "decdeg"),
    ("ra_degrees", "dec_degrees"),
    ("ra_j2000", "dec_j2000"),
    ("ra_j2000", "de_j2000"),
    ("alpha_j2000", "delta_j2000"),
    ("alphawin_j2000", "deltawin_j2000"),
    ("alphapeak_j2000", "deltapeak_j2000"),
    ("right_ascension", "declination"),
    ("rightascension", "declination"),
    ("ra2000", "dec2000"),
    ("ra2000", "de2000"),
    ("_ra", "_de"),
    ("_ra", "_dec"),
    ("s_ra", "s_dec"),
    ("target_ra", "target_dec"),
    ("coord_ra", "coord_dec"),
    ("ramean", "decmean"),
    ("rastack", "decstack"),
    ("ra_rad", "dec_rad"),
    ("ra_hours", "dec_deg"),
    ("ra_hms", "dec_dms"),
    ("alpha_sky", "delta_sky"),
    ("alphawin_sky", "deltawin_sky"),
)
OF_1950 = (
    ("rab1950", "deb1950"),
    ("rab1950", "decb1950"),
    ("_rab1950", "_deb1950"),
    ("ra1950", "dec1950"),
    ("ra1950", "de1950"),
    ("ra_b1950", "dec_b1950"),
    ("ra_1950", "dec_1950"),
    ("alpha_b1950", "delta_b1950"),
    ("alphawin_b1950", "deltawin_b1950"),
)
GALACTIC = (
    ("glon", "glat"),
    ("_glon", "_glat"),
    ("gal_lon", "gal_lat"),
    ("gal_l", "gal_b"),
    ("galactic_longitude", "galactic_latitude"),
    ("lii", "bii"),
    ("l", "b"),
)
SUPERGALACTIC = (("sgl", "sgb"), ("sglon", "sglat"))
ECLIPTIC = (("elon", "elat"), ("ecl_lon", "ecl_lat"))
NOT_POSITIONS = ("L", "B")
"""Upper-case names of a luminosity and a magnitude; in lower case they are galactic coordinates."""
NAME_END = re.compile(r"\s*[\[(].*[\])]\s*$")


def plain_name(name: str) -> str:
    """Return a name in lower case without full stops and without a part in brackets at its end: ``R.A. (deg)`` is ``ra``."""
    bare = NAME_END.sub("", str(name)).strip().lower().replace(".", "")
    return re.sub(r"[\s-]+", "_", bare)


def is_position_name(name: str) -> bool:
    """Return whether a column with this name is a coordinate of a position on the sky."""
    pairs = (*EQUATORIAL, *OF_1950, *GALACTIC, *SUPERGALACTIC, *ECLIPTIC)
    return plain_name(name) in {name for pair in pairs for name in pair} and name not in NOT_POSITIONS
