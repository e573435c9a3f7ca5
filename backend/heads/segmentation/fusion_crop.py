"""Crops for the fusion of candidate masks: squares around a click on the decoder's grid, each cut into as many cells.

A galaxy is then as large in its crop as any other, so that a small network outlines galaxies of all sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from backend.heads.segmentation.isophotes import Spot

__all__ = ["CELLS", "FusionCrop"]

CELLS = 48
"""Cells along one side of a crop."""
MARGIN, MARGIN_POINTS = 1.15, 3.0
"""Half the side of a crop is the largest distance of the masks from the click, times the first value, plus the second one."""
LEAST_HALF_SIDE, LARGEST_HALF_SIDE = 12.0, 128.0
SHARP_POINTS = 1.5
"""Largest number of points per cell that is sampled without an average, against aliasing."""


@dataclass(frozen=True, slots=True)
class FusionCrop:
    """A square around a click, cut into cells; outside the grid, maps have the values at its border.

    Attributes
    ----------
    centre : Spot
        The click.
    half_side : float
        Points of the grid.
    points : int
        Points along one side of the grid.
    """

    centre: Spot
    half_side: float
    points: int

    @classmethod
    def around(cls, spot: Spot, inside: Tensor) -> FusionCrop:
        """Return the crop around a click that contains a mask, bool of shape (n, n), with a margin."""
        x, y = spot
        rows, columns = torch.nonzero(inside, as_tuple=True)
        distances = torch.cat([(rows + 0.5 - y).abs(), (columns + 0.5 - x).abs(), torch.zeros(1)])
        half_side = MARGIN * float(distances.max()) + MARGIN_POINTS
        return cls(spot, min(max(half_side, LEAST_HALF_SIDE), LARGEST_HALF_SIDE), len(inside))

    def sample(self, maps: Tensor) -> Tensor:
        """Interpolate maps, shape (k, n, n), at the centres of the cells, shape (k, CELLS, CELLS)."""
        return self._interpolate(maps, outside="border")

    def sample_mask(self, inside: Tensor) -> Tensor:
        """Return the share of each cell that a mask covers, shape (CELLS, CELLS); it covers nothing outside the grid."""
        return self._interpolate(inside[None].float(), outside="zeros")[0]

    def _interpolate(self, maps: Tensor, *, outside: str) -> Tensor:
        planes, points_per_cell = maps[None], 2 * self.half_side / CELLS
        if points_per_cell > SHARP_POINTS:
            width = 2 * int(points_per_cell / SHARP_POINTS) + 1
            wide_planes = functional.pad(planes, (width // 2,) * 4, mode="replicate")
            planes = functional.avg_pool2d(wide_planes, width, stride=1)
        return functional.grid_sample(planes, self._cells(), padding_mode=outside, align_corners=False)[0]

    def enlarge(self, cells: Tensor) -> Tensor:
        """Interpolate maps of the crop, shape (k, CELLS, CELLS), at the points of the grid, shape (k, n, n)."""
        middles = torch.arange(self.points) + 0.5
        across, down = ((middles - place) / self.half_side for place in self.centre)
        places = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)[None]
        return functional.grid_sample(cells[None], places, padding_mode="border", align_corners=False)[0]

    def is_on_grid(self) -> Tensor:
        """Return whether the centre of each cell lies on the grid, bool of shape (CELLS, CELLS)."""
        inside: Tensor = (self._cells()[0].abs() <= 1).all(dim=-1)
        return inside

    @staticmethod
    def radius() -> Tensor:
        """Return the distance of each cell from the click, in units of half the side, shape (CELLS, CELLS)."""
        middles = _middles()
        return torch.hypot(middles[None], middles[:, None])

    def _cells(self) -> Tensor:
        """Return the centres of the cells for `grid_sample`, shape (1, CELLS, CELLS, 2)."""
        across, down = ((place + self.half_side * _middles()) * 2 / self.points - 1 for place in self.centre)
        return torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)[None]


def _middles() -> Tensor:
    """Return the centres of the cells of an axis, -1 to 1."""
    return (torch.arange(CELLS) + 0.5) * 2 / CELLS - 1
