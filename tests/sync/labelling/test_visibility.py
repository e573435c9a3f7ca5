"""`visibleWhen`: which controls Label Studio's page hides."""

from __future__ import annotations

from typing import Any

import pytest

from sync.labelling.config import parse
from sync.labelling.visibility import hidden_controls

IMAGE = '<Image name="image" value="$image"/>'
KIND = '<Choices name="kind" toName="image"><Choice value="Spiral" alias="s"/><Choice value="Elliptical"/></Choices>'
BOXES = '<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>'
TREE = '<Taxonomy name="tree" toName="image"><Choice value="Disk"><Choice value="Arms"/></Choice></Taxonomy>'
BAR = '<Choices name="bar" toName="image" {}><Choice value="Bar"/><Choice value="No bar"/></Choices>'


def choice_region(name: str, *labels: Any, kind: str = "choices") -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": kind, "value": {kind: list(labels)}}


SPIRAL, ELLIPTICAL = choice_region("kind", "s"), choice_region("kind", "Elliptical")
GALAXY = choice_region("boxes", "Galaxy", kind="rectanglelabels")
ARMS = choice_region("tree", ["Disk", "Arms"], kind="taxonomy")
ON_SPIRAL = 'visibleWhen="choice-selected" whenTagName="kind" whenChoiceValue="Spiral"'
NOT_SPIRAL = ON_SPIRAL.replace("selected", "unselected")
ON_GALAXY = 'visibleWhen="region-selected" whenTagName="boxes" whenLabelValue="Galaxy"'


@pytest.mark.parametrize(
    ("condition", "regions", "visible"),
    [
        ("", [], True),
        (ON_SPIRAL, [], False),
        (ON_SPIRAL, [SPIRAL], True),
        (ON_SPIRAL.replace("Spiral", "s"), [SPIRAL], True),
        (ON_SPIRAL.replace("Spiral", "Elliptical,Spiral"), [SPIRAL], True),
        (ON_SPIRAL.lower().replace("spiral", "Spiral"), [SPIRAL], True),
        (ON_SPIRAL, [ELLIPTICAL], False),
        (ON_SPIRAL, [choice_region("other", "Spiral")], False),
        ('visibleWhen="choice-selected" whenTagName="kind"', [ELLIPTICAL], True),
        ('visibleWhen="choice-selected"', [ELLIPTICAL], True),
        ('visibleWhen="choice-selected"', [GALAXY], False),
        ('visibleWhen="choice-selected"', [choice_region("bar", "Bar")], False),
        (ON_SPIRAL.replace('"kind"', '"tree"').replace("Spiral", "Arms"), [ARMS], True),
        (ON_SPIRAL.replace('"kind"', '"tree"').replace("Spiral", "Disk"), [ARMS], False),
        ('whenChoiceValue="Spiral"', [SPIRAL], True),
        ('whenChoiceValue="Spiral"', [ELLIPTICAL], False),
        (NOT_SPIRAL, [], True),
        (NOT_SPIRAL, [ELLIPTICAL], True),
        (NOT_SPIRAL, [SPIRAL], False),
        (ON_GALAXY, [], False),
        (ON_GALAXY, [GALAXY], True),
        (ON_GALAXY.replace("Galaxy", "Star"), [GALAXY], False),
        ('visibleWhen="region-selected"', [GALAXY], True),
        ('visibleWhen="region-selected"', [SPIRAL], False),
        ('visibleWhen="no-region-selected"', [GALAXY], True),
    ],
)
def test_a_control_is_shown_as_on_the_page(condition: str, regions: list[dict[str, Any]], visible: bool) -> None:
    label_config = parse(f"<View>{IMAGE}{KIND}{BOXES}{TREE}{BAR.format(condition)}</View>")
    around = parse(
        f"<View>{IMAGE}{KIND}{BOXES}{TREE}<View><View {condition}><View>{BAR.format('')}</View></View></View></View>"
    )
    for config in (label_config, around):
        assert ("bar" not in hidden_controls(regions, config)) == visible


def test_controls_that_depend_on_a_hidden_control_are_hidden() -> None:
    first, second = (
        BAR.format(ON_SPIRAL),
        BAR.replace("bar", "size", 1).format('visibleWhen="choice-selected" whenTagName="bar"'),
    )
    config = parse(f"<View>{IMAGE}{KIND}{first}{second}</View>")
    bar = choice_region("bar", "Bar")
    assert hidden_controls([SPIRAL, bar], config) == frozenset()
    assert hidden_controls([ELLIPTICAL, bar], config) == {"bar", "size"}


def test_all_conditions_around_a_control_must_hold() -> None:
    config = parse(f"<View>{IMAGE}{KIND}{BOXES}<View {ON_GALAXY}>{BAR.format(ON_SPIRAL)}</View></View>")
    assert hidden_controls([SPIRAL, GALAXY], config) == frozenset()
    assert hidden_controls([SPIRAL], config) == hidden_controls([GALAXY], config) == {"bar"}


def test_circular_conditions_hide_the_controls() -> None:
    bar = BAR.format('visibleWhen="choice-selected" whenTagName="size"')
    size = BAR.replace("bar", "size", 1).format('visibleWhen="choice-selected" whenTagName="bar"')
    config = parse(f"<View>{IMAGE}{bar}{size}</View>")
    assert hidden_controls([choice_region("bar", "Bar"), choice_region("size", "Bar")], config) == {"bar", "size"}
