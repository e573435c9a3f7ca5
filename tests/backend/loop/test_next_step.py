"""The next step of a project, as a table of cases."""

from __future__ import annotations

import pytest

from backend.loop.next_step import CycleState, Restore, Step, Train, Wait, decide
from backend.registry.records import BASE, DAMAGED, LIVE, RETIRED, Version

NOW, BEFORE = "config now", "config before"


def version(number: int, verdict: str, *, config: str = NOW, fingerprint: str = "other") -> Version:
    return Version(1, number, f"v{number:04d}", 0.0, config, fingerprint, learned_from=number, verdict=verdict, evidence={})


def state(*versions: Version, live: int, changes: int = 0, requested: bool = False) -> CycleState:
    return CycleState(
        versions,
        live,
        config_hash=NOW,
        fingerprint="same",
        changes=changes,
        batch=10,
        training_requested=requested,
    )


BASE_NOW, BASE_BEFORE = version(1, BASE), version(1, BASE, config=BEFORE)
LIVE_NOW, LIVE_BEFORE = version(2, LIVE), version(2, LIVE, config=BEFORE)


@pytest.mark.parametrize(
    ("before", "step"),
    [
        pytest.param(
            state(BASE_NOW, live=1, changes=9), Wait("9 of 10 changed annotations gathered since v0001"), id="new project"
        ),
        pytest.param(state(BASE_NOW, live=1, changes=10), Train(config_changed=False), id="first batch"),
        pytest.param(state(BASE_NOW, live=1, changes=1, requested=True), Train(config_changed=False), id="start training"),
        pytest.param(
            state(BASE_NOW, LIVE_NOW, live=2, changes=3),
            Wait("3 of 10 changed annotations gathered since v0002"),
            id="batch not full",
        ),
        pytest.param(state(BASE_NOW, LIVE_NOW, live=2, changes=12), Train(config_changed=False), id="next batch"),
        pytest.param(
            state(BASE_NOW, LIVE_NOW, version(3, "rejected"), live=2, changes=4),
            Wait("4 of 10 changed annotations gathered since v0003"),
            id="counted since the newest version, also a rejected one",
        ),
        pytest.param(
            state(BASE_NOW, LIVE_NOW, version(3, DAMAGED), live=2, changes=4),
            Wait("4 of 10 changed annotations gathered since v0002"),
            id="but not since a damaged one",
        ),
        pytest.param(
            state(BASE_NOW, version(2, LIVE, fingerprint="same"), live=2, changes=0, requested=True),
            Wait("nothing new since v0002"),
            id="start training without a change",
        ),
        pytest.param(
            state(BASE_NOW, LIVE_NOW, version(3, "rejected", fingerprint="same"), live=2, changes=20),
            Wait("nothing new since v0003"),
            id="this snapshot was rejected",
        ),
        pytest.param(
            state(BASE_NOW, version(2, DAMAGED, fingerprint="same"), live=1, changes=10),
            Train(config_changed=False),
            id="the version of this snapshot is damaged",
        ),
        pytest.param(state(BASE_BEFORE, live=1, changes=0), Train(config_changed=True), id="new config, no version"),
        pytest.param(state(BASE_BEFORE, LIVE_BEFORE, live=2, changes=0), Train(config_changed=True), id="new config"),
        pytest.param(
            state(BASE_BEFORE, version(2, LIVE, config=BEFORE, fingerprint="same"), live=2),
            Train(config_changed=True),
            id="new config, same annotations",
        ),
        pytest.param(
            state(BASE_BEFORE, version(2, RETIRED, fingerprint="same"), version(3, LIVE, config=BEFORE), live=3),
            Restore(version(2, RETIRED, fingerprint="same")),
            id="back to the earlier config",
        ),
        pytest.param(
            state(
                BASE_BEFORE,
                version(2, RETIRED),
                version(3, RETIRED, fingerprint="same"),
                version(4, RETIRED),
                version(5, "rejected"),
                version(6, LIVE, config=BEFORE),
                live=6,
            ),
            Restore(version(4, RETIRED)),
            id="back to an earlier config with several versions",
        ),
        pytest.param(
            state(BASE_NOW, version(2, "rejected", fingerprint="same"), version(3, LIVE, config=BEFORE), live=3),
            Restore(BASE_NOW),
            id="back to a config whose only version was rejected",
        ),
        pytest.param(
            state(BASE_BEFORE, version(2, "rejected", fingerprint="same"), version(3, LIVE, config=BEFORE), live=3),
            Restore(version(2, "rejected", fingerprint="same")),
            id="back to a config of which no version was live",
        ),
    ],
)
def test_decide(before: CycleState, step: Step) -> None:
    assert decide(before) == step
