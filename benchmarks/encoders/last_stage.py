"""What fine-tuning of the encoder's last stage brings, and whether the gate could show it.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.encoders.last_stage DATA [--draws 3] [--write]   (DATA: gz1/, pretrain/)

Protocol. The encoder was trained on votes of other sets (benchmarks/weights), never on those of Galaxy Zoo 1. Labels are drawn
from the training part; a fifth of them is held out, as in the product. *Frozen* is the product's head on the embedding with
annular means and profiles, as in the shipped encoder.
*Tuned* trains the blocks from stride 32 on with a linear layer, on cached feature maps of stride 16: 24 epochs of one
random quarter turn per galaxy, and predictions that are averaged over four. *Both* is the mean of their probabilities. The
learning rate is chosen on the val part, and the test part reports. *Gate* is the product's comparison of *both* with *frozen*
on the held-out labels alone: the encoder has seen the answers of the others.

How the cost grows. The training is linear in the number of labels; the feature maps are computed once and stored in .cache, and
so is each finished draw, so the benchmark can be interrupted. About 15 minutes of one core.

What it does not show. Other questions; more than 3,000 labels; a tuned stage per fold, which would allow cross-validation.
"""

from __future__ import annotations

import argparse
import json
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from backend.heads.classification.morphology import Morphology
from backend.loop.scores.comparison import compare
from backend.lvm.checkpoint import fingerprint, load_encoder
from backend.lvm.encoder import Encoder, quarter_turns
from backend.lvm.shipped_encoder import ShippedEncoder
from backend.prediction.control_models.agreement import class_agreement
from benchmarks.label_efficiency.frozen import BATCH
from benchmarks.label_efficiency.galaxies import CLASSES, Galaxies, read_galaxies
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from benchmarks.shipped_weights.shipped_axes import fit_axes

CHECKPOINT = Path("benchmarks/weights/votes_of_other_sets.safetensors")
CACHE = Path(".cache/last-stage")
LABELS = (1000, 2000, 3000)
RATES = (3e-5, 1e-4, 3e-4)
LAYER_RATE, EPOCHS, STEP_IMAGES, HELD_OUT_SHARE, TURNS = 1e-3, 24, 32, 0.2, 4
METHODS = ("frozen", "tuned", "both")

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class LastStage(nn.Module):
    """The blocks from stride 32 on, the pooling, and a linear layer that begins with zeros."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        network: Any = encoder.backbone.efficientnet
        self.blocks = deepcopy(nn.Sequential(*network.blocks[5:], network.conv_head, network.bn2))
        self.layer = nn.Linear(encoder.dimension, len(CLASSES))
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits, shape (n, classes), of feature maps of stride 16."""
        logits: Tensor = self.layer(self.blocks(maps).mean(dim=(2, 3)))
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Maps of stride 16 of four quarter turns, shape (n, 4, c, h, w), and averaged embeddings, shape (n, d)."""

    maps: NDArray[np.float16]
    embeddings: Floats


def main() -> None:
    """Measure all draws, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description="Fine-tuning of the encoder's last stage.")
    parser.add_argument("data", type=Path, help="folder that holds gz1/ and pretrain/")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    galaxies = read_galaxies(options.data, side=96)
    encoder = load_encoder(CHECKPOINT)
    features = read_features(galaxies, encoder, options.data / "pretrain" / "unlabelled.parquet")
    results = {
        labels: [_read_or_measure(galaxies, encoder, features, labels, draw) for draw in range(options.draws)]
        for labels in LABELS
    }
    table = _tabulate(results)
    print(table)
    if options.write:
        write_section("last_stage", f"{options.draws} draws, {machine_line()}.\n\n{table}")
        write_numbers(
            "last_stage", {"machine": machine_line(), "draws": {str(labels): runs for labels, runs in results.items()}}
        )


def read_features(galaxies: Galaxies, encoder: Encoder, pool: Path) -> Features:
    """Return the features of all galaxies, which are computed once."""
    file = CACHE / f"{galaxies.pixels}-{fingerprint(CHECKPOINT)}-shipped.npz"
    if not file.exists():
        maps, embeddings = [], []
        with_details = ShippedEncoder(encoder, fit_axes(encoder, pool))
        for start in track(range(0, len(galaxies.frames), BATCH), "embedding", transient=True):
            frames = torch.from_numpy(galaxies.frames[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
            with torch.inference_mode():
                pyramids = [encoder.pyramid(view.contiguous()) for view in quarter_turns(frames, TURNS)]
                embeddings.append(with_details.embed(frames).numpy())
                maps.append(torch.stack([pyramid[-2] for pyramid in pyramids], dim=1).half().numpy())
        CACHE.mkdir(parents=True, exist_ok=True)
        np.savez(file.with_suffix(".unfinished.npz"), maps=np.concatenate(maps), embeddings=np.concatenate(embeddings))
        file.with_suffix(".unfinished.npz").replace(file)
    arrays = np.load(file)
    return Features(arrays["maps"], arrays["embeddings"])


def measure(galaxies: Galaxies, encoder: Encoder, features: Features, labels: int, draw: int) -> dict[str, Any]:
    """Return AUC and agreement of each method on the test part, and the gate's comparison on the held-out labels."""
    rows: Indices = np.random.default_rng((labels, draw)).permutation(galaxies.rows("train"))[:labels]
    held_out, training = np.split(rows, [int(HELD_OUT_SHARE * labels)])
    targets = np.eye(len(CLASSES))
    head = Morphology.fit(features.embeddings[training], targets[galaxies.labels[training]], classes=CLASSES, exclusive=True)
    start_s = time.process_time()
    stages = [tune(encoder, features, galaxies.labels, training, rate=rate, seed=draw) for rate in RATES]
    seconds = (time.process_time() - start_s) / len(RATES)
    val, test = galaxies.rows("val"), galaxies.rows("test")
    qualities = [_scores(predict(stage, features, val), galaxies.labels[val]).mean() for stage in stages]
    stage = stages[int(np.argmax(qualities))]

    def probabilities(of: Indices) -> dict[str, Floats]:
        of_head, of_stage = head.predict(features.embeddings[of]), predict(stage, features, of)
        return {"frozen": of_head, "tuned": of_stage, "both": np.mean([of_head, of_stage], axis=0, dtype=np.float32)}

    on_test, on_held_out = probabilities(test), probabilities(held_out)
    scores = {method: _scores(on_held_out[method], galaxies.labels[held_out]) for method in METHODS}
    gate = compare(scores["both"], scores["frozen"])
    one_hot = targets[galaxies.labels[test]]
    return {
        "auc": {method: float(roc_auc_score(one_hot, on_test[method], average="macro")) for method in METHODS},
        "agreement": {method: float(_scores(on_test[method], galaxies.labels[test]).mean()) for method in METHODS},
        "gate": [gate.difference, gate.low, gate.high, gate.answer.value],
        "rate": RATES[int(np.argmax(qualities))],
        "seconds": seconds,
    }


def tune(encoder: Encoder, features: Features, labels: Indices, training: Indices, *, rate: float, seed: int) -> LastStage:
    """Train the last stage on galaxies, with the statistics of its normalisation fixed."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    stage = LastStage(encoder).eval()
    optimiser = torch.optim.AdamW(
        [{"params": stage.blocks.parameters(), "lr": rate}, {"params": stage.layer.parameters(), "lr": LAYER_RATE}]
    )
    steps = EPOCHS * -(-len(training) // STEP_IMAGES)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(EPOCHS):
        order = generator.permutation(training)
        for start in range(0, len(order), STEP_IMAGES):
            rows = order[start : start + STEP_IMAGES]
            maps = torch.from_numpy(features.maps[rows, generator.integers(TURNS, size=len(rows))]).float()
            loss = functional.cross_entropy(stage(maps), torch.from_numpy(labels[rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return stage


@torch.inference_mode()
def predict(stage: LastStage, features: Features, rows: Indices) -> Floats:
    """Return probabilities, shape (n, classes), averaged over the quarter turns."""
    batches = []
    for start in range(0, len(rows), BATCH):
        maps = torch.from_numpy(features.maps[rows[start : start + BATCH]]).float()
        logits = stage(maps.flatten(0, 1)).view(len(maps), TURNS, -1)
        batches.append(logits.softmax(dim=-1).mean(dim=1).numpy())
    probabilities: Floats = np.concatenate(batches)
    return probabilities


def _scores(probabilities: Floats, labels: Indices) -> NDArray[np.float64]:
    """Return the agreement of each prediction: one minus its Brier score."""
    return class_agreement(np.asarray(probabilities, np.float64), np.eye(len(CLASSES))[labels], exclusive=True)


def _read_or_measure(galaxies: Galaxies, encoder: Encoder, features: Features, labels: int, draw: int) -> dict[str, Any]:
    file = CACHE / f"draw-{labels}-{draw}.json"
    if not file.exists():
        file.write_text(json.dumps(measure(galaxies, encoder, features, labels, draw)))
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def _tabulate(results: dict[int, list[dict[str, Any]]]) -> str:
    rows = []
    for labels, runs in results.items():
        means = [
            ", ".join(f"{np.mean([run[what][method] for run in runs]):.3f}" for what in ("auc", "agreement"))
            for method in METHODS
        ]
        gates = "; ".join(f"{low:+.3f} to {high:+.3f} ({answer})" for _, low, high, answer in (run["gate"] for run in runs))
        rows.append([f"{labels:,}", *means, gates, f"{np.mean([run['seconds'] for run in runs]):.0f}"])
    columns = ["labels", *METHODS, "gate: both against frozen, of each draw", "CPU seconds of a tuning"]
    return markdown_table(columns, rows, title="Macro AUC and agreement on the test part of Galaxy Zoo 1")


if __name__ == "__main__":
    main()
