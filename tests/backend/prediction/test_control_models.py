"""Control models: from the features of an image to regions of one control, and the acquisition confidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.questions import QuestionTree
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import ExtractionSettings
from backend.heads.regression import Parameters
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.images.store import StoredImage
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.encoder import Encoder
from backend.lvm.feature_maps import Pyramids
from backend.prediction.control_models import (
    ClassModel,
    ControlModel,
    base_offset,
    base_probabilities,
    create_models,
    model_class,
)
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.features import ImageFeatures
from backend.prediction.project_heads import ProjectHeads, controls_to_fill
from sync.controls import ANSWERS, OBJECTS
from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.label_studio.validation import check_prediction
from sync.labelling.config import Control, parse

BASE = Morphology.load(BASE_MORPHOLOGY)
MASKS = PromptedMasks.load(BASE_SEGMENTER)
WINDOWS = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
DIMENSION = len(BASE.mean)
vectors = arrays(np.float32, (3, DIMENSION), elements=st.floats(-3, 3, width=32))


def xml(*controls: str) -> str:
    return f'<View><Image name="image" value="$image"/>{"".join(controls)}</View>'


def choices(*labels: str, **attributes: str) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<Choices name="c" toName="image"{written}>{"".join(f"<Choice value={label!r}/>" for label in labels)}</Choices>'


def control(written: str) -> Control:
    return parse(xml(written)).controls[0]


def models(*written: str, **heads: Any) -> list[ControlModel]:
    return create_models(controls_to_fill(parse(xml(*written))), ProjectHeads(heads), base=BASE, masks=MASKS)


def observed(embedding: NDArray[np.float32] | None = None, image: bytes | None = None) -> ImageFeatures:
    """Return image features with a vector, or with the sources of an image."""
    if image is None:
        return ImageFeatures(StoredImage("", bytes, 1), embedding, None, {})
    pixels = decode(image)
    settings = ExtractionSettings()
    windowed_image = CachedWindowEncoder(WINDOWS, None).of_pixels(pixels)
    return ImageFeatures(
        StoredImage("", bytes, 1),
        embedding,
        windowed_image.size,
        {settings: extract(pixels).sources},
        windowed_image=windowed_image,
    )


def seen(vectors: NDArray[np.float32]) -> list[ImageFeatures]:
    return [observed(vector) for vector in vectors]


def random_vectors(n: int = 4, seed: int = 0) -> NDArray[np.float32]:
    """Return embeddings similar to the shipped head's training galaxies, but closer together, so that some are uncertain."""
    spread = BASE.scale * np.sqrt(DIMENSION)
    return (BASE.mean + 0.3 * spread * np.random.default_rng(seed).normal(size=(n, DIMENSION))).astype(np.float32)


# -- the model of each control --


@pytest.mark.parametrize("tag", [*ANSWERS, *OBJECTS])
def test_every_tag_that_is_predicted_has_a_control_model(tag: str) -> None:
    assert issubclass(model_class(Control("c", "image", tag)), ControlModel)


def test_a_control_of_which_no_label_is_known_is_left_out() -> None:
    assert models(choices("Calm", "Wild"), '<Number name="n" toName="image"/>') == []


def test_the_shipped_head_predicts_a_control_with_a_label_that_it_knows() -> None:
    assert [type(one) for one in models(choices("Spiral", "Wild"))] == [ClassModel]


def test_objects_are_predicted_from_the_first_day_on() -> None:
    boxes = '<RectangleLabels name="b" toName="image"><Label value="Galaxy"/></RectangleLabels>'
    no_labels = '<RectangleLabels name="e" toName="image"/>'
    assert [one.control.name for one in models(boxes, no_labels)] == ["b"]


# -- classes --


@given(vectors)
def test_base_classes_become_the_labels_of_a_control(some: NDArray[np.float32]) -> None:
    exclusive = base_probabilities(some, control(choices("Spiral", "Elliptical", "Wild")), BASE)
    assert exclusive is not None
    assert exclusive.shape == (3, 3)
    assert exclusive.sum(axis=1) == pytest.approx(1)
    assert (exclusive > 0).all()
    multiple = base_probabilities(some, control(choices("Spiral", "Wild", choice="multiple")), BASE)
    assert multiple is not None
    assert ((multiple > 0) & (multiple < 1)).all()


def test_classes_that_share_a_label_add_up() -> None:
    some = random_vectors(20)
    mapped = base_probabilities(some, control(choices("Spiral", "Elliptical")), BASE)
    predicted = dict(zip(BASE.classes, BASE.predict(some).T, strict=True))
    together = predicted["spiral"] + predicted["edge_on"]
    assert mapped is not None
    either = together + predicted["elliptical"]
    likely = either > 0.1  # elsewhere both probabilities are close to 0
    assert likely.any()
    assert mapped[likely, 0] == pytest.approx((together / either)[likely], abs=0.01)


def test_a_control_without_a_known_label_gets_nothing_of_the_base() -> None:
    assert base_probabilities(random_vectors(), control(choices("Calm", "Wild")), BASE) is None


def test_a_label_that_the_shipped_head_does_not_know_takes_nothing_from_the_others() -> None:
    some = random_vectors(20)
    labels = ("Elliptical", "Spiral", "Edge-on", "Merger")
    known = base_probabilities(some, control(choices(*labels)), BASE)
    wider = base_probabilities(some, control(choices(*labels, "Gravitational lens")), BASE)
    assert known is not None
    assert wider is not None
    assert wider[:, :4] == pytest.approx(known, abs=0.005)
    assert (wider[:, 4] < 0.005).all()


def test_the_only_label_that_the_shipped_head_knows_is_chosen_where_it_is_likely() -> None:
    some = random_vectors(20)
    (model,) = models(choices("Merger", "Wild"))
    likely = BASE.predict(some)[:, BASE.classes.index("merger")] > 0.5
    predicted = model.predict_regions(seen(some))
    assert [bool(one.regions) for one in predicted] == likely.tolist()


def test_a_tree_learns_an_answer_that_the_shipped_head_does_not_know() -> None:
    rng = np.random.default_rng(0)
    answers = "".join(f'<Choice value="{name}"/>' for name in ("Elliptical", "Spiral", "Lens"))
    written = f'<Taxonomy name="c" toName="image">{answers}</Taxonomy>'
    one = control(written)
    lens = np.arange(40) % 3 == 0
    embeddings = random_vectors(40) + (4 * BASE.scale * np.sqrt(DIMENSION) * lens[:, None] * (np.arange(DIMENSION) < 8)).astype(
        np.float32
    )
    offset = base_offset(embeddings, one, BASE)
    assert offset is not None
    assert np.isnan(offset[:, 2]).all()
    kinds = np.where(lens, 2, rng.integers(0, 2, 40))
    tree = DecisionTree.fit(embeddings, np.eye(3)[kinds], paths=one.paths, exclusive=True, offset=offset)
    untrained = base_probabilities(embeddings, one, BASE)
    assert untrained is not None
    assert (untrained[:, 2] < 0.005).all()
    assert ((tree.predict(embeddings, offset=offset)[:, 2] > 0.5) == lens).mean() > 0.9


@pytest.mark.parametrize(
    "written",
    [
        choices("Spiral"),
        choices("Spiral", "Elliptical", "Merger"),
        choices("Spiral", "Merger", choice="multiple"),
        '<Taxonomy name="t" toName="image"><Choice value="Disk"><Choice value="Spiral"/></Choice></Taxonomy>',
    ],
)
def test_what_a_class_filler_says_is_valid_and_scored(written: str) -> None:
    (model,) = models(written)
    for predicted in model.predict_regions([observed(vector) for vector in random_vectors(20)]):
        assert predicted.confidence is not None
        assert check_prediction({"result": predicted.regions, "score": predicted.confidence}, parse(xml(written))) == []


def test_a_single_choice_is_always_made_and_it_is_the_likeliest() -> None:
    (model,) = models(choices("Spiral", "Elliptical", "Merger"))
    some = random_vectors(20)
    likeliest = model.probabilities(some).argmax(axis=1)
    chosen = [predicted.regions[0]["value"]["choices"] for predicted in model.predict_regions(seen(some))]
    assert chosen == [[["Spiral", "Elliptical", "Merger"][index]] for index in likeliest]


def test_of_a_multiple_choice_all_that_are_likely_are_ticked() -> None:
    (model,) = models(choices("Spiral", "Elliptical", "Merger", choice="multiple"))
    some = random_vectors(20)
    for row, predicted in zip(model.probabilities(some), model.predict_regions(seen(some)), strict=True):
        ticked = [label for region in predicted.regions for label in region["value"]["choices"]]
        assert ticked == [["Spiral", "Elliptical", "Merger"][index] for index in np.flatnonzero(row > 0.5)]


def test_a_trained_head_takes_the_place_of_the_shipped_one(embeddings: Callable[..., Any]) -> None:
    some, targets = embeddings([0, 1] * 10, classes=2, dimension=DIMENSION)
    head = Morphology.fit(some, targets, classes=["Calm", "Wild"], exclusive=True)
    (model,) = models(choices("Calm", "Wild"), c=head)
    chosen = [predicted.regions[0]["value"]["choices"][0] for predicted in model.predict_regions(seen(some))]
    assert chosen == ["Calm", "Wild"] * 10


TREE = (
    '<Taxonomy name="t" toName="image" leafsOnly="true"><Choice value="Calm"/>'
    '<Choice value="Wild"><Choice value="Arms"/><Choice value="Bar"/></Choice></Taxonomy>'
)
SINGLE_TREE = TREE.replace("leafsOnly", 'maxUsages="1" leafsOnly')


def tree_of(written: str, picked: list[list[tuple[str, ...]]], some: NDArray[np.float32]) -> DecisionTree:
    paths, exclusive = control(written).paths, not control(written).multiple
    targets = np.stack([QuestionTree.of(paths).shares([one], exclusive=exclusive) for one in picked])
    return DecisionTree.fit(some, targets, paths=paths, exclusive=exclusive)


def test_of_a_taxonomy_that_allows_several_all_likely_paths_are_picked(embeddings: Callable[..., Any]) -> None:
    some, _ = embeddings([0, 1, 2] * 10, classes=3, dimension=DIMENSION)
    picked = [[("Calm",)], [("Wild", "Arms")], [("Wild", "Arms"), ("Wild", "Bar")]] * 10
    (model,) = models(TREE, t=tree_of(TREE, picked, some))
    predicted = model.predict_regions(seen(some))
    assert [[tuple(path) for path in one.regions[0]["value"]["taxonomy"]] for one in predicted] == picked
    for one in predicted:
        assert check_prediction({"result": one.regions, "score": one.confidence}, parse(xml(TREE))) == []


def test_of_a_taxonomy_that_allows_one_the_likeliest_path_is_picked(embeddings: Callable[..., Any]) -> None:
    some, _ = embeddings([0, 1, 2] * 10, classes=3, dimension=DIMENSION)
    picked = [[("Calm",)], [("Wild", "Arms")], [("Wild", "Bar")]] * 10
    (model,) = models(SINGLE_TREE, t=tree_of(SINGLE_TREE, picked, some))
    predicted = model.predict_regions(seen(some))
    assert [[tuple(path) for path in one.regions[0]["value"]["taxonomy"]] for one in predicted] == picked


def test_of_a_taxonomy_something_is_always_picked() -> None:
    some = random_vectors(20)
    head = tree_of(TREE, [[("Calm",)], [("Wild", "Arms")], [("Wild", "Bar")], [("Wild", "Arms")]] * 5, some)
    (model,) = models(TREE, t=head)
    assert all(len(one.regions) == 1 for one in model.predict_regions(seen(random_vectors(20, seed=1))))


def test_what_the_shipped_head_says_of_paths_it_says_of_the_nodes_above_them() -> None:
    written = (
        TREE.replace("Calm", "Elliptical")
        .replace("Arms", "Spiral")
        .replace("Bar", "Merger")
        .replace("leafs", 'maxUsages="1" leafs')
    )
    (model,) = models(written)
    assert isinstance(model, ClassModel)
    probabilities, nodes = model.probabilities(random_vectors()), model.shares(random_vectors())
    assert model.tree is not None
    at = dict(zip(model.tree.nodes, nodes.T, strict=True))
    assert at["Wild",] == pytest.approx(probabilities[:, 1] + probabilities[:, 2])


# -- numbers --


def test_a_number_is_within_its_bounds_and_less_confident_far_from_the_training_data() -> None:
    some = random_vectors(30)
    head = Parameters.fit(some, 3 + 2 * some[:, 0])
    written = '<Number name="n" toName="image" min="0" max="5" step="0.5"/>'
    (model,) = models(written, n=head)
    near, far = model.predict_regions([observed(some[0]), observed(some[0] * 100)])
    for predicted in (near, far):
        assert check_prediction({"result": predicted.regions, "score": predicted.confidence}, parse(xml(written))) == []
    assert 0 <= far.confidence < near.confidence <= 1


# -- objects --


@pytest.mark.parametrize("tag", ["RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels"])
def test_every_object_becomes_a_valid_region(tag: str, png: Callable[..., bytes]) -> None:
    written = f'<{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}>'
    (model,) = models(written)
    image = png(spots=((3, 3, 4), (100, 50, 8), (196, 97, 4)))  # two of the three are at the border
    (predicted,) = model.predict_regions([observed(image=image)])
    assert len(predicted.regions) >= 2
    assert check_prediction({"result": predicted.regions, "score": predicted.confidence}, parse(xml(written))) == []


def test_an_empty_sky_has_no_objects_and_nothing_to_be_sure_of(png: Callable[..., bytes]) -> None:
    (model,) = models('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>')
    (predicted,) = model.predict_regions([observed(image=png(spots=()))])
    assert (predicted.regions, predicted.confidence) == ([], None)


def test_a_trained_detector_says_which_extraction_it_needs() -> None:
    head = Detection.base(("Galaxy",))
    (model,) = models('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>', o=head)
    assert model.needs_sources == head.settings
    assert not model.needs_embedding


@pytest.mark.parametrize("tag", ["RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels"])
def test_every_learned_object_becomes_a_valid_region_that_says_who_found_it(tag: str, png: Callable[..., bytes]) -> None:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    eager = replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True, least_score=0.0)
    written = f'<{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}>'
    (model,) = models(written, o=Detection.base(("Galaxy",), detector=eager))
    image = png(spots=((3, 3, 4), (100, 50, 8), (196, 97, 4)))
    (predicted,) = model.predict_regions([replace(observed(image=image), pyramid=pyramids.of_pixels(decode(image)))])
    assert model.needs_pyramid
    assert {text for region in predicted.regions for text in region["meta"]["text"]} <= {"learned detector"}
    assert check_prediction({"result": predicted.regions, "score": predicted.confidence}, parse(xml(written))) == []


def test_a_learned_box_needs_no_sources_and_a_learned_outline_does() -> None:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    head = Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))
    (boxes,) = models('<RectangleLabels name="o" toName="image"><Label value="Galaxy"/></RectangleLabels>', o=head)
    (masks,) = models('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>', o=head)
    assert boxes.needs_sources is None
    assert masks.needs_sources == head.settings


def test_a_picture_whose_feature_maps_and_file_are_gone_has_no_objects() -> None:
    def gone() -> bytes:
        raise ImageError("gone")

    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    head = Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))
    (model,) = models('<RectangleLabels name="o" toName="image"><Label value="Galaxy"/></RectangleLabels>', o=head)
    image = StoredImage("p", gone, 1)
    (predicted,) = model.predict_regions([ImageFeatures(image, None, (60, 50), {}, pyramids.of(image, size=(60, 50)))])
    assert predicted.regions == []


def shapes(tag: str, name: str, *labels: str) -> str:
    return f'<{tag} name="{name}" toName="image">{"".join(f"<Label value={label!r}/>" for label in labels)}</{tag}>'


@pytest.mark.parametrize(
    ("tag", "labels", "masks_first"),
    [
        ("PolygonLabels", (("Galaxy",), ("Galaxy",)), True),
        ("BrushLabels", (("Galaxy",), ("galaxies", "Star")), False),
        ("PolygonLabels", (("galaxy", "Star"), ("Object",)), True),
    ],
)
def test_where_a_config_asks_for_boxes_and_masks_each_box_fits_a_mask(
    png: Callable[..., bytes], tag: str, labels: tuple[tuple[str, ...], tuple[str, ...]], masks_first: bool
) -> None:
    written = [shapes(tag, "mask", *labels[0]), shapes("RectangleLabels", "box", *labels[1])]
    by_name = {one.control.name: one for one in models(*(written if masks_first else written[::-1]))}
    seen = observed(image=png(spots=((60, 50, 12), (75, 54, 9), (150, 40, 8), (20, 80, 5))))
    masks, boxes = by_name["mask"].objects(seen), by_name["box"].objects(seen)
    assert len(masks) >= 3
    for mask, box in zip(masks, boxes, strict=True):
        rows, columns = np.nonzero(mask.source.full_mask(seen.size))
        around = box.source.box
        assert (around.x, around.y) == (columns.min(), rows.min())
        assert (around.x + around.width, around.y + around.height) == (columns.max() + 1, rows.max() + 1)
        assert (mask.label, box.label) == (labels[0][0], labels[1][0])
    regions = [len(by_name[name].predict_regions([seen])[0].regions) for name in ("mask", "box")]
    assert regions == [len(masks), len(masks)], "an object is one region of each control"


def test_a_head_that_was_trained_for_one_of_both_finds_the_objects_of_both() -> None:
    both = models(shapes("BrushLabels", "mask", "Galaxy"), shapes("RectangleLabels", "box", "Galaxy"), box=learned_head())
    assert [one.needs_pyramid for one in both] == [True, True]
    assert all(one.needs_sources for one in both)


def test_boxes_and_masks_of_different_things_are_found_each_by_their_own() -> None:
    masks, boxes = shapes("BrushLabels", "mask", "Galaxy", "Arm"), shapes("RectangleLabels", "box", "Galaxy", "Star")
    assert [one.needs_pyramid for one in models(masks, boxes, mask=learned_head())] == [True, False]


def learned_head() -> Detection:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    return Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))


def test_no_pictures_fill_nothing() -> None:
    assert [one.predict_regions([]) for one in models(choices("Spiral"))] == [[]]
