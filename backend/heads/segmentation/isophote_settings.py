"""Thresholds of the isophotes of a window."""

from __future__ import annotations

from dataclasses import dataclass

from backend.heads.extraction.source import ExtractionSettings

__all__ = ["SETTINGS", "IsophoteSettings"]

EXTRACTION = ExtractionSettings()


@dataclass(frozen=True, slots=True)
class IsophoteSettings:
    """Thresholds of the isophotes of a window, in units of the noise of a sky pixel; points are those of the decoder's grid.

    Attributes
    ----------
    levels : int
        Number of thresholds, equally spaced in the logarithm of the brightness.
    lowest_snr : float
        The lowest threshold.
    smoothing_points : float
        Standard deviation of the Gaussian that smooths the light.
    peak_snr, rise_snr : float
        Smallest height of the peak of an object above the sky, and above the saddle to a brighter object.
    saddle : float
        Two peaks are two objects if the saddle between them is below this fraction of the lower peak.
    companion_saddle : float
        The same fraction for a companion inside the outline of a galaxy: see `refine.companions`.
    knot_snr, knot_rise_snr, knot_saddle : float
        The same limits for each local peak, which may be a knot of a galaxy or a galaxy of a blend: see `fusion_inputs.py`.
    isophote, faintest_outline_snr : float
        The outline is the isophote at this fraction of the peak, at which annotators draw outlines, or at this brightness if it
        is higher: the fraction of a faint peak lies in the noise. The logit is 0 there.
    slope : float
        Change of the logit per factor e of brightness.
    largest_logit : float
        Largest absolute logit of a first guess.
    other_logit : float
        Largest logit of the points of the other object of a blend with one peak.
    margin : float
        Smallest ratio of the brightness under a click to the brightness at the outline.
    core : float
        Central fraction of a box in which the peak of its object is searched.
    faintest_snr : float
        Lower limit of the light in logarithms and ratios.
    bridge : float
        A click belongs to the segment of the mask if the light between them stays above this fraction of the light under the
        click.
    reach, least_reach_points : float
        A click on the wrong side of an outline changes points up to `reach` times its distance from the outline, and at least
        within `least_reach_points`, since annotators click in the middle of an error.
    refined_logit : float
        Smallest absolute logit of a changed point.
    doubt_logit : float
        A click changes a mask with a smaller logit there, since the edge between grid points can lie on the other side of the
        click.
    """

    levels: int = 40
    lowest_snr: float = 1.0
    smoothing_points: float = 0.8
    peak_snr: float = 4.0
    rise_snr: float = 3.0
    saddle: float = EXTRACTION.saddle
    companion_saddle: float = 0.8
    knot_snr: float = 2.0
    knot_rise_snr: float = 0.7
    knot_saddle: float = 0.97
    isophote: float = EXTRACTION.isophote
    faintest_outline_snr: float = 2.0
    slope: float = 2.0
    largest_logit: float = 6.0
    other_logit: float = -2.0
    margin: float = 1.15
    core: float = 0.5
    faintest_snr: float = 1e-3
    bridge: float = 0.8
    reach: float = 3.0
    least_reach_points: float = 3.0
    refined_logit: float = 2.0
    doubt_logit: float = 1.0


SETTINGS = IsophoteSettings()
