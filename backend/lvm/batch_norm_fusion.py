"""Folding: a batch normalisation that follows a convolution becomes part of its weights; the network says the same, faster."""

from __future__ import annotations

from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norm"]


def fold_batch_norm(network: nn.Module) -> None:
    """Fold in place; the network can then no longer be trained as it was.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode. Where a convolution and timm's normalisation with activation are neighbours in a module, the second
        works on what the first gives, as in all of timm's EfficientNets.
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
