"""Plot of the loss curve of a pre-training."""

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
        Name of an objective to its mean loss in each interval of `steps_between` steps.
    path : Path
        Image file to write; matplotlib derives the format from its suffix.
    steps_between : int
        Steps per point of the curve.
    """
    figure = Figure(figsize=(4 * len(history), 3), layout="constrained")
    for axes, (name, losses) in zip(figure.subplots(1, len(history), squeeze=False)[0], history.items(), strict=True):
        axes.plot([(index + 1) * steps_between for index in range(len(losses))], losses)
        axes.set(title=name, xlabel="step", ylabel="loss")
    figure.savefig(path, dpi=120)
