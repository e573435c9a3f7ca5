"""The network of the detector: a small neck and torchvision's FCOS head on the feature maps of the encoder.

FCOS has no anchors to tune: each cell of a map predicts the class of the object around it, the distances to the four sides of
its box, and its centreness. The frozen encoder replaces the transform and the backbone of FCOS.

References
----------
Tian et al. (2019), FCOS, ICCV; Lin et al. (2017), Feature pyramid networks, CVPR.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS, FCOSClassificationHead, FCOSHead, FCOSRegressionHead
from torchvision.ops import FeaturePyramidNetwork, nms

from sync.geometry.shapes import Size

__all__ = ["NORM_GROUPS", "DetectorConfig", "DetectorNetwork", "RawDetections"]

NORM_GROUPS = 8
CANDIDATES = 300
LEAST_CANDIDATE_SCORE = 0.05
SAME_OBJECT_ABOVE = 0.5
"""Overlap (intersection over union) above which two boxes are one object, regardless of their classes."""


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """The shape of a network.

    Attributes
    ----------
    channels, strides : tuple of int
        Channels and strides of the input feature maps.
    classes : int
    width : int
        Channels of the neck and of the head.
    convolutions : int
        Convolutions in each of the two branches of the head.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    classes: int = 1
    width: int = 32
    convolutions: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class RawDetections:
    """Predicted objects, by descending score.

    Attributes
    ----------
    boxes : Tensor, shape (n, 4)
        Left, top, right, bottom, pixels.
    scores : Tensor, shape (n,)
        In [0, 1].
    labels : Tensor of int, shape (n,)
        Index of the class.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class PyramidNeck(nn.Module):
    """A feature pyramid network: maps all levels to one number of channels, and adds coarse levels to finer ones."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.out_channels = config.width
        self.norms = nn.ModuleList(LayerNorm2d(channels) for channels in config.channels)
        self.pyramid = FeaturePyramidNetwork(list(config.channels), config.width)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Map levels of shape (n, channels[i], h, w) to levels of shape (n, width, h, w)."""
        levels_by_name = OrderedDict(
            (str(i), norm(level)) for i, (norm, level) in enumerate(zip(self.norms, levels, strict=True))
        )
        return list(self.pyramid(levels_by_name).values())


class DetectorNetwork(nn.Module):
    """Neck and head."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.fcos = FCOS(
            PyramidNeck(config),
            config.classes,
            head=_head(config),
            score_thresh=LEAST_CANDIDATE_SCORE,
            nms_thresh=SAME_OBJECT_ABOVE,
            detections_per_img=CANDIDATES,
        )

    def losses(self, levels: Sequence[Tensor], boxes: Tensor, labels: Tensor) -> Tensor:
        """Return the training loss of one image, a scalar: the sum of the losses of classes (focal), boxes (GIoU), centreness.

        Parameters
        ----------
        levels : sequence of Tensor, shape (1, channels[i], h, w)
        boxes : Tensor, shape (n, 4)
            Boxes of all objects of the image, with positive sides, in pixels of the encoder's input.
        labels : Tensor of int64, shape (n,)
            Index of the class of each object.
        """
        outputs, places, counts = self._outputs(levels)
        targets = [{"boxes": boxes, "labels": labels}]
        parts: dict[str, Tensor] = self.fcos.compute_loss(targets, outputs, [places], counts)
        return torch.stack(list(parts.values())).sum()

    @torch.no_grad()
    def forward(self, levels: Sequence[Tensor], *, size: Size) -> RawDetections:
        """Predict the objects of one image of `size` (width, height), in pixels of the encoder's input."""
        outputs, places, counts = self._outputs(levels)
        split = {name: list(torch.split(output, counts, dim=1)) for name, output in outputs.items()}
        (detections,) = self.fcos.postprocess_detections(split, [list(torch.split(places, counts))], [size[::-1]])
        boxes, scores = detections["boxes"], detections["scores"]
        distinct = nms(boxes, scores, SAME_OBJECT_ABOVE)
        distinct = distinct[((boxes[distinct, 2:] - boxes[distinct, :2]) > 0).all(dim=1)]
        return RawDetections(boxes[distinct], scores[distinct], detections["labels"][distinct])

    def for_classes(self, count: int) -> DetectorNetwork:
        """Return the network for `count` other classes, each with the weights of the first class."""
        config = DetectorConfig(self.config.channels, self.config.strides, count, self.config.width, self.config.convolutions)
        network = DetectorNetwork(config)
        weights = {
            name: value[:1].repeat_interleave(count, dim=0) if ".cls_logits." in name else value
            for name, value in self.state_dict().items()
        }
        network.load_state_dict(weights)
        return network.eval()

    def _outputs(self, levels: Sequence[Tensor]) -> tuple[dict[str, Tensor], Tensor, list[int]]:
        """Return the outputs of the head, the squares of their cells, and the number of cells of each map."""
        maps = self.fcos.backbone(levels)
        places = [_places(level, stride) for level, stride in zip(maps, self.config.strides, strict=True)]
        return self.fcos.head(maps), torch.cat(places), [len(squares) for squares in places]


def _head(config: DetectorConfig) -> FCOSHead:
    """Return the head of torchvision, with a group normalisation that suits a narrow network."""
    norm = partial(nn.GroupNorm, NORM_GROUPS)
    head = FCOSHead(config.width, 1, config.classes, config.convolutions)
    head.classification_head = FCOSClassificationHead(config.width, 1, config.classes, config.convolutions, norm_layer=norm)
    head.regression_head = FCOSRegressionHead(config.width, 1, config.convolutions, norm_layer=norm)
    return head


def _places(level: Tensor, stride: int) -> Tensor:
    """Return the squares of the cells of a map, row by row, shape (h * w, 4).

    The anchors of torchvision lie half a stride above and left of them, so that objects as small as a stride are missed.
    """
    y, x = torch.meshgrid(torch.arange(level.shape[2]), torch.arange(level.shape[3]), indexing="ij")
    corner = torch.stack([x.flatten(), y.flatten()], dim=1) * float(stride)
    return torch.cat([corner, corner + stride], dim=1)
