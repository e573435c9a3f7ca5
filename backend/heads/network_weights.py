"""Weights of the networks of heads: rounded to float16, stored and restored."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from backend.heads.storage import StoredHead

__all__ = ["arrays_of", "restore", "round_weights"]

Network = TypeVar("Network", bound=nn.Module)


def round_weights(network: Network) -> Network:
    """Round the weights to the precision of `arrays_of`, and freeze them: storing a head does not change its predictions."""
    return network.half().float().eval().requires_grad_(False)


def arrays_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the weights as float16."""
    return {name: value.half().numpy() for name, value in network.state_dict().items()}


def restore(network: Network, record: StoredHead) -> Network:
    """Set the weights of a network to those of a stored head, and freeze them.

    Raises
    ------
    HeadError
        If an array is missing or damaged.
    """
    own_weights = network.state_dict()
    network.load_state_dict(
        {name: torch.from_numpy(np.array(record.array(name, *value.shape))) for name, value in own_weights.items()}
    )
    return network.eval().requires_grad_(False)
