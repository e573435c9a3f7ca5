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
from backend.heads.inputs import HeadInputs
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
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import (
    ClassModel,
    ControlModel,
    base_offset,
    base_probabilities,
    create_models,
    model_class,
)
from backend.prediction.control_models.objects import ObjectModel
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.image_features import ImageFeatures
from backend.prediction.project_heads import ProjectHeads, controls_to_predict
from sync.controls import ANSWERS, OBJECTS
from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.label_studio.validation import check_prediction
from sync.labelling.config import Control, parse

BASE = Morphology.load(BASE_MORPHOLOGY)
MASKS = PromptedMasks.load(BASE_SEGMENTER)
WINDOWS = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
SHIPPED = BaseClassifier.alone(BASE)
DIMENSION = len(BASE.mean)
vectors = arrays(np.float32, (3, DIMENSION), elements=st.floats(-3, 3, width=32))


def xml(*controls: str) -> str:
    return f'<View><Image name="image" value="$image"/>{"".join(controls)}</View>'


def choices(*labels: str, **attributes: str) -> str:
    xml = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<Choices name="c" toName="image"{xml}>{"".join(f"<Choice value={label!r}/>" for label in labels)}</Choices>'


def control(tag_text: str) -> Control:
    return parse(xml(tag_text)).controls[0]


def models(*tag_text: str, **heads: Any) -> list[ControlModel]:
    return create_models(controls_to_predict(parse(xml(*tag_text))), ProjectHeads(heads), base=SHIPPED, masks=MASKS)


def make_features(embedding: NDArray[np.float32] | None = None, image: bytes | None = None) -> ImageFeatures:
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


def features_of(vectors: NDArray[np.float32]) -> list[ImageFeatures]:
    return [make_features(vector) for vector in vectors]


def random_vectors(n: int = 4, seed: int = 0) -> NDArray[np.float32]:
    """Return embeddings similar to the shipped head's training galaxies, but closer together, so that sample are uncertain."""
    spread = BASE.scale * np.sqrt(DIMENSION)
    return (BASE.mean + 0.3 * spread * np.random.default_rng(seed).normal(size=(n, DIMENSION))).astype(np.float32)


# -- the model of each control --


@pytest.mark.parametrize("tag", [*ANSWERS, *OBJECTS])
def test_every_predicted_tag_has_a_control_model(tag: str) -> None:
    assert issubclass(model_class(Control("c", "image", tag)), ControlModel)


def test_a_control_without_a_known_label_is_left_out() -> None:
    assert models(choices("Calm", "Wild"), '<Number name="arms" toName="image"/>') == []


def test_the_shipped_head_predicts_a_control_with_one_of_its_labels() -> None:
    assert [type(model) for model in models(choices("Spiral", "Wild"))] == [ClassModel]


def test_objects_are_predicted_without_a_trained_head() -> None:
    boxes = '<RectangleLabels name="b" toName="image"><Label value="Galaxy"/></RectangleLabels>'
    no_labels = '<RectangleLabels name="e" toName="image"/>'
    assert [model.control.name for model in models(boxes, no_labels)] == ["b"]


# -- classes --


@given(vectors)
def test_base_classes_are_mapped_to_the_labels_of_a_control(sample: NDArray[np.float32]) -> None:
    exclusive = base_probabilities(sample, control(choices("Spiral", "Elliptical", "Wild")), SHIPPED)
    assert exclusive is not None
    assert exclusive.shape == (3, 3)
    assert exclusive.sum(axis=1) == pytest.approx(1)
    assert (exclusive > 0).all()
    multiple = base_probabilities(sample, control(choices("Spiral", "Wild", choice="multiple")), SHIPPED)
    assert multiple is not None
    assert ((multiple > 0) & (multiple < 1)).all()


def test_probabilities_of_classes_with_the_same_label_are_added() -> None:
    sample = random_vectors(20)
    probabilities = base_probabilities(sample, control(choices("Spiral", "Elliptical")), SHIPPED)
    prediction = dict(zip(BASE.classes, BASE.predict(sample).T, strict=True))
    together = prediction["spiral"] + prediction["edge_on"]
    assert probabilities is not None
    either = together + prediction["elliptical"]
    likely = either > 0.1  # elsewhere both probabilities are close to 0
    assert likely.any()
    assert probabilities[likely, 0] == pytest.approx((together / either)[likely], abs=0.01)


def test_the_base_predicts_nothing_for_a_control_without_a_known_label() -> None:
    assert base_probabilities(random_vectors(), control(choices("Calm", "Wild")), SHIPPED) is None


def test_an_unknown_label_does_not_change_the_other_probabilities() -> None:
    sample = random_vectors(20)
    labels = ("Elliptical", "Spiral", "Edge-on", "Merger")
    probabilities = base_probabilities(sample, control(choices(*labels)), SHIPPED)
    wider = base_probabilities(sample, control(choices(*labels, "Gravitational lens")), SHIPPED)
    assert probabilities is not None
    assert wider is not None
    assert wider[:, :4] == pytest.approx(probabilities, abs=0.005)
    assert (wider[:, 4] < 0.005).all()


def test_a_single_known_label_is_predicted_only_if_it_is_likely() -> None:
    sample = random_vectors(20)
    (model,) = models(choices("Merger", "Wild"))
    likely = BASE.predict(sample)[:, BASE.classes.index("merger")] > 0.5
    results = model.predict_regions(features_of(sample))
    assert [bool(prediction.regions) for prediction in results] == likely.tolist()


def test_a_tree_is_trained_on_a_label_that_the_shipped_head_lacks() -> None:
    rng = np.random.default_rng(0)
    answers = "".join(f'<Choice value="{name}"/>' for name in ("Elliptical", "Spiral", "Lens"))
    xml = f'<Taxonomy name="c" toName="image">{answers}</Taxonomy>'
    taxonomy = control(xml)
    lens = np.arange(40) % 3 == 0
    embeddings = random_vectors(40) + (4 * BASE.scale * np.sqrt(DIMENSION) * lens[:, None] * (np.arange(DIMENSION) < 8)).astype(
        np.float32
    )
    offset = base_offset(embeddings, taxonomy, SHIPPED)
    assert offset is not None
    assert np.isnan(offset[:, 2]).all()
    kinds = np.where(lens, 2, rng.integers(0, 2, 40))
    tree = DecisionTree.fit(embeddings, np.eye(3)[kinds], paths=taxonomy.paths, exclusive=True, offset=offset)
    probabilities = base_probabilities(embeddings, taxonomy, SHIPPED)
    assert probabilities is not None
    assert (probabilities[:, 2] < 0.005).all()
    assert ((tree.predict(embeddings, offset=offset)[:, 2] > 0.5) == lens).mean() > 0.9


@pytest.mark.parametrize(
    "tag_text",
    [
        choices("Spiral"),
        choices("Spiral", "Elliptical", "Merger"),
        choices("Spiral", "Merger", choice="multiple"),
        '<Taxonomy name="t" toName="image"><Choice value="Disk"><Choice value="Spiral"/></Choice></Taxonomy>',
    ],
)
def test_predictions_of_classes_are_valid_and_have_a_confidence(tag_text: str) -> None:
    (model,) = models(tag_text)
    for prediction in model.predict_regions([make_features(vector) for vector in random_vectors(20)]):
        assert prediction.confidence is not None
        assert check_prediction({"result": prediction.regions, "score": prediction.confidence}, parse(xml(tag_text))) == []


def test_a_single_choice_is_the_most_probable_label() -> None:
    (model,) = models(choices("Spiral", "Elliptical", "Merger"))
    assert isinstance(model, ClassModel)
    sample = random_vectors(20)
    likeliest = model.probabilities(HeadInputs.of_images(sample)).argmax(axis=1)
    label_lists = [
        each_prediction.regions[0]["value"]["choices"] for each_prediction in model.predict_regions(features_of(sample))
    ]
    assert label_lists == [[["Spiral", "Elliptical", "Merger"][index]] for index in likeliest]


def test_a_multiple_choice_has_all_probable_labels() -> None:
    (model,) = models(choices("Spiral", "Elliptical", "Merger", choice="multiple"))
    assert isinstance(model, ClassModel)
    sample = random_vectors(20)
    for row, each_prediction in zip(
        model.probabilities(HeadInputs.of_images(sample)), model.predict_regions(features_of(sample)), strict=True
    ):
        labels = [label for region in each_prediction.regions for label in region["value"]["choices"]]
        assert labels == [["Spiral", "Elliptical", "Merger"][index] for index in np.flatnonzero(row > 0.5)]


def test_a_trained_head_replaces_the_shipped_one(embeddings: Callable[..., Any]) -> None:
    sample, targets = embeddings([0, 1] * 10, classes=2, dimension=DIMENSION)
    head = Morphology.fit(sample, targets, classes=["Calm", "Wild"], exclusive=True)
    (model,) = models(choices("Calm", "Wild"), c=head)
    labels = [prediction.regions[0]["value"]["choices"][0] for prediction in model.predict_regions(features_of(sample))]
    assert labels == ["Calm", "Wild"] * 10


TREE = (
    '<Taxonomy name="t" toName="image" leafsOnly="true"><Choice value="Calm"/>'
    '<Choice value="Wild"><Choice value="Arms"/><Choice value="Bar"/></Choice></Taxonomy>'
)
SINGLE_TREE = TREE.replace("leafsOnly", 'maxUsages="1" leafsOnly')
Paths = list[list[tuple[str, ...]]]


def tree_of(xml: str, chosen_paths: Paths, sample: NDArray[np.float32]) -> DecisionTree:
    paths, exclusive = control(xml).paths, not control(xml).multiple
    targets = np.stack(
        [QuestionTree.of(paths).shares([paths_of_image], exclusive=exclusive) for paths_of_image in chosen_paths]
    )
    return DecisionTree.fit(sample, targets, paths=paths, exclusive=exclusive)


def test_a_multiple_taxonomy_has_all_probable_paths(embeddings: Callable[..., Any]) -> None:
    sample, _ = embeddings([0, 1, 2] * 10, classes=3, dimension=DIMENSION)
    chosen_paths: Paths = [[("Calm",)], [("Wild", "Arms")], [("Wild", "Arms"), ("Wild", "Bar")]] * 10
    (model,) = models(TREE, t=tree_of(TREE, chosen_paths, sample))
    results = model.predict_regions(features_of(sample))
    assert [[tuple(path) for path in prediction.regions[0]["value"]["taxonomy"]] for prediction in results] == chosen_paths
    for prediction in results:
        assert check_prediction({"result": prediction.regions, "score": prediction.confidence}, parse(xml(TREE))) == []


def test_a_single_taxonomy_has_the_most_probable_path(embeddings: Callable[..., Any]) -> None:
    sample, _ = embeddings([0, 1, 2] * 10, classes=3, dimension=DIMENSION)
    chosen_paths: Paths = [[("Calm",)], [("Wild", "Arms")], [("Wild", "Bar")]] * 10
    (model,) = models(SINGLE_TREE, t=tree_of(SINGLE_TREE, chosen_paths, sample))
    results = model.predict_regions(features_of(sample))
    assert [[tuple(path) for path in prediction.regions[0]["value"]["taxonomy"]] for prediction in results] == chosen_paths


def test_a_taxonomy_always_has_a_path() -> None:
    sample = random_vectors(20)
    head = tree_of(TREE, [[("Calm",)], [("Wild", "Arms")], [("Wild", "Bar")], [("Wild", "Arms")]] * 5, sample)
    (model,) = models(TREE, t=head)
    assert all(len(prediction.regions) == 1 for prediction in model.predict_regions(features_of(random_vectors(20, seed=1))))


def test_the_probability_of_a_node_is_the_sum_of_its_paths() -> None:
    xml = (
        TREE.replace("Calm", "Elliptical")
        .replace("Arms", "Spiral")
        .replace("Bar", "Merger")
        .replace("leafs", 'maxUsages="1" leafs')
    )
    (model,) = models(xml)
    assert isinstance(model, ClassModel)
    inputs = HeadInputs.of_images(random_vectors())
    probabilities, nodes = model.probabilities(inputs), model.shares(inputs)
    assert model.tree is not None
    at = dict(zip(model.tree.nodes, nodes.T, strict=True))
    assert at["Wild",] == pytest.approx(probabilities[:, 1] + probabilities[:, 2])


# -- numbers --


def test_a_number_is_within_bounds_and_less_confident_far_from_the_data() -> None:
    sample = random_vectors(30)
    head = Parameters.fit(sample, 3 + 2 * sample[:, 0])
    tag_text = '<Number name="n" toName="image" min="0" max="5" step="0.5"/>'
    (model,) = models(tag_text, n=head)
    near, far = model.predict_regions([make_features(sample[0]), make_features(sample[0] * 100)])
    for prediction in (near, far):
        assert check_prediction({"result": prediction.regions, "score": prediction.confidence}, parse(xml(tag_text))) == []
    assert near.confidence is not None
    assert far.confidence is not None
    assert 0 <= far.confidence < near.confidence <= 1


# -- objects --


@pytest.mark.parametrize("tag", ["RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels"])
def test_every_object_becomes_a_valid_region(tag: str, png: Callable[..., bytes]) -> None:
    tag_text = f'<{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}>'
    (model,) = models(tag_text)
    image = png(spots=((3, 3, 4), (100, 50, 8), (196, 97, 4)))  # two of the three are at the border
    (prediction,) = model.predict_regions([make_features(image=image)])
    assert len(prediction.regions) >= 2
    assert check_prediction({"result": prediction.regions, "score": prediction.confidence}, parse(xml(tag_text))) == []


def test_an_empty_image_has_no_objects_and_no_confidence(png: Callable[..., bytes]) -> None:
    (model,) = models('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>')
    (prediction,) = model.predict_regions([make_features(image=png(spots=()))])
    assert (prediction.regions, prediction.confidence) == ([], None)


def test_a_trained_detector_states_its_extraction_settings() -> None:
    head = Detection.base(("Galaxy",))
    (model,) = models('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>', o=head)
    assert model.needs_sources == head.settings


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels"])
def test_every_learned_object_becomes_a_valid_region_with_its_method(tag: str, png: Callable[..., bytes]) -> None:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    eager = replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True, least_score=0.0)
    tag_text = f'<{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}>'
    (model,) = models(tag_text, o=Detection.base(("Galaxy",), detector=eager))
    image = png(spots=((3, 3, 4), (100, 50, 8), (196, 97, 4)))
    (prediction,) = model.predict_regions([replace(make_features(image=image), pyramid=pyramids.of_pixels(decode(image)))])
    assert model.needs_pyramid
    assert {text for region in prediction.regions for text in region["meta"]["text"]} <= {"learned detector"}
    assert check_prediction({"result": prediction.regions, "score": prediction.confidence}, parse(xml(tag_text))) == []


def test_learned_boxes_need_no_sources_and_learned_outlines_do() -> None:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    head = Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))
    (boxes,) = models('<RectangleLabels name="o" toName="image"><Label value="Galaxy"/></RectangleLabels>', o=head)
    (masks,) = models('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>', o=head)
    assert boxes.needs_sources is None
    assert masks.needs_sources == head.settings


def test_an_image_without_feature_maps_and_file_has_no_objects() -> None:
    def raise_missing() -> bytes:
        raise ImageError("gone")

    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    head = Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))
    (model,) = models('<RectangleLabels name="o" toName="image"><Label value="Galaxy"/></RectangleLabels>', o=head)
    image = StoredImage("p", raise_missing, 1)
    (prediction,) = model.predict_regions([ImageFeatures(image, None, (60, 50), {}, pyramids.of(image, size=(60, 50)))])
    assert prediction.regions == []


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
def test_in_a_config_with_boxes_and_masks_each_box_fits_a_mask(
    png: Callable[..., bytes], tag: str, labels: tuple[tuple[str, ...], tuple[str, ...]], masks_first: bool
) -> None:
    xml = [shapes(tag, "mask", *labels[0]), shapes("RectangleLabels", "box", *labels[1])]
    by_name = {model.control.name: model for model in models(*(xml if masks_first else xml[::-1]))}
    features = make_features(image=png(spots=((60, 50, 12), (75, 54, 9), (150, 40, 8), (20, 80, 5))))
    mask_model, box_model = by_name["mask"], by_name["box"]
    assert isinstance(mask_model, ObjectModel)
    assert isinstance(box_model, ObjectModel)
    masks, boxes = mask_model.objects(features), box_model.objects(features)
    assert features.size is not None
    assert len(masks) >= 3
    for mask, box in zip(masks, boxes, strict=True):
        rows, columns = np.nonzero(mask.source.full_mask(features.size))
        around = box.source.box
        assert (around.x, around.y) == (columns.min(), rows.min())
        assert (around.x + around.width, around.y + around.height) == (columns.max() + 1, rows.max() + 1)
        assert (mask.label, box.label) == (labels[0][0], labels[1][0])
    regions = [len(by_name[name].predict_regions([features])[0].regions) for name in ("mask", "box")]
    assert regions == [len(masks), len(masks)], "an object is one region of each control"


def test_a_head_trained_for_boxes_also_detects_the_masks() -> None:
    both = models(shapes("BrushLabels", "mask", "Galaxy"), shapes("RectangleLabels", "box", "Galaxy"), box=learned_head())
    assert [model.needs_pyramid for model in both] == [True, True]
    assert all(model.needs_sources for model in both)


def test_boxes_and_masks_with_different_labels_use_their_own_heads() -> None:
    masks, boxes = shapes("BrushLabels", "mask", "Galaxy", "Arm"), shapes("RectangleLabels", "box", "Galaxy", "Star")
    assert [model.needs_pyramid for model in models(masks, boxes, mask=learned_head())] == [True, False]


def learned_head() -> Detection:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    return Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))


def test_no_images_give_no_predictions() -> None:
    assert [model.predict_regions([]) for model in models(choices("Spiral"))] == [[]]
