"""Mask R-CNN of the detection benchmark: torchvision's, on a ResNet50 from scratch or on the frozen encoder's pyramid.

Everything but the backbone is the same: feature pyramid, anchors (8 to 128 px), heads, schedule, augmentation, and the square
root of the brightness. Only the encoder's weights are pre-trained.

References
----------
He et al. (2017), Mask R-CNN, ICCV; Lin et al. (2017), Feature pyramid networks, CVPR.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import LastLevelMaxPool, resnet_fpn_backbone
from torchvision.ops import FeaturePyramidNetwork

from backend.lvm.encoder import Encoder
from backend.scenes.scene import Scene
from benchmarks.detection.scores import Finds
from sync.files.atomic import atomic_write

__all__ = ["Recipe", "build_frozen", "build_resnet50", "find", "train"]

ANCHORS_PX = (8, 16, 32, 64, 128)
"""torchvision's default anchors, 32 to 512 px, are for photographs of 800 px; most galaxies of a scene are under 32 px."""
RATIOS = (0.5, 1.0, 2.0)
LARGEST_GRADIENT = 5.0
WARM_UP = 0.1
STEPS_A_STATE = 25


@dataclass(frozen=True, slots=True)
class Recipe:
    """Training hyperparameters of a network.

    Attributes
    ----------
    rate : float
        AdamW's highest learning rate; it rises over a tenth of the steps, then falls to zero as a cosine.
    batch : int
        Scenes per step.
    weight_decay : float
    steps_at_50 : int
        Steps for 50 scenes.
    """

    rate: float = 3e-4
    batch: int = 2
    weight_decay: float = 1e-2
    steps_at_50: int = 300

    def steps(self, scenes: int) -> int:
        """Return the number of steps, which grows as the square root of the number of scenes."""
        return round(self.steps_at_50 * math.sqrt(scenes / 50))


class _Lifted(nn.Module):
    """ResNet50 with the square root of the brightness that the encoder also applies."""

    def __init__(self) -> None:
        super().__init__()
        self.body = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5)
        self.out_channels: int = self.body.out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        levels: dict[str, Tensor] = self.body((images.clamp(min=0).sqrt() - 0.4) / 0.25)
        return levels


class _Frozen(nn.Module):
    """The frozen encoder and a trainable feature pyramid network."""

    def __init__(self, encoder: Encoder, *, channels: int = 256) -> None:
        super().__init__()
        self.encoder = encoder
        self.out_channels = channels
        self.fpn = FeaturePyramidNetwork(list(encoder.config.channels), channels, LastLevelMaxPool())

    def train(self, mode: bool = True) -> _Frozen:
        """Set the mode of the feature pyramid network; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            levels = self.encoder.pyramid(images)
        maps: dict[str, Tensor] = self.fpn(OrderedDict((str(i), level) for i, level in enumerate(levels)))
        return maps


def build_resnet50(side: int) -> MaskRCNN:
    """Build Mask R-CNN on a ResNet50 with random weights, all of them trainable."""
    return _mask_rcnn(_Lifted(), side)


def build_frozen(side: int, encoder: Encoder) -> MaskRCNN:
    """Build Mask R-CNN on the frozen encoder."""
    return _mask_rcnn(_Frozen(encoder.requires_grad_(False)), side)


def _mask_rcnn(backbone: nn.Module, side: int) -> MaskRCNN:
    return MaskRCNN(
        backbone,
        num_classes=2,
        min_size=side,
        max_size=side,
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        rpn_anchor_generator=AnchorGenerator(tuple((size,) for size in ANCHORS_PX), (RATIOS,) * len(ANCHORS_PX)),
        rpn_pre_nms_top_n_train=1000,
        rpn_post_nms_top_n_train=500,
        rpn_pre_nms_top_n_test=500,
        rpn_post_nms_top_n_test=300,
        box_batch_size_per_image=128,
        box_score_thresh=0.01,
    )


def train(network: MaskRCNN, scenes: Sequence[Scene], *, recipe: Recipe, seed: int, state_file: Path | None = None) -> MaskRCNN:
    """Train a network in place on randomly rotated and mirrored scenes; return it in evaluation mode.

    With a `state_file`, an interrupted training continues from its last `STEPS_A_STATE` steps, and a complete one is only read.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device, memory_format=torch.channels_last).train()
    rng = np.random.default_rng(seed)
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.weight_decay)
    steps = recipe.steps(len(scenes))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=recipe.rate, total_steps=steps + 1, pct_start=WARM_UP, cycle_momentum=False
    )
    order: list[int] = []
    first = 0
    if state_file is not None and state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["torch_rng"].cpu())
        rng.bit_generator.state = state["rng"]
        order, first = state["order"], state["steps"]
    for step in range(first, steps):
        while len(order) < recipe.batch:
            order += rng.permutation(len(scenes)).tolist()
        batch = [_rotate(scenes[order.pop(0)], rng) for _ in range(recipe.batch)]
        images = [image.to(device) for image, _ in batch]
        targets = [{name: value.to(device) for name, value in target.items()} for _, target in batch]
        with torch.autocast(device.type, torch.bfloat16):
            parts: dict[str, Tensor] = network(images, targets)
        optimiser.zero_grad()
        torch.stack([part.float() for part in parts.values()]).sum().backward()
        nn.utils.clip_grad_norm_(learning, LARGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        if state_file is not None and ((step + 1) % STEPS_A_STATE == 0 or step + 1 == steps):
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
            state |= {"torch_rng": torch.get_rng_state(), "rng": rng.bit_generator.state, "order": order, "steps": step + 1}
            with atomic_write(state_file) as file:
                torch.save(state, file)
    return network.eval()


@torch.inference_mode()
def find(network: MaskRCNN, scenes: Sequence[Scene]) -> list[Finds]:
    """Detect galaxies in each scene; return boxes in pixels and scores."""
    device = next(network.parameters()).device
    finds = []
    for scene in scenes:
        image = torch.from_numpy(scene.image).permute(2, 0, 1).contiguous().to(device)
        with torch.autocast(device.type, torch.bfloat16):
            (detections,) = network([image])
        finds.append((detections["boxes"].double().cpu().numpy(), detections["scores"].double().cpu().numpy()))
    return finds


def _rotate(scene: Scene, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Return one of the eight dihedral augmentations of a scene, and its targets."""
    turns, is_mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)
    image = np.rot90(scene.image, turns)
    masks = np.rot90(scene.masks, turns, axes=(1, 2))
    if is_mirrored:
        image, masks = image[:, ::-1], masks[:, :, ::-1]
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    target = {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "masks": torch.from_numpy(np.ascontiguousarray(masks, dtype=np.uint8)),
    }
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).contiguous(), target
