"""The loss curve of a pre-training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

__all__ = ["draw_loss_curve"]


def draw_loss_curve(history: Mapping[str, Sequence[float]], path: Path, *, steps_between: int) -> None:
    """Draw one panel for each objective.

    Parameters
    ----------
    history : mapping
        Name of an objective to its mean loss over each stretch of `steps_between` steps.
    path : Path
        A PNG file; its extension decides.
    """
    figure = Figure(figsize=(4 * len(history), 3), layout="constrained")
    for axes, (name, losses) in zip(figure.subplots(1, len(history), squeeze=False)[0], history.items(), strict=True):
        axes.plot([(index + 1) * steps_between for index in range(len(losses))], losses)
        axes.set(title=name, xlabel="step", ylabel="loss")
    figure.savefig(path, dpi=120)
