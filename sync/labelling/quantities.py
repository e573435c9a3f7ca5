"""Physical quantities that a Number control may hold: the names under which projects know them, units and UCDs.

A control names its quantity by `predicted_values`, else by its own name. A name with a unit that is not listed here, such as
`half_light_radius_kpc`, names no quantity: a value in another unit would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.controls import NUMBERS
from sync.labelling.synonyms import normalise

if TYPE_CHECKING:
    from sync.controls.control import Control

__all__ = ["QUANTITIES", "Quantity", "find_quantity", "quantity_of", "unit_of"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity.

    Attributes
    ----------
    name : str
        Name of its column in catalogues.
    unit : str
        As astropy writes it; empty for a number without unit.
    ucd : str
        Unified Content Descriptor of the Virtual Observatory.
    description : str
    names : tuple of str
        Normalised names of controls that mean it.
    is_index : bool
        Whether it is an index of the pixels, without a model and without an error.
    is_measured : bool
        Whether it is measured on the pixels of the image, so that a control has a value before any annotation.
    is_positive : bool
        Whether every value is above 0, so that ratios of values are meaningful.
    """

    name: str
    unit: str
    ucd: str
    description: str
    names: tuple[str, ...]
    is_index: bool = False
    is_measured: bool = True
    is_positive: bool = False


_RADIUS = (
    "half light radius", "effective radius", "half light semi major axis", "reff", "r eff", "re", "r e", "r50", "r half",
    "rhalf", "hlr",
)  # fmt: skip
_PIXELS = ("px", "pix", "pixel", "pixels")
_ARCSEC = ("arcsec", "arcsecond", "arcseconds", "asec")
_DEGREES = ("deg", "degree", "degrees")
_ANGLE = ("position angle", "pa", "posang", "pos angle")


def _with_units(names: tuple[str, ...], units: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name} {unit}" for name in names for unit in units)


_LISTED = (
    Quantity("x", "pix", "pos.cartesian.x;instr.pixel", "centre of the model, from the middle of the first column", ("x px",)),
    Quantity("y", "pix", "pos.cartesian.y;instr.pixel", "centre of the model, from the middle of the first row", ("y px",)),
    Quantity(
        "re_px",
        "pix",
        "phys.angSize.smajAxis;instr.pixel",
        "half-light radius of the Sersic model, along the major axis",
        (*_RADIUS, *_with_units(_RADIUS, _PIXELS)),
        is_positive=True,
    ),
    Quantity(
        "re_arcsec",
        "arcsec",
        "phys.angSize.smajAxis",
        "half-light radius of the Sersic model, along the major axis",
        _with_units(_RADIUS, _ARCSEC),
        is_positive=True,
    ),
    Quantity(
        "sersic_n",
        "",
        "src.morph.param",
        "Sersic index",
        ("sersic n", "sersic index", "sersic", "n sersic", "nser", "n ser", "n"),
        is_positive=True,
    ),
    Quantity(
        "axis_ratio",
        "",
        "phys.size.axisRatio",
        "minor by major axis of the Sersic model",
        ("axis ratio", "q", "b a", "ba", "b over a"),
        is_positive=True,
    ),
    Quantity(
        "position_angle_deg",
        "deg",
        "pos.posAng",
        "of the major axis, 0 to 180: from north through east, or from x (right) towards y (down) without sky coordinates",
        (*_ANGLE, *_with_units(_ANGLE, _DEGREES)),
    ),
    Quantity(
        "mag",
        "mag",
        "phot.mag",
        "total AB magnitude of the Sersic model",
        ("mag", "magnitude", "total magnitude", "mag ab", "ab mag", "ab magnitude", "mag total"),
    ),
    Quantity("sky", "", "instr.skyLevel", "sky level under the object, in the unit of the image", ("sky", "sky level")),
    *(
        Quantity(name, "", "src.morph.param", description, names, is_index=True)
        for name, description, names in (
            ("concentration", "concentration of CAS", ("concentration",)),
            ("asymmetry", "asymmetry of CAS", ("asymmetry",)),
            ("outer_asymmetry", "asymmetry of the outer half of the light", ("outer asymmetry",)),
            ("shape_asymmetry", "asymmetry of the outline at low brightness", ("shape asymmetry",)),
            ("smoothness", "smoothness (clumpiness) of CAS", ("smoothness", "clumpiness")),
            ("gini", "Gini coefficient of the light", ("gini", "gini coefficient")),
            ("m20", "second moment of the brightest 20 per cent of the light", ("m20", "m 20")),
        )
    ),
    Quantity(
        "z_phot",
        "",
        "src.redshift.phot",
        "redshift that is not from a spectrum",
        ("z phot", "zphot", "photo z", "photoz", "photometric redshift", "redshift", "z"),
        is_measured=False,
    ),
)

QUANTITIES: Mapping[str, Quantity] = {quantity.name: quantity for quantity in _LISTED}
"""Quantities by name, in the order of their columns."""

_BY_NAME = {name: quantity for quantity in _LISTED for name in (normalise(quantity.name), *quantity.names)}


def find_quantity(name: str) -> Quantity | None:
    """Return the quantity that a name means in any case and punctuation; None for any other name."""
    return _BY_NAME.get(normalise(name))


def quantity_of(control: Control) -> Quantity | None:
    """Return the quantity that a control holds.

    Parameters
    ----------
    control : Control
        Its `predicted_values` decide, and without them its name.

    Returns
    -------
    Quantity or None
        None for a control that is not a Number, or that names no quantity.
    """
    if control.tag not in NUMBERS or NUMBERS[control.tag].RATES_INTEREST:
        return None
    names = control.predicted_values or (control.name,)
    return next((quantity for name in names if (quantity := find_quantity(name)) is not None), None)


def unit_of(control: Control) -> str:
    """Return the unit of the numbers of a control, as astropy writes it; empty if they have none or it is not known."""
    quantity = quantity_of(control)
    return quantity.unit if quantity is not None else ""
