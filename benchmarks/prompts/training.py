"""A training that runs until it is stopped, as load during the timing of clicks.

`benchmarks.prompts.speed` runs it in its own process: python -m benchmarks.prompts.training FOLDER. It does the same as the
worker's process that fits masks: the same nice level, one thread, and features cached on disk. It prints "training" after its
first step.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import open_segmenter
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import Scene
from backend.settings import Settings
from sync.files.cache import FileCache
from sync.geometry.shapes import Mask

SCENES, SIDE = 20, 256


def main(folder: Path) -> None:
    """Fit repeatedly without end."""
    settings = Settings()
    os.nice(settings.worker_niceness)
    torch.set_num_threads(1)
    name = fingerprint(SHIPPED_CHECKPOINT)
    segmenter = open_segmenter(load_encoder(SHIPPED_CHECKPOINT), fingerprint=name, sam_checkpoint=None)
    assert isinstance(segmenter.windows, LvmWindows)
    window_encoder = CachedWindowEncoder(segmenter.windows, FileCache(folder, max_bytes=2**30))
    scenes = [scene for scene in map(_scene, range(SCENES)) if len(scene)]
    windowed_images = [_windowed_image(scene, window_encoder, number) for number, scene in enumerate(scenes)]
    while True:
        _fit(segmenter.base, windowed_images, [list(scene.masks) for scene in scenes])


def _scene(seed: int) -> Scene:
    return SceneGenerator().draw(seed, SIDE)


def _windowed_image(scene: Scene, window_encoder: CachedWindowEncoder, number: int) -> WindowedImage:
    return WindowedImage(window_encoder, (SIDE, SIDE), pixels=lambda: scene.image, key=f"scene-{number}")


def _fit(head: PromptedMasks, window_encoder: list[WindowedImage], masks: list[list[Mask]]) -> None:
    head.fit(window_encoder, masks, report=lambda step, _: print("training", flush=True) if step == 1 else None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
