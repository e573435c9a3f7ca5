"""Whether compared heads stand on different encoders, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.heads.classification.morphology import Morphology
from backend.loop.gate.decision import EncoderSwitch
from backend.loop.gate.head_scorer import ComparedHead, find_switch


@pytest.fixture(scope="module")
def head() -> Morphology:
    embeddings = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[np.arange(20) % 2]
    return Morphology.fit(embeddings, targets, classes=("Round", "Flat"), exclusive=True)


@pytest.mark.parametrize(
    ("candidate", "live", "default_encoder", "switch"),
    [
        ("new", "new", "new", EncoderSwitch.NONE),
        ("new", "old", "new", EncoderSwitch.RELEASE),  # after an upgrade
        ("new", "old", "", EncoderSwitch.CHOSEN),  # galaxyloop encoder use 7 shipped
        ("zoobot", "old", "new", EncoderSwitch.CHOSEN),  # GALAXYLOOP_ENCODER
        ("new", None, "new", EncoderSwitch.NONE),  # the live version has the shipped head
        (None, "old", "new", EncoderSwitch.NONE),
    ],
)
def test_a_switch_is_that_of_a_user_or_of_the_release(
    head: Morphology, candidate: str | None, live: str | None, default_encoder: str, switch: EncoderSwitch
) -> None:
    compared_heads = [ComparedHead(replace(head, encoder=name) if name else None) for name in (candidate, live)]
    assert find_switch(*compared_heads, default_encoder=default_encoder) is switch
