"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946); the training of the shipped encoder started from its ImageNet weights.

On two CPU cores it embeds several times as many images per second as a Swin of the same quality, and filters for edges and
textures need not be trained on a few thousand galaxies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import timm
from torch import Tensor, nn

__all__ = ["EfficientNet", "EfficientNetConfig"]

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet, with which the initial weights were trained."""
ENDS = (1, 2, 4, 6)
"""Index of the last block of each stride from 4 on."""


@dataclass(frozen=True, slots=True)
class EfficientNetConfig:
    """Shape of an EfficientNet-Lite0, which is fixed.

    Attributes
    ----------
    image_px : int
        Side of the square crop of a galaxy to be embedded, pixels.
    """

    family: ClassVar[str] = "efficientnet_lite0"
    halves_on_cpu: ClassVar[bool] = False
    """Whether bfloat16 is faster on CPUs: depthwise convolutions of 96 px took twice as long with it (57, not 113 images/s)."""
    image_px: int = 96

    @property
    def dimension(self) -> int:
        """Length of the pooled embedding."""
        return 1280

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each level of the pyramid, pixels, the finest first."""
        return (4, 8, 16, 32)

    @property
    def channels(self) -> tuple[int, ...]:
        """Number of channels of each level of the pyramid."""
        return (24, 40, 112, 320)


class EfficientNet(nn.Module):
    """EfficientNet-Lite0 without its classifier, with TensorFlow's padding.

    Parameters
    ----------
    config : EfficientNetConfig
    drop_path : float
        Probability of leaving out a residual branch while training.
    """

    def __init__(self, config: EfficientNetConfig, *, drop_path: float) -> None:
        super().__init__()
        self.efficientnet: Any = timm.create_model("tf_efficientnet_lite0", num_classes=0, drop_path_rate=drop_path)

    def levels(self, channels_first: Tensor) -> list[Tensor]:
        """Compute the feature maps of images, shape (n, 3, h, w), whose sides are multiples of the coarsest stride."""
        network = self.efficientnet
        features = network.bn1(
            network.conv_stem(
                (channels_first - channels_first.new_tensor(MEAN).view(3, 1, 1))
                / channels_first.new_tensor(DEVIATION).view(3, 1, 1)
            )
        )
        levels = []
        for index, block in enumerate(network.blocks):
            features = block(features)
            if index in ENDS:
                levels.append(features)
        return levels

    def pool(self, coarsest: Tensor) -> Tensor:
        """Compute the embeddings, shape (n, dimension), from the coarsest level."""
        network = self.efficientnet
        vector: Tensor = network.bn2(network.conv_head(coarsest)).mean(dim=(2, 3))
        return vector
