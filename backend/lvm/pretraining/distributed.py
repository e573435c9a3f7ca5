"""The process group of a training: one process alone, or one of several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

__all__ = ["DistributedRank", "init_distributed"]


@dataclass(frozen=True, slots=True)
class DistributedRank:
    """This process in its group.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    world_size : int
        Number of processes.
    device : torch.device
        The device that this process computes on.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def hardware(self) -> str:
        """The devices of all processes, for the model card."""
        if self.device.type == "cuda":
            return f"{self.world_size} x {torch.cuda.get_device_name(self.device)}"
        return f"CPU, {self.world_size} x {torch.get_num_threads()} threads"


@contextmanager
def init_distributed() -> Iterator[DistributedRank]:
    """Join the process group that torchrun sets in the environment; with GPUs, each process uses that of its local rank."""
    gpu = torch.cuda.is_available()
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if world_size > 1:
        distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield DistributedRank(rank, world_size, device)
    finally:
        if world_size > 1:
            distributed.destroy_process_group()
