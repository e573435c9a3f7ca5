"""`galaxyloop pretrain`: pre-train a vision model on images without labels, or also on volunteers' votes."""

from __future__ import annotations

import glob
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from backend.cli.output import reject_input
from backend.cli.progress import show_step
from backend.cli.startup import read_settings
from backend.cli.terminal import Limit, notices, stop_for, wrong_call

__all__ = ["pretrain"]


def pretrain(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, patterns, s3://bucket/prefix, or Parquet files (column `image`; optional: `id` and vote "
            "fractions `question/answer`)."
        ),
    ],
    output: Annotated[Path, typer.Option(help="Checkpoint to write; the same command continues an interrupted run.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 40,
    batch: Annotated[int, typer.Option(min=2, help="Images per step, of all processes together.")] = 128,
    objectives: Annotated[
        str,
        typer.Option(
            help="Comma-separated: invariance, reconstruction, retention (of the features of --start), votes.",
            show_default="the first two",
        ),
    ] = "invariance,reconstruction",
    start: Annotated[Path | None, typer.Option(help="Checkpoint to start from; default: random weights.")] = None,
    network: Annotated[
        str,
        typer.Option(help="efficientnet-lite0 (3 million parameters), swin-compact (7), swin-tiny (28) or swin-paper (77)."),
    ] = "efficientnet-lite0",
    sides: Annotated[
        str,
        typer.Option(help="Sides of the views in pixels, comma-separated, used in turn; the first is that of the checkpoint."),
    ] = "",
    margin: Annotated[
        float,
        typer.Option(min=1, max=3, help="Field of view in crops of a galaxy: above 1.1, some views show its surroundings."),
    ] = 1.0,
    votes_projector: Annotated[
        bool,
        typer.Option("--votes-projector", help="A hidden layer between embedding and votes keeps the embedding more general."),
    ] = False,
    averaging: Annotated[
        float,
        typer.Option(min=0, max=0.99999, help="Decay per step of the moving average of the weights to write; 0: the last."),
    ] = 0.0,
    freeze_statistics: Annotated[
        bool,
        typer.Option("--freeze-statistics", help="Batch normalisation keeps the statistics of --start."),
    ] = False,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=0.1, help="Peak learning rate.")] = 1e-3,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Random seed.")] = 0,
) -> None:
    """Pre-train the vision model; under torchrun, on several GPUs or processes."""
    if output.suffix != ".safetensors":
        wrong_call(f"--output {output} must end in .safetensors, the format of checkpoints")
    reject_input(output, [start])
    paths = [match for word in data for match in _match_pattern(word)]
    for path in paths:
        if not (path.startswith("s3://") or os.path.lexists(path)):
            wrong_call(f"{path} does not exist")
    if start is not None and not start.is_file():
        wrong_call(f"--start: there is no file {start}")
    if freeze_statistics and start is None:
        wrong_call("--freeze-statistics keeps the statistics of a checkpoint: name it with --start")
    from backend.lvm.checkpoint import CheckpointError
    from backend.lvm.encoder import NETWORKS
    from backend.lvm.pretraining.dataset import DatasetError, read_dataset
    from backend.lvm.pretraining.pretrain import FRAME_SCALE, PretrainConfig, pretrain
    from backend.lvm.pretraining.vision_model import OBJECTIVES

    names = tuple(dict.fromkeys(name.strip() for name in objectives.split(",")))
    if unknown := sorted(set(names) - set(OBJECTIVES)):
        wrong_call(f"unknown objective {unknown[0]!r}: choose from {', '.join(OBJECTIVES)}")
    if votes_projector and "votes" not in names:
        wrong_call("--votes-projector is a layer of the objective votes: add it to --objectives")
    if network not in NETWORKS:
        wrong_call(f"unknown network {network!r}: choose {', '.join(NETWORKS)}")
    shape = NETWORKS[network]
    lengths = _parse_sides(sides)
    if lengths:
        shape = replace(shape, image_px=lengths[0])
    config = PretrainConfig(
        epochs=epochs,
        batch=batch,
        objectives=names,
        learning_rate=learning_rate,
        seed=seed,
        sides=lengths,
        margin=margin,
        projects_votes=votes_projector,
        averaging=averaging,
        freezes_statistics=freeze_statistics,
    )
    frame_px = round(max(lengths or (shape.image_px,)) * max(FRAME_SCALE, margin))
    max_bytes = read_settings().image_max_bytes
    try:
        with show_step("reading the images"):
            dataset = read_dataset(paths, side=frame_px, margin=margin, limit=limit, max_bytes=max_bytes)
        if dataset.unreadable:
            notices.print(f"left out {len(dataset.unreadable)} images, the first: {dataset.unreadable[0]}")
        pretrain(dataset, output=output, config=config, network=shape, start=start)
    except (CheckpointError, DatasetError) as error:
        stop_for(error)


def _match_pattern(word: str) -> list[str]:
    """Return the files and folders that match a pattern; the word itself if it is a path, or nothing matches."""
    is_pattern = glob.has_magic(word) and not os.path.lexists(word)
    return (sorted(glob.glob(word, recursive=True)) if is_pattern else []) or [word]


def _parse_sides(text: str) -> tuple[int, ...]:
    """Read the option --sides; reject sides that the networks cannot use."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if wrong := [part for part in parts if not (part.isdecimal() and 32 <= int(part) <= 512 and int(part) % 32 == 0)]:
        wrong_call(f"--sides {text}: {wrong[0]!r} must be a multiple of 32 between 32 and 512")
    return tuple(map(int, parts))
