"""Engines of `galaxyloop prelabel` and `galaxyloop survey`: they predict in this process or on a Ray cluster."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.startup import limit_threads
from backend.cli.terminal import wrong_call

if TYPE_CHECKING:
    from backend.settings import Settings

__all__ = ["Engine", "EngineOption", "RayAddress", "check_engine", "lower_priority"]


class Engine(StrEnum):
    """Names of the engines."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[Engine, typer.Option(help="Predict in this process, or on a Ray cluster (needs the extra `ray`).")]
RayAddress = Annotated[str | None, typer.Option(help="host:port of a Ray head node; default: start a cluster on this machine.")]


def check_engine(engine: Engine, ray_address: str | None) -> None:
    """End with a wrong call if an address is given for another engine."""
    if ray_address is not None and engine is not Engine.ray:
        wrong_call("--ray-address needs --engine ray")


def lower_priority(settings: Settings) -> None:
    """Set the worker's nice level and number of threads; call it before torch is imported, whose threads inherit the level."""
    limit_threads(settings)
    niceness = max(os.getpriority(os.PRIO_PROCESS, 0), settings.worker_niceness)
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    import torch

    torch.set_num_threads(settings.threads)
