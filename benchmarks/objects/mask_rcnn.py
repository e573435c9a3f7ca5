"""Mask R-CNN with a ResNet50 from scratch, trained on survey scenes, as an arm of the detection table.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.objects.mask_rcnn DATA   (trains only; 37 minutes of one free core)

Network and schedule are those of the detection benchmark. The state of the training is in the cache: an interrupted training
continues. The table has this arm as soon as the training is complete.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torchvision.models.detection import MaskRCNN

from backend.scenes.folders import survey_generator_of
from backend.scenes.scene import SurveyScene
from benchmarks.detection.networks import Recipe, build_resnet50, find, train
from benchmarks.detection.scores import Finds

__all__ = ["TRAINING_SCENES", "detect_by_mask_rcnn", "read_mask_rcnn", "train_mask_rcnn"]

TRAINING_SCENES, SIDE = 250, 192
CACHE = Path(".cache/objects-benchmark")
STATE = "mask-rcnn.pt"


def train_mask_rcnn(data: Path) -> MaskRCNN:
    """Return the network trained on the first `TRAINING_SCENES` survey scenes of the `train` part, 192 px wide."""
    CACHE.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    generator = survey_generator_of(data, part="train")
    scenes = [generator.draw(seed, SIDE) for seed in range(TRAINING_SCENES)]
    return train(build_resnet50(SIDE), scenes, recipe=Recipe(), seed=0, state_file=CACHE / STATE)


def read_mask_rcnn() -> MaskRCNN | None:
    """Return the network in the cache, or None unless its training is complete."""
    if not (CACHE / STATE).exists():
        return None
    state = torch.load(CACHE / STATE, map_location="cpu", weights_only=True)
    if state["steps"] < Recipe().steps(TRAINING_SCENES):
        return None
    network = build_resnet50(SIDE)
    network.load_state_dict(state["network"])
    return network.eval()


def detect_by_mask_rcnn(network: MaskRCNN, scenes: Sequence[SurveyScene]) -> list[Finds]:
    """Return boxes and scores; each scene is seen at its own pixel scale, whatever its size."""
    finds = []
    for scene in scenes:
        side = len(scene.image)
        network.transform.min_size, network.transform.max_size = (side,), side
        finds += find(network, [scene])
    return finds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    torch.set_num_threads(1)
    train_mask_rcnn(parser.parse_args().data)
