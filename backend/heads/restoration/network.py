"""The network of the restorer: three filtered images and the observation in, a correction and its uncertainty out.

Inputs and outputs are in units of the noise, so that the network depends neither on the unit nor on the brightness of an image.
Its correction of the filtered image has one part that scales with the noise and one that scales with the signal. Before
training both are 0, and the result is the Tikhonov solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.heads.restoration.convolutional import ConvolutionalConfig, ConvolutionalUNet
from backend.heads.restoration.swin import SwinUNet, SwinUNetConfig
from backend.heads.restoration.tikhonov import Filtered

__all__ = ["CHANNELS_IN", "CHANNELS_OUT", "FORMS", "MEDIUM", "SMOOTH", "RestoredBatch", "Restoring"]

CHANNELS_IN, CHANNELS_OUT = 7, 3
FORMS = {form.form: (form, network) for form, network in ((ConvolutionalConfig, ConvolutionalUNet), (SwinUNetConfig, SwinUNet))}
"""The forms of the network by name."""
MEDIUM, SMOOTH = 1, 2
"""Indices of the filtered images: the one that is corrected, and the one that measures the signal."""
MOST_LOG_STD = 8.0


@dataclass(frozen=True, slots=True)
class RestoredBatch:
    """Restored images.

    Attributes
    ----------
    mean, std : Tensor, shape (n, h, w)
        Restored brightness and its standard deviation, in the unit of the input.
    """

    mean: Tensor
    std: Tensor


class Restoring(nn.Module):
    """The network between the filtered images and the restored image.

    Parameters
    ----------
    config : ConvolutionalConfig or SwinUNetConfig
    """

    def __init__(self, config: ConvolutionalConfig | SwinUNetConfig) -> None:
        super().__init__()
        self.config = config
        _, network = FORMS[config.form]
        self.body: nn.Module = network(config, CHANNELS_IN, CHANNELS_OUT)  # type: ignore[arg-type]
        self.stride = 2 ** len(config.widths)

    def forward(self, images: Tensor, filter_result: Filtered, noise: Tensor, width: Tensor) -> RestoredBatch:
        """Restore images.

        Parameters
        ----------
        images : Tensor, shape (n, h, w)
            Observed images without sky.
        filter_result : Filtered
        noise : Tensor, shape (n,)
            Standard deviation of the noise of a pixel.
        width : Tensor, shape (n,)
            FWHM of the PSF, pixels; 0 where only noise is removed.
        """
        inputs = _channels(images, filter_result, noise, width)
        height, breadth = images.shape[1:]
        down, right = -height % self.stride, -breadth % self.stride
        outputs = self.body(functional.pad(inputs, (0, right, 0, down), mode="replicate"))[:, :, :height, :breadth].float()
        unit = filter_result.noise[:, MEDIUM, None, None]
        correction = unit * outputs[:, 0] + filter_result.images[:, SMOOTH] * outputs[:, 1]
        std = unit * torch.exp(outputs[:, 2].clamp(-MOST_LOG_STD, MOST_LOG_STD))
        return RestoredBatch(filter_result.images[:, MEDIUM] + correction, std)


def _channels(images: Tensor, filter_result: Filtered, noise: Tensor, width: Tensor) -> Tensor:
    """Return the inputs of the network, shape (n, CHANNELS_IN, h, w): asinh keeps faint and bright structures in range."""
    inputs = torch.cat(
        [filter_result.images / filter_result.noise[:, :, None, None], (images / noise[:, None, None])[:, None]], dim=1
    )
    planes = torch.stack(
        [torch.log(filter_result.noise[:, MEDIUM] / noise), torch.log(filter_result.noise[:, SMOOTH] / noise), width / 4], dim=1
    )
    return torch.cat([torch.asinh(inputs), planes[:, :, None, None].expand(-1, -1, *images.shape[1:])], dim=1)
