"""Training of the network of a head: AdamW with a warm-up and a cosine schedule, in single steps, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Report", "Schedule", "Training", "run_training"]

Example = TypeVar("Example")
Network = TypeVar("Network", bound=nn.Module)
Report = Callable[[int, float], None]
"""Called after each step with its number, from 1, and its loss."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Length and learning rate of a training.

    Attributes
    ----------
    steps : int
    rate : float
        Peak learning rate of AdamW, reached after a tenth of the steps; it then falls to 0 as a cosine.
    batch : int
        Size of a step: windows for the segmenter, pixels for the detector.
    """

    steps: int
    rate: float
    batch: int


class Training(Generic[Network, Example]):
    """A training in progress.

    Parameters
    ----------
    network : nn.Module
        Trained in place.
    schedule : Schedule
    loss : callable
        Computes the scalar loss of a network, an example and a random generator.
    weight_decay : float
        Weight decay of AdamW.
    largest_gradient : float
        Gradients of a larger norm are scaled down to this norm.
    seed : int
        Random seed of the losses.
    """

    def __init__(
        self,
        network: Network,
        schedule: Schedule,
        *,
        loss: Callable[[Network, Example, np.random.Generator], Tensor],
        weight_decay: float,
        largest_gradient: float,
        seed: int = 0,
    ) -> None:
        self.network = network.train().requires_grad_(True)
        self.schedule = schedule
        self.steps_done = 0
        self._loss, self._largest_gradient, self._seed = loss, largest_gradient, seed
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=weight_decay)
        self._rates = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, max_lr=schedule.rate, total_steps=schedule.steps + 1, pct_start=0.1, cycle_momentum=False
        )

    def step(self, examples: Sequence[Example]) -> float:
        """Update the weights with a batch of examples; return the mean loss."""
        rng = np.random.default_rng([self._seed, self.steps_done])
        self._optimiser.zero_grad()
        total = 0.0
        for example in examples:  # one by one: bounds the memory
            loss = self._loss(self.network, example, rng) / len(examples)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._largest_gradient)
        self._optimiser.step()
        self._rates.step()
        self.steps_done += 1
        return total

    def state(self) -> dict[str, Any]:
        """Return the state that `restore` needs, for `torch.save`."""
        return {
            "done": self.steps_done,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "rates": self._rates.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a stored state."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._rates.load_state_dict(state["rates"])
        self.steps_done = state["done"]


def run_training(
    training: Training[Network, Example], batches: Iterator[Sequence[Example]], *, report: Report | None = None
) -> Network:
    """Run all steps of a new training; return its network, frozen."""
    for step in range(1, training.schedule.steps + 1):
        loss = training.step(next(batches))
        if report is not None:
            report(step, loss)
    return training.network.eval().requires_grad_(False)
