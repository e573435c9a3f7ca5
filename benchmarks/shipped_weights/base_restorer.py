"""Train the shipped restorer on simulated and real galaxies of the train part.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.base_restorer DATA --checkpoints FOLDER
(DATA holds structure_priors/ and hst_cosmos/: docs/restoration.md)

The script prints the improvement of the PSNR over the Tikhonov solution on the `val` part every 250 steps. An interrupted run
continues from its last checkpoint, written every 50 steps; `--start` begins with the weights of another checkpoint.
`benchmarks.restoration.calibration` then completes the head.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from backend.heads.restoration.network import FORMS, Restoring
from backend.heads.training import Schedule, Training
from benchmarks.restoration.observing import Observed
from benchmarks.restoration.training import Material, gain_db, loss_of
from sync.files.atomic import atomic_write

STORED_EVERY, SCORED_EVERY = 50, 250
VAL_BATCHES = 6


def main() -> None:
    """Train, and store the weights of the last step as NAME.pt in the folder of the checkpoints."""
    options = _options()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config, _ = FORMS[options.form]
    schedule = Schedule(steps=options.steps, rate=options.rate, batch=options.batch)
    network = Restoring(config())
    training: Training[Restoring, Observed] = Training(network, schedule, loss=loss_of, weight_decay=1e-3, largest_gradient=1.0)
    checkpoint = options.checkpoints / f"{options.form}-{options.steps}.pt"
    if options.start is not None:
        network.load_state_dict(torch.load(options.start, weights_only=True)["network"])
    if checkpoint.exists():
        training.restore(torch.load(checkpoint, weights_only=True))
    val = Material(options.data, "val", pool=100)
    val_batches = [val.batch(number, options.batch) for number in range(VAL_BATCHES)]
    batches = Material(options.data, "train").batches(options.batch, start=training.steps_done)
    start_s, losses = time.process_time(), []
    while training.steps_done < schedule.steps:
        losses.append(training.step([next(batches)]))
        last = training.steps_done == schedule.steps
        if training.steps_done % STORED_EVERY == 0 or last:
            with atomic_write(checkpoint) as file:
                torch.save(training.state(), file)
        if training.steps_done % SCORED_EVERY == 0 or last:
            gain, coverage = gain_db(network.eval(), val_batches)
            network.train()
            seconds = time.process_time() - start_s
            loss = sum(losses[-SCORED_EVERY:]) / len(losses[-SCORED_EVERY:])
            print(
                f"{training.steps_done} loss {loss:.3f} val +{gain:.2f} dB, coverage {coverage:.3f}, {seconds:.0f} s",
                flush=True,
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the shipped restorer.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--form", choices=sorted(FORMS), default="convolutional")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
