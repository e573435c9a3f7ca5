"""Pre-training, on a tiny network: it ends with a checkpoint, and a killed run goes on where it was."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

pytest.importorskip("lightly", reason="pre-training needs the extra galaxyloop[pretrain]")
parquet = pytest.importorskip("pyarrow.parquet", reason="pre-training needs the extra galaxyloop[pretrain]")

import pyarrow  # noqa: E402

from backend.lvm.checkpoint import load_encoder  # noqa: E402
from backend.lvm.encoder import EncoderConfig  # noqa: E402
from backend.lvm.pretrain import FRAME_PX, PretrainConfig, pretrain, read_pool  # noqa: E402

NETWORK = EncoderConfig(image_px=32, patch_px=4, window=4, width=12, depths=(1, 1), heads=(1, 2))
FRAMES, BATCH = 24, 8
STEPS_AN_EPOCH = FRAMES // BATCH
DEADLINE_S = 120.0

FOR_EVER = """
import sys
from pathlib import Path
import torch
from backend.lvm import pretrain
from backend.lvm.encoder import EncoderConfig
pretrain.SAVE_EVERY_S = 0
torch.set_num_threads(1)
frames = torch.randint(0, 256, (24, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
network = EncoderConfig(image_px=32, patch_px=4, window=4, width=12, depths=(1, 1), heads=(1, 2))
config = pretrain.PretrainConfig(epochs=10**6, batch=8)
pretrain.pretrain(frames, output=Path(sys.argv[1]), config=config, network=network)
"""


def frames(n: int = FRAMES) -> Tensor:
    return torch.randint(0, 256, (n, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def said_of(checkpoint: Path) -> dict[str, Any]:
    with safe_open(checkpoint, framework="pt") as file:
        said: dict[str, Any] = json.loads(file.metadata()["training"])
    return said


def test_a_run_ends_with_a_checkpoint_that_says_what_was_done(tmp_path: Path) -> None:
    output = tmp_path / "encoder.safetensors"
    pretrain(frames(), output=output, config=PretrainConfig(epochs=2, batch=BATCH), network=NETWORK)
    said = said_of(output)
    assert (said["steps"], said["epochs"], said["images"]) == (2 * STEPS_AN_EPOCH, 2, FRAMES)
    assert math.isfinite(said["loss"])
    assert list(tmp_path.iterdir()) == [output]
    assert load_encoder(output).embed(torch.rand(2, 3, 32, 32)).isfinite().all()


def test_training_changes_the_encoder_and_a_seed_repeats_it(tmp_path: Path) -> None:
    image, embedded = torch.rand(1, 3, 32, 32), []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        output = tmp_path / f"{name}.safetensors"
        pretrain(frames(), output=output, config=PretrainConfig(epochs=1, batch=BATCH, seed=seed), network=NETWORK)
        embedded.append(load_encoder(output).embed(image))
    assert torch.allclose(embedded[0], embedded[1], atol=1e-3)
    assert not torch.allclose(embedded[0], embedded[2], atol=1e-2)


def test_a_killed_run_goes_on_from_its_last_saved_state(tmp_path: Path) -> None:
    output, state_file = tmp_path / "encoder.safetensors", tmp_path / "encoder.state"
    run = subprocess.Popen([sys.executable, "-c", FOR_EVER, output], stdout=subprocess.DEVNULL)
    deadline, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not state_file.exists() and time.monotonic() < deadline and run.poll() is None:
        pause.wait(0.02)
    run.kill()
    run.wait()
    state = torch.load(state_file, weights_only=True)
    assert state["step"] > 0
    state["spent_s"] += 10_000.0  # a run that begins anew would not know of these
    torch.save(state, state_file)
    epochs = state["step"] // STEPS_AN_EPOCH + 2
    pretrain(frames(), output=output, config=PretrainConfig(epochs=epochs, batch=BATCH), network=NETWORK)
    assert said_of(output)["seconds"] >= 10_000
    assert said_of(output)["steps"] == epochs * STEPS_AN_EPOCH
    assert not state_file.exists()


def test_fewer_images_than_a_batch_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 images are fewer than one batch of 8"):
        pretrain(frames(7), output=tmp_path / "e.safetensors", config=PretrainConfig(batch=8), network=NETWORK)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_pool_is_read_as_frames_of_one_size(tmp_path: Path, mode: str) -> None:
    encoded = []
    for side in (30, 200):
        content = io.BytesIO()
        Image.fromarray(np.full((side, side, 3), 90, np.uint8)).convert(mode).save(content, "PNG")
        encoded.append(content.getvalue())
    parquet.write_table(pyarrow.table({"image": encoded, "name": ["a", "b"]}), tmp_path / "pool.parquet")
    pool = read_pool(tmp_path / "pool.parquet")
    assert (pool.shape, pool.dtype) == ((2, 3, FRAME_PX, FRAME_PX), torch.uint8)
    assert (pool == 90).all()
