"""Quantities that Number controls hold: names, units and UCDs."""

from __future__ import annotations

import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd

from sync.labelling.config import parse
from sync.labelling.quantities import QUANTITIES, quantity_of


def quantity_name(control: str) -> str | None:
    xml = f'<View><Image name="image" value="$image"/>{control}</View>'
    quantity = quantity_of(parse(xml).controls[0])
    return None if quantity is None else quantity.name


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("half_light_radius", "re_px"),
        ("half_light_radius_arcsec", "re_arcsec"),
        ("Effective radius (pixels)", "re_px"),
        ("reff", "re_px"),
        ("Re [arcsec]", "re_arcsec"),
        ("n", "sersic_n"),
        ("Sersic-index", "sersic_n"),
        ("q", "axis_ratio"),
        ("b/a", "axis_ratio"),
        ("PA", "position_angle_deg"),
        ("mag", "mag"),
        ("redshift", "z_phot"),
        ("half_light_radius_kpc", None),
        ("mag_r", None),
        ("interest", None),
    ],
)
def test_the_name_of_a_number_control_gives_quantity_and_unit(name: str, quantity: str | None) -> None:
    assert quantity_name(f'<Number name="{name}" toName="image"/>') == quantity


def test_predicted_values_decide_before_the_name() -> None:
    assert quantity_name('<Number name="q" toName="image" predicted_values="re_arcsec"/>') == "re_arcsec"
    assert quantity_name('<Number name="q" toName="image" predicted_values="stellar_mass"/>') is None


def test_a_rating_holds_no_quantity() -> None:
    assert quantity_name('<Rating name="mag" toName="image"/>') is None


@pytest.mark.parametrize("name", QUANTITIES)
def test_units_and_ucds_of_quantities_are_valid(name: str) -> None:
    quantity = QUANTITIES[name]
    units.Unit(quantity.unit)

    assert check_ucd(f"stat.error;{quantity.ucd}", check_controlled_vocabulary=True)
