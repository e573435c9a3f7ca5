"""Division of a blend by symmetry: a galaxy looks the same after half a turn around its peak; the other light is a neighbour's.

At each point, the light of a galaxy is at most that of the opposite point. The rest is the light of a neighbour, even where the
blend has a single peak. A point belongs to the object with more of its light. The deblending of SDSS starts from the same
estimate (Lupton et al. 2001, ASP Conf. Ser. 238, 269); scarlet uses it as a constraint (Melchior et al. 2018, A&C 24, 129).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["SETTINGS", "BlendSettings", "BlendShares", "climb", "symmetric_share"]

Map = NDArray[np.float32]
Flags = NDArray[np.bool_]
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class BlendSettings:
    """When light without symmetry is a neighbour; chosen on survey scenes (val) and annotators' outlines (train and val).

    Attributes
    ----------
    smoothing_points : float
        Standard deviation of the Gaussian that smooths the rest, points of the grid.
    clicked_share, clicked_snr : float
        A click is on the neighbour if the rest is this share of the light under the click, and this many times the noise. The
        rest on a spiral arm is a smaller share.
    nearness : float
        The click is also near the peak of the neighbour: the rest under it is this share of the rest at the peak.
        Otherwise it may be on the bridge between two galaxies.
    excluded_share, excluded_snr : float
        A neighbour is excluded from the galaxy under a click if its peak is this share of the peak of the galaxy, and this many
        times the noise. A fainter one may be a spiral arm.
    """

    smoothing_points: float = 0.6
    clicked_share: float = 0.75
    clicked_snr: float = 3.0
    nearness: float = 0.7
    excluded_share: float = 0.45
    excluded_snr: float = 4.0


SETTINGS = BlendSettings()


@dataclass(frozen=True, slots=True, eq=False)
class BlendShares:
    """The light of a galaxy and of its neighbours, in units of the noise of a sky pixel.

    Attributes
    ----------
    galaxy : ndarray, shape (n, n)
        Light that is symmetric about the peak of the galaxy.
    rest : ndarray, shape (n, n)
        The other light, smoothed.
    light : ndarray, shape (n, n)
        All light.
    peak : Place
        Peak of the galaxy: row and column.
    settings : BlendSettings
    """

    galaxy: Map
    rest: Map
    light: Map
    peak: Place
    settings: BlendSettings

    @classmethod
    def of(cls, light: Map, peak: Place, settings: BlendSettings = SETTINGS) -> BlendShares:
        """Divide the light around a peak; a point whose opposite is outside the window belongs to the galaxy."""
        galaxy: Map = np.minimum(light, _half_turn(light, peak)).clip(0)
        return cls(galaxy, ndimage.gaussian_filter(light - galaxy, settings.smoothing_points), light, peak, settings)

    def neighbour_at(self, place: Place) -> Place | None:
        """Return the peak of the neighbour under a click, or None if the click is not on a neighbour."""
        settings, rest = self.settings, float(self.rest[place])
        if rest < max(settings.clicked_share * float(self.light[place]), settings.clicked_snr):
            return None
        peak = climb(self.rest, place)
        return peak if rest >= settings.nearness * float(self.rest[peak]) else None

    def galaxy_points(self, place: Place) -> Flags:
        """Return the points with more light of the galaxy than of a neighbour, shape (n, n); `place`, the click, is not one."""
        points: Flags = self.rest <= self.galaxy
        points[place] = False
        return points

    def bright_neighbours(self, place: Place, faintest: float) -> Flags:
        """Return the points of neighbours nearly as bright as the galaxy, shape (n, n).

        Parameters
        ----------
        place : Place
            The click; a neighbour there is left out.
        faintest : float
            Smallest light of a neighbour's points.
        """
        settings = self.settings
        parts, count = ndimage.label((self.rest > self.galaxy) & (self.rest >= faintest))
        if not count:
            return np.zeros(parts.shape, bool)
        peaks = np.asarray(ndimage.maximum(self.rest, parts, np.arange(count + 1)))
        is_bright = peaks >= max(settings.excluded_share * float(self.light[self.peak]), settings.excluded_snr)
        is_bright[[0, parts[place]]] = False
        flags: Flags = is_bright[parts]
        return flags


def symmetric_share(light: Map, place: Place, *, faintest: float) -> Map:
    """Return the share of the light at each point that is symmetric about a place, shape (n, n).

    Parameters
    ----------
    light : ndarray, shape (n, n)
    place : Place
    faintest : float
        Smallest light that a share is a share of.
    """
    share: Map = np.minimum(light, _half_turn(light, place)).clip(0) / light.clip(faintest)
    return share


def _half_turn(light: Map, place: Place) -> Map:
    """Return a map after half a turn around a place; a point whose opposite is outside the map keeps its light."""
    half_turn = light.copy()
    (rows, has_row), (columns, has_column) = (_opposites(*each) for each in zip(place, light.shape, strict=True))
    half_turn[np.ix_(has_row, has_column)] = light[np.ix_(rows[has_row], columns[has_column])]
    return half_turn


def _opposites(centre: int, side: int) -> tuple[NDArray[np.intp], Flags]:
    """Return the index opposite each index of an axis, and whether it is on the axis."""
    indices: NDArray[np.intp] = 2 * centre - np.arange(side)
    return indices, (indices >= 0) & (indices < side)


def climb(light: Map, place: Place) -> Place:
    """Return the local maximum to which steps to the brightest adjacent point lead from a place."""
    row, column = place
    while True:
        top, left = max(row - 1, 0), max(column - 1, 0)
        around = light[top : row + 2, left : column + 2]
        down, across = np.unravel_index(int(around.argmax()), around.shape)
        if around[down, across] <= light[row, column]:
            return row, column
        row, column = top + int(down), left + int(across)
