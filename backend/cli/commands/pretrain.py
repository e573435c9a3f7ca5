"""`galaxyloop pretrain`: pre-train a vision model on images without labels, or also on volunteers' votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.terminal import notices, stop_for, wrong_call

__all__ = ["pretrain"]


def pretrain(
    data: Annotated[
        list[Path],
        typer.Argument(help="Parquet files (column `image`, optionally `id` and `question/answer` shares), folders, images."),
    ],
    output: Annotated[Path, typer.Option(help="The checkpoint to write; a killed run goes on.")],
    epochs: Annotated[int, typer.Option(min=1)] = 40,
    batch: Annotated[int, typer.Option(min=2, help="Galaxies a step, of all processes together.")] = 128,
    objectives: Annotated[
        str, typer.Option(help="With commas: invariance, reconstruction, votes.")
    ] = "invariance,reconstruction",
    start: Annotated[Path | None, typer.Option(help="A checkpoint to begin from.")] = None,
    network: Annotated[
        str,
        typer.Option(help="efficientnet-lite0 (3 million parameters), swin-compact (7), swin-tiny (28) or swin-paper (77)."),
    ] = "efficientnet-lite0",
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=0.1)] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
) -> None:
    """Pre-train the vision model; under torchrun, on several GPUs or processes."""
    from backend.lvm.checkpoint import CheckpointError
    from backend.lvm.encoder import NETWORKS
    from backend.lvm.pretraining.dataset import DatasetError, read_dataset
    from backend.lvm.pretraining.pretrain import FRAME_SCALE, PretrainConfig, pretrain
    from backend.lvm.pretraining.vision_model import OBJECTIVES

    wanted = tuple(dict.fromkeys(name.strip() for name in objectives.split(",")))
    if unknown := sorted(set(wanted) - set(OBJECTIVES)):
        wrong_call(f"{unknown[0]!r} is no objective: {', '.join(OBJECTIVES)} are")
    if network not in NETWORKS:
        wrong_call(f"{network!r} is no network: {', '.join(NETWORKS)} are")
    shape = NETWORKS[network]
    config = PretrainConfig(epochs=epochs, batch=batch, objectives=wanted, learning_rate=learning_rate, seed=seed)
    try:
        dataset = read_dataset(data, side=round(shape.image_px * FRAME_SCALE))
        if dataset.unreadable:
            notices.print(f"left out {len(dataset.unreadable)} images, the first: {dataset.unreadable[0]}", markup=False)
        pretrain(dataset, output=output, config=config, network=shape, start=start)
    except (CheckpointError, DatasetError) as error:
        stop_for(error)
