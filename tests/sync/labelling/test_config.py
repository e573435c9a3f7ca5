from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface

from sync.controls import CONTROLS
from sync.labelling.config import Control, Label, LabelConfigError, parse

REQUESTS = Path(__file__).parents[2] / "data" / "label_studio_requests.json"
"""Requests that Label Studio has sent, recorded."""
IMAGE = '<Image name="image" value="$image"/>'


def only(xml: str) -> Control:
    """Return the only control of a config whose View contains `xml` and an image."""
    (control,) = parse(f"<View>{IMAGE}{xml}</View>").controls
    return control


def test_a_control_has_its_names_labels_and_image() -> None:
    config = parse(f'<View>{IMAGE}<Choices name="m" toName="image"><Choice value="A"/><Choice value="B"/></Choices></View>')
    (control,) = config.controls
    assert (control.name, control.to_name, control.tag) == ("m", "image", "Choices")
    assert [label.value for label in control.labels] == ["A", "B"]
    assert config.image_key == {"image": "image"}
    assert config.control("m") is control
    assert config.control("other") is None


def test_the_image_key_is_the_variable_of_value_or_value_list() -> None:
    config = parse('<View><Image name="a" value="$url"/><Image name="b" valueList="$pages"/></View>')
    assert config.image_key == {"a": "url", "b": "pages"}


@pytest.mark.parametrize("tag", CONTROLS)
def test_supported_tags_are_read_in_any_case(tag: str) -> None:
    assert only(f'<{tag.lower()} name="c" toName="image"/>').tag == tag


@pytest.mark.parametrize(
    "xml",
    [
        '<Text name="text" value="$text"/><Choices name="c" toName="text"><Choice value="A"/></Choices>',
        '<Image name="fixed" value="http://host/i.png"/><Choices name="c" toName="fixed"><Choice value="A"/></Choices>',
        '<TextArea name="c" toName="image"/>',
        '<Spaceship name="c" toName="image"/>',
        '<Choices name="c" toName="image" perRegion="true"><Choice value="A"/></Choices>',
        '<Choices name="c" toName="image" allowNested="true"><Choice value="A"/></Choices>',
        '<Choices toName="image"><Choice value="A"/></Choices>',
    ],
    ids=["of text", "of a fixed image", "text area", "unknown tag", "per region", "nested choices", "nameless"],
)
def test_unsupported_controls_are_left_out(xml: str) -> None:
    assert parse(f"<View>{IMAGE}{xml}</View>").controls == ()


def test_a_control_of_several_objects_is_taken_for_its_image() -> None:
    control = only('<Text name="t" value="$t"/><Choices name="c" toName="t,image"><Choice value="A"/></Choices>')
    assert control.to_name == "image"


@pytest.mark.parametrize(
    ("choice", "multiple"), [("single", False), ("single-radio", False), ("multiple", True), (None, False)]
)
def test_choices_are_multiple_only_if_the_config_states_it(choice: str | None, multiple: bool) -> None:
    attribute = f'choice="{choice}"' if choice else ""
    assert only(f'<Choices name="c" toName="image" {attribute}><Choice value="A"/></Choices>').multiple is multiple


def test_an_alias_is_stored_and_the_value_is_displayed() -> None:
    control = only('<Choices name="c" toName="image"><Choice value="Spirale" alias="spiral"/></Choices>')
    assert control.labels == (Label(value="spiral", display_name="Spirale"),)


def test_predicted_values_are_split_at_commas() -> None:
    control = only('<RectangleLabels name="c" toName="image"><Label value="A" predicted_values="x, y ,,z"/></RectangleLabels>')
    assert control.labels[0].aliases == ("x", "y", "z")


def test_labels_are_found_inside_views_and_a_nested_choice_is_not_a_label() -> None:
    control = only(
        '<Choices name="c" toName="image"><View><View><Choice value="A"><Choice value="A1"/></Choice></View></View>'
        '<Choice value="B"/><Choice/></Choices>'
    )
    assert [label.value for label in control.labels] == ["A", "B"]


def test_smart_and_smart_only_are_read() -> None:
    control = only('<KeyPointLabels name="c" toName="image" smart="true" smartOnly="true"><Label value="A"/></KeyPointLabels>')
    assert control.smart
    assert control.smart_only
    assert not only('<KeyPointLabels name="c" toName="image"><Label value="A"/></KeyPointLabels>').smart


def test_a_number_has_bounds_and_a_step_and_no_labels() -> None:
    control = only('<Number name="z" toName="image" min="0" max="1.5" step="0.1" defaultValue="1"/>')
    assert (control.minimum, control.maximum, control.step, control.labels) == (0, 1.5, 0.1, ())


@pytest.mark.parametrize("value", ["", "nan", "inf", "low"])
def test_an_invalid_bound_is_ignored(value: str) -> None:
    assert only(f'<Number name="z" toName="image" min="{value}" step="0"/>').minimum is None


TAXONOMY = """<Taxonomy name="t" toName="image" {}>
  <Choice value="Smooth"/>
  <Choice value="Disk" alias="disk"><Choice value="Spiral"/><Choice value="Edge-on"/></Choice>
</Taxonomy>"""


def test_a_taxonomy_offers_every_node_with_its_path() -> None:
    control = only(TAXONOMY.format(""))
    assert control.paths == (("Smooth",), ("disk",), ("disk", "Spiral"), ("disk", "Edge-on"))
    assert [label.value for label in control.labels] == ["Smooth", "disk", "disk/Spiral", "disk/Edge-on"]
    assert control.path("disk/Spiral") == ("disk", "Spiral")
    assert control.multiple
    with pytest.raises(KeyError, match="Galaxy"):
        control.path("Galaxy")


def test_a_taxonomy_of_leaves_offers_leaves() -> None:
    control = only(TAXONOMY.format('leafsOnly="true" maxUsages="1"'))
    assert control.paths == (("Smooth",), ("disk", "Spiral"), ("disk", "Edge-on"))
    assert not control.multiple


BOMB = '<!DOCTYPE v [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><View>&b;</View>'
DEEP = '<Choice value="a">' * 99 + "</Choice>" * 99
FILE = '<!DOCTYPE v [<!ENTITY f SYSTEM "file:///etc/hostname">]><View>&f;</View>'


@pytest.mark.parametrize(
    ("xml", "sentence"),
    [
        ("", "not well-formed"),
        ("{}", "not well-formed"),
        ("<View>", "not well-formed"),
        ("<View>\x00</View>", "not well-formed"),
        ("<View>\ud800</View>", "not well-formed"),
        (BOMB, "DTD or entities"),
        (FILE, "DTD or entities"),
        ("<!DOCTYPE View><View/>", "DTD or entities"),
        ("<View>" + " " * 4_000_000 + "</View>", "characters"),
        (f'<View>{IMAGE}<Number name="z" toName="image" min="2" max="1"/></View>', "min 2 above max 1"),
        (f'<View>{IMAGE}<Number name="z" toName="image"/><Number name="z" toName="image"/></View>', "two controls"),
        (f"<View>{IMAGE}{IMAGE}</View>", "two images"),
        (f'<View>{IMAGE}<Taxonomy name="t" toName="image">{DEEP}</Taxonomy></View>', "nested deeper than"),
    ],
)
def test_a_config_that_cannot_be_read_is_rejected_in_one_sentence(xml: str, sentence: str) -> None:
    with pytest.raises(LabelConfigError, match=sentence) as error:
        parse(xml)
    assert "\n" not in str(error.value)


def test_deeply_nested_views_are_parsed() -> None:
    assert parse("<View>" * 50_000 + IMAGE + "</View>" * 50_000).image_key == {"image": "image"}


@given(st.text())
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    with contextlib.suppress(LabelConfigError):
        parse(text)


NAMES = st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters='<>&"'), min_size=1)


@given(st.lists(st.tuples(NAMES, st.none() | NAMES), min_size=1, max_size=5))
def test_the_stored_labels_are_those_that_the_sdk_validates_against(labels: list[tuple[str, str | None]]) -> None:
    tags = "".join(f'<Label value="{value}"' + (f' alias="{alias}"/>' if alias else "/>") for value, alias in labels)
    xml = f'<View>{IMAGE}<BrushLabels name="c" toName="image">{tags}</BrushLabels></View>'
    sdk = LabelInterface(xml).get_control("c").labels
    assert [label.value for label in parse(xml).controls[0].labels] == sdk


def test_configs_as_label_studio_sends_them_are_read() -> None:
    configs = [
        request["body"][key]
        for request in json.loads(REQUESTS.read_text())
        for key in ("schema", "label_config")
        if isinstance(request["body"], dict) and key in request["body"]
    ]
    assert configs
    for xml in configs:
        assert parse(xml).image_key == {"image": "image"}


CHOICE = '<Choices name="kind" toName="image"><Choice value="Spiral"/></Choices>'


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ('<Repeater on="$images"><Image name="i{{idx}}" value="$images[{{idx}}]"/></Repeater>', "the Repeater on '$images'"),
        ('<Image name="i" value="https://host/$name.png"/>', "the Image 'i' shows 'https://host/$name.png'"),
        ('<Image name="i" value="$a$b"/>', "the Image 'i' shows '$a$b'"),
        ('<Image name="i" value="$images[{{idx}}]"/>', "the Image 'i' shows"),
        ('<Image name="i" value="picture.png"/>', "the Image 'i' shows 'picture.png'"),
        ('<Image name="i"/>', "the Image 'i' shows ''"),
        ('<Image name="i" value="$image[\'url\']"/>', "the Image 'i' shows"),
        ('<Rectangle name="r" toName="image"/>', "the Rectangle 'r' is not read: use RectangleLabels"),
        ('<Labels name="l" toName="image"><Label value="A"/></Labels>', "the Labels 'l' is not read"),
        ('<Bitmask name="b" toName="image"/>', "use BitmaskLabels"),
        ('<Vector name="v" toName="image"/>', "use VectorLabels"),
        (CHOICE.replace("toName", 'perRegion="true" toName'), "'kind' asks about each region"),
        (CHOICE.replace("toName", 'allowNested="true" toName'), "'kind' are nested"),
    ],
)
def test_unsupported_tags_are_named_in_a_sentence(xml: str, words: str) -> None:
    config = parse(f'<View><Image name="image" value="$image"/>{xml}</View>')
    (sentence,) = config.passed_over
    assert words in sentence
    assert config.controls == ()


@pytest.mark.parametrize(
    "xml",
    [
        '<Choices name="c" toName="image" value="$options"/>',
        '<RectangleLabels name="c" toName="image" value="$options"/>',
        '<Taxonomy name="c" toName="image" apiUrl="https://host/tree.json"/>',
    ],
)
def test_a_control_without_labels_of_its_own_is_named(xml: str) -> None:
    config = parse(f'<View><Image name="image" value="$image"/>{xml}</View>')
    (sentence,) = config.passed_over
    assert "'c' have no labels in the config" in sentence
    assert config.controls


@pytest.mark.parametrize(
    "xml",
    [
        '<Image name="i" value="$images[0]"/>',
        '<Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="A"/></Labels>',
        '<Image name="i" value="$image.url"/>',
        '<Image name="i" valuelist="$images"/>',
        '<Text name="t" value="some $text"/><Choices name="c" toName="t"><Choice value="a"/></Choices>',
        '<Repeater on="$rows"><Text name="t{{idx}}" value="$rows[{{idx}}]"/></Repeater>',
    ],
)
def test_supported_tags_and_tags_without_an_image_are_not_named(xml: str) -> None:
    assert parse(f'<View><Image name="image" value="$image"/>{xml}{CHOICE}</View>').passed_over == ()


def test_a_control_of_several_images_names_them_all() -> None:
    images = '<Image name="g" value="$g"/><Image name="r" value="$r"/>'
    (control,) = parse(f"<View>{images}{CHOICE.replace('image', 'g, r,elsewhere,g')}</View>").controls
    assert (control.to_name, control.to_names) == ("g", ("g", "r"))
