"""Inputs of the fusion of candidate masks: the candidates of a click, and the light around it, in a crop.

The light is given as its brightness relative to the click and to the noise, its colours relative to the click, the share of it
that is symmetric about the click and about the local peak, and the segments of the local peaks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.heads.segmentation.decoding import Candidates
from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.fusion_crop import CELLS, FusionCrop
from backend.heads.segmentation.isophotes import Isophotes, Place, Spot
from backend.heads.segmentation.symmetry import climb, symmetric_share

__all__ = ["CHANNELS", "MASKS", "QUALITY", "FusionInputs"]

MASKS, QUALITY = slice(2, 7), slice(15, 19)
"""Channels with the logits of the four candidates and the first guess, and with the expected overlaps of the candidates."""
CHANNELS = 20
LOGIT_SCALE, LARGEST_LOGIT = 3.0, 6.0
FAINTEST_SNR, SHARE_SNR, NOISE_SNR = 0.3, 0.5, 2.0
"""Lower limits of the light in logarithms and in shares, and the light whose logarithm is 0, in units of the noise."""
COLOUR_SCALE, DARKEST = 3.0, 0.05
LARGEST_CONTRAST, CONTRAST_SCALE = 3.0, 1.5
REFERENCE_HALF_SIDE = 32.0


@dataclass(frozen=True, slots=True, eq=False)
class FusionInputs:
    """Inputs of one click.

    Attributes
    ----------
    cells : Tensor, shape (CHANNELS, CELLS, CELLS)
    masks : Tensor, shape (5, n, n)
        Logits of the four candidates and the first guess on the decoder's grid, limited to `LARGEST_LOGIT`.
    crop : FusionCrop
    """

    cells: Tensor
    masks: Tensor
    crop: FusionCrop

    @classmethod
    def of(cls, window: FirstGuess, spot: Spot, candidates: Candidates, guess: Tensor) -> FusionInputs:
        """Return the inputs of a click.

        Parameters
        ----------
        window : FirstGuess
            Isophotes and pixels of the window.
        spot : Spot
            The click, on the grid.
        candidates : Candidates
            Of this click only.
        guess : Tensor, shape (n, n)
            Logits of the isophote mask.
        """
        logits, quality = candidates.logits[0], candidates.quality[0]
        crop = FusionCrop.around(spot, (logits[quality.argmax()] > 0) | (guess > 0))
        masks = torch.cat([logits, guess[None]]).clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        place = window.isophotes.place_of(spot)
        snr, contrast = _brightness(window.isophotes, place)
        maps = torch.cat([contrast, snr, masks / LOGIT_SCALE, _shapes(window.isophotes, place), _colours(window, snr, place)])
        scale = math.log2(crop.half_side / REFERENCE_HALF_SIDE) / 2
        constants = torch.tensor([scale, *quality.tolist()])[:, None, None].expand(-1, CELLS, CELLS)
        cells = [crop.sample(maps), FusionCrop.radius()[None], constants, crop.is_on_grid()[None].float()]
        return cls(torch.cat(cells), masks, crop)


def _brightness(isophotes: Isophotes, place: Place) -> tuple[Tensor, Tensor]:
    """Return logarithms of the light relative to the noise and to the click, each of shape (1, n, n)."""
    light = isophotes.light.clip(FAINTEST_SNR)
    snr = np.log(light / NOISE_SNR).clip(-2, 4) / 2
    contrast = np.log(light / max(float(isophotes.light[place]), SHARE_SNR)).clip(-LARGEST_CONTRAST, LARGEST_CONTRAST)
    return torch.from_numpy(snr)[None], torch.from_numpy(contrast)[None] / CONTRAST_SCALE


def _shapes(isophotes: Isophotes, place: Place) -> Tensor:
    """Return the shares of symmetric light about click and peak, and the sides of the clicked segment, shape (3, n, n)."""
    light, segments = isophotes.light, isophotes.knot_segments()
    about = [symmetric_share(light, centre, faintest=SHARE_SNR) for centre in (place, climb(light, place))]
    sides = np.where((segments == segments[place]) & (segments > 0), 1.0, -np.sign(segments)).astype(np.float32)
    return torch.from_numpy(np.stack([*about, sides]))


def _colours(window: FirstGuess, snr: Tensor, place: Place) -> Tensor:
    """Return the differences of the three colours from those at the click, 0 in the noise, shape (3, n, n)."""
    planes = window.pixels[:3]
    colours = planes / (planes.mean(dim=0) + DARKEST)
    differences: Tensor = (colours - colours[:, place[0], place[1], None, None]) * snr.clamp(0, 1) * COLOUR_SCALE
    return differences
