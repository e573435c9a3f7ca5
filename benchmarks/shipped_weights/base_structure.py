"""Train the amortised network of structural parameters that is shipped in backend/heads/weights/structure.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.base_structure PRIORS --checkpoint FILE

PRIORS is a folder with catalogues of Sersic fits, PSFs and the correlation of the noise (backend/heads/structure/priors.py).
The script writes its state to the checkpoint every 25 steps and continues from it. Each fifth row of the catalogues and each
fifth PSF is held out: temperatures are fitted on simulations of them, and benchmarks/structure reports other simulations.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from backend.heads.structure.network import AmortisedPosterior, negative_log_density
from backend.heads.structure.priors import read_priors
from backend.heads.structure.training import draw_libraries, new_training, temperatures_of, training_batches
from backend.heads.training import Schedule
from sync.files.atomic import atomic_write

OUTPUT = Path(__file__).parents[2] / "backend" / "heads" / "weights" / "structure"
GALAXIES_PER_SIZE = 800
BATCH = 64
DIFFERENT = 300
"""Different batches; the training repeats them, mirrored at random."""
VALIDATION = 1000
SAVE_EVERY = 25


def main() -> None:
    """Train, fit the temperatures and write the weights."""
    options = _options()
    torch.set_num_threads(1)
    training = new_training(Schedule(options.steps, options.rate, BATCH))
    if options.start is not None:
        training.network.load_state_dict(AmortisedPosterior.load(options.start).network.state_dict())
    if options.checkpoint.exists():
        training.restore(torch.load(options.checkpoint, weights_only=True))
        print(f"continues after step {training.steps_done}", flush=True)
    began = time.monotonic()
    libraries = draw_libraries(read_priors(options.priors, held_out=False), GALAXIES_PER_SIZE, seed=1)
    print(f"drew {len(libraries)} x {GALAXIES_PER_SIZE} galaxies in {time.monotonic() - began:.0f} s", flush=True)
    losses: list[float] = []
    batches = training_batches(libraries, BATCH, first_step=training.steps_done, different=DIFFERENT)
    while training.steps_done < options.steps:
        losses.append(training.step(next(batches)))
        if training.steps_done % SAVE_EVERY == 0 or training.steps_done == options.steps:
            with atomic_write(options.checkpoint) as file:
                torch.save(training.state(), file)
            print(
                f"step {training.steps_done} loss {np.mean(losses[-SAVE_EVERY:]):.3f} {time.monotonic() - began:.0f} s",
                flush=True,
            )
    network = training.network.eval().requires_grad_(False)
    held_out = draw_libraries(read_priors(options.priors, held_out=True), VALIDATION // 5, seed=2)
    (validation,) = next(training_batches(held_out, VALIDATION, first_step=0, different=1, seed=3))
    with torch.inference_mode():
        means, roots = network(validation.images.float(), validation.numbers)
    loss = float(negative_log_density(means, roots, validation.outputs).mean())
    posterior = AmortisedPosterior.of(network, temperatures_of(network, validation))
    posterior.save(options.output)
    print(f"validation loss {loss:.3f}, temperatures {np.round(posterior.temperatures, 3)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the network of structural parameters.")
    parser.add_argument("priors", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True, help="state of the training, to continue from")
    parser.add_argument("--start", type=Path, help="folder of weights to begin with; by default they are random")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    return parser.parse_args()


if __name__ == "__main__":
    main()
