"""Fusion of batch normalisation into the preceding convolution, for faster inference with the same output."""

from __future__ import annotations

from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fuse_batch_norm"]


def fuse_batch_norm(network: nn.Module) -> None:
    """Fuse batch normalisations with their convolutions in place; the network can then not be trained further as before.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode. If a convolution is followed by a timm normalisation with activation in a module, the output of the
        first must be the input of the second, as in all EfficientNets of timm.
    """
    for module in list(network.modules()):
        before: tuple[str, nn.Conv2d] | None = None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d):
                before = name, child
            elif isinstance(child, BatchNormAct2d) and before is not None:
                setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(module, name, child.act)
                before = None
