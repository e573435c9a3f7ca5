"""Where this process trains, alone or as one of several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

__all__ = ["Seat", "taking_a_seat"]


@dataclass(frozen=True, slots=True)
class Seat:
    """One process among its peers.

    Attributes
    ----------
    rank, peers : int
        Number of this process, from 0, and of all.
    device : torch.device
        What it computes on.
    """

    rank: int
    peers: int
    device: torch.device

    @property
    def hardware(self) -> str:
        """What all of them run on, for the model card."""
        if self.device.type == "cuda":
            return f"{self.peers} x {torch.cuda.get_device_name(self.device)}"
        return f"CPU, {self.peers} x {torch.get_num_threads()} threads"


@contextmanager
def taking_a_seat() -> Iterator[Seat]:
    """Join the processes that torchrun started, if it did; each uses the GPU of its local rank where there are GPUs."""
    gpu = torch.cuda.is_available()
    rank, peers = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if peers > 1:
        distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Seat(rank, peers, device)
    finally:
        if peers > 1:
            distributed.destroy_process_group()
