"""The measurement of one object in the coordinates of its image and of the sky."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from backend.heads.feature_blocks import Block
from backend.heads.structure.measurement import Measured, StructureMeasurement
from backend.measurement.cutouts import Window
from backend.measurement.science import ScienceImage
from backend.measurement.sky_angles import position_angle_on_sky
from sync.labelling.quantities import QUANTITIES

__all__ = ["ERROR", "MeasuredObject", "place_on_image"]

ERROR = "_err"
"""Suffix of the names of errors."""

WITHOUT_LIGHT = frozenset({"x", "y", "re_px", "re_arcsec", "axis_ratio", "position_angle_deg"})
"""Quantities that a display image has: its brightness is stretched, and no linear measure of the light."""
STRETCHED = "the pixels are display brightness, not measured values: only position, size and shape are measured"


@dataclass(frozen=True)
class MeasuredObject:
    """One measured object.

    Attributes
    ----------
    values : mapping
        Quantity to value and error, in the units of `sync.labelling.quantities`; x and y are counted in the file's array.
    reasons : mapping
        Missing quantity to a sentence.
    psf_source : str
        "given", "header", "stars", "seeing", or "none".
    band : str
        Band that was measured; see `ScienceImage`.
    ra, dec : float or None
        ICRS, degrees; None without sky coordinates.
    """

    values: Mapping[str, Measured]
    reasons: Mapping[str, str]
    psf_source: str
    band: str
    ra: float | None = None
    dec: float | None = None

    def to_json(self) -> bytes:
        """Return the measurement as JSON."""
        values = {name: [quantity.value, quantity.error] for name, quantity in self.values.items()}
        fields = {"reasons": dict(self.reasons), "psf_source": self.psf_source, "band": self.band}
        return json.dumps({"values": values, **fields, "ra": self.ra, "dec": self.dec}).encode()

    def as_block(self) -> Block:
        """Return the values and errors as a feature block."""
        values = {name: quantity.value for name, quantity in self.values.items()}
        errors = {f"{name}{ERROR}": each.error for name, each in self.values.items() if each.error is not None}
        return Block(values | errors, dict(self.reasons))

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read a measurement that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(content)
        values = {name: Measured(value, error) for name, (value, error) in fields.pop("values").items()}
        return cls(values=values, **fields)


def place_on_image(measurement: StructureMeasurement, image: ScienceImage, window: Window) -> MeasuredObject:
    """Convert the measurement of a cut-out to the coordinates of its image.

    The position angle becomes that on the sky, from north through east, where the image has coordinates.
    """
    values = {name: value for name, value in measurement.values.items() if name in QUANTITIES}
    reasons = {name: reason for name, reason in measurement.reasons.items() if name in QUANTITIES}
    if not image.is_linear:
        light = (name for name in QUANTITIES if QUANTITIES[name].is_measured and name not in WITHOUT_LIGHT)
        reasons = {name: reasons[name] for name in WITHOUT_LIGHT if name in reasons} | dict.fromkeys(light, STRETCHED)
        # The noise of a stretched image says nothing about the errors.
        values = {name: Measured(each.value, None) for name, each in values.items() if name in WITHOUT_LIGHT}
    for name, corner in (("x", window.left), ("y", window.top)):
        if name in values:
            values[name] = Measured(values[name].value + corner, values[name].error)
    ra = dec = None
    if image.sky is not None and {"x", "y"} <= values.keys():
        x, y = values["x"].value, values["y"].value
        ra, dec = (float(number) for number in image.sky.positions(x, y)[0])
        angle = values.get("position_angle_deg")
        if angle is not None:
            angle_on_sky = position_angle_on_sky(image.sky, x, y, angle.value)
            values["position_angle_deg"] = Measured(angle_on_sky, angle.error)
        if not (math.isfinite(ra) and math.isfinite(dec)):
            ra = dec = None
            if values.pop("position_angle_deg", None) is not None:
                reasons["position_angle_deg"] = "the object lies outside the map of the sky coordinates"
    return MeasuredObject(values, reasons, measurement.psf_source, image.band, ra, dec)
