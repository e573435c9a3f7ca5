"""Fillers: from what was seen of a picture to regions of one control, and how sure its head is."""

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
from backend.prediction.control_models import ClassFiller, Filler, base_offset, base_probabilities, fillers_of
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.features import ImageFeatures
from backend.prediction.project_heads import ProjectHeads, controls_to_fill
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


def fillers(*written: str, **heads: Any) -> list[Filler]:
    return fillers_of(controls_to_fill(parse(xml(*written))), ProjectHeads(heads), base=BASE, masks=MASKS)


def observed(embedding: NDArray[np.float32] | None = None, image: bytes | None = None) -> ImageFeatures:
    """An observation of a vector, or of the sources of an image."""
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


def random_vectors(n: int = 4, seed: int = 0) -> NDArray[np.float32]:
    """Like the galaxies that the shipped head was fitted on, with less between them: it is not sure of all."""
    spread = BASE.scale * np.sqrt(DIMENSION)
    return (BASE.mean + 0.3 * spread * np.random.default_rng(seed).normal(size=(n, DIMENSION))).astype(np.float32)


# -- who fills what --


def test_a_control_that_nothing_is_known_of_is_left_out() -> None:
    assert fillers(choices("Calm", "Wild"), '<Number name="n" toName="image"/>') == []


def test_the_shipped_head_fills_what_it_knows_a_label_of() -> None:
    assert [type(one) for one in fillers(choices("Spiral", "Wild"))] == [ClassFiller]


def test_objects_are_filled_from_the_first_day_on() -> None:
    boxes = '<RectangleLabels name="b" toName="image"><Label value="Galaxy"/></RectangleLabels>'
    no_labels = '<RectangleLabels name="e" toName="image"/>'
    assert [one.control.name for one in fillers(boxes, no_labels)] == ["b"]


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
    likely = either > 0.1  # where it is surely neither, both are as good as impossible
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
    (filler,) = fillers(choices("Merger", "Wild"))
    likely = BASE.predict(some)[:, BASE.classes.index("merger")] > 0.5
    filled = filler.fill([observed(one) for one in some])
    assert [bool(one.regions) for one in filled] == likely.tolist()


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
    (filler,) = fillers(written)
    for filled in filler.fill([observed(vector) for vector in random_vectors(20)]):
        assert filled.confidence is not None
        assert check_prediction({"result": filled.regions, "score": filled.confidence}, parse(xml(written))) == []


def test_a_single_choice_is_always_made_and_it_is_the_likeliest() -> None:
    (filler,) = fillers(choices("Spiral", "Elliptical", "Merger"))
    some = random_vectors(20)
    likeliest = filler.probabilities(some).argmax(axis=1)
    chosen = [filled.regions[0]["value"]["choices"] for filled in filler.fill([observed(vector) for vector in some])]
    assert chosen == [[["Spiral", "Elliptical", "Merger"][index]] for index in likeliest]


def test_of_a_multiple_choice_all_that_are_likely_are_ticked() -> None:
    (filler,) = fillers(choices("Spiral", "Elliptical", "Merger", choice="multiple"))
    some = random_vectors(20)
    for row, filled in zip(filler.probabilities(some), filler.fill([observed(vector) for vector in some]), strict=True):
        ticked = [label for region in filled.regions for label in region["value"]["choices"]]
        assert ticked == [["Spiral", "Elliptical", "Merger"][index] for index in np.flatnonzero(row > 0.5)]


def test_a_trained_head_takes_the_place_of_the_shipped_one(embeddings: Callable[..., Any]) -> None:
    some, targets = embeddings([0, 1] * 10, classes=2, dimension=DIMENSION)
    head = Morphology.fit(some, targets, classes=["Calm", "Wild"], exclusive=True)
    (filler,) = fillers(choices("Calm", "Wild"), c=head)
    chosen = [filled.regions[0]["value"]["choices"][0] for filled in filler.fill([observed(vector) for vector in some])]
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
    (filler,) = fillers(TREE, t=tree_of(TREE, picked, some))
    filled = filler.fill([observed(vector) for vector in some])
    assert [[tuple(path) for path in one.regions[0]["value"]["taxonomy"]] for one in filled] == picked
    for one in filled:
        assert check_prediction({"result": one.regions, "score": one.confidence}, parse(xml(TREE))) == []


def test_of_a_taxonomy_that_allows_one_the_likeliest_path_is_picked(embeddings: Callable[..., Any]) -> None:
    some, _ = embeddings([0, 1, 2] * 10, classes=3, dimension=DIMENSION)
    picked = [[("Calm",)], [("Wild", "Arms")], [("Wild", "Bar")]] * 10
    (filler,) = fillers(SINGLE_TREE, t=tree_of(SINGLE_TREE, picked, some))
    filled = filler.fill([observed(vector) for vector in some])
    assert [[tuple(path) for path in one.regions[0]["value"]["taxonomy"]] for one in filled] == picked


def test_of_a_taxonomy_something_is_always_picked() -> None:
    some = random_vectors(20)
    head = tree_of(TREE, [[("Calm",)], [("Wild", "Arms")], [("Wild", "Bar")], [("Wild", "Arms")]] * 5, some)
    (filler,) = fillers(TREE, t=head)
    assert all(len(one.regions) == 1 for one in filler.fill([observed(vector) for vector in random_vectors(20, seed=1)]))


def test_what_the_shipped_head_says_of_paths_it_says_of_the_nodes_above_them() -> None:
    written = (
        TREE.replace("Calm", "Elliptical")
        .replace("Arms", "Spiral")
        .replace("Bar", "Merger")
        .replace("leafs", 'maxUsages="1" leafs')
    )
    (filler,) = fillers(written)
    assert isinstance(filler, ClassFiller)
    probabilities, nodes = filler.probabilities(random_vectors()), filler.shares(random_vectors())
    assert filler.tree is not None
    at = dict(zip(filler.tree.nodes, nodes.T, strict=True))
    assert at["Wild",] == pytest.approx(probabilities[:, 1] + probabilities[:, 2])


# -- numbers --


def test_a_number_is_filled_within_its_bounds_and_less_surely_far_from_what_was_taught() -> None:
    some = random_vectors(30)
    head = Parameters.fit(some, 3 + 2 * some[:, 0])
    written = '<Number name="n" toName="image" min="0" max="5" step="0.5"/>'
    (filler,) = fillers(written, n=head)
    near, far = filler.fill([observed(some[0]), observed(some[0] * 100)])
    for filled in (near, far):
        assert check_prediction({"result": filled.regions, "score": filled.confidence}, parse(xml(written))) == []
    assert 0 <= far.confidence < near.confidence <= 1


# -- objects --


@pytest.mark.parametrize("tag", ["RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels"])
def test_every_object_becomes_a_valid_region(tag: str, png: Callable[..., bytes]) -> None:
    written = f'<{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}>'
    (filler,) = fillers(written)
    image = png(spots=((3, 3, 4), (100, 50, 8), (196, 97, 4)))  # two of them at the border
    (filled,) = filler.fill([observed(image=image)])
    assert len(filled.regions) >= 2
    assert check_prediction({"result": filled.regions, "score": filled.confidence}, parse(xml(written))) == []


def test_an_empty_sky_has_no_objects_and_nothing_to_be_sure_of(png: Callable[..., bytes]) -> None:
    (filler,) = fillers('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>')
    (filled,) = filler.fill([observed(image=png(spots=()))])
    assert (filled.regions, filled.confidence) == ([], None)


def test_a_trained_detector_says_which_extraction_it_needs() -> None:
    head = Detection.base(("Galaxy",))
    (filler,) = fillers('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>', o=head)
    assert filler.needs_sources == head.settings
    assert not filler.needs_embedding


@pytest.mark.parametrize("tag", ["RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels"])
def test_every_learned_object_becomes_a_valid_region_that_says_who_found_it(tag: str, png: Callable[..., bytes]) -> None:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    eager = replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True, least_score=0.0)
    written = f'<{tag} name="o" toName="image"><Label value="Galaxy"/></{tag}>'
    (filler,) = fillers(written, o=Detection.base(("Galaxy",), detector=eager))
    image = png(spots=((3, 3, 4), (100, 50, 8), (196, 97, 4)))
    (filled,) = filler.fill([replace(observed(image=image), look=pyramids.of_pixels(decode(image)))])
    assert filler.needs_look
    assert {text for region in filled.regions for text in region["meta"]["text"]} <= {"learned detector"}
    assert check_prediction({"result": filled.regions, "score": filled.confidence}, parse(xml(written))) == []


def test_a_learned_box_needs_no_sources_and_a_learned_outline_does() -> None:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    head = Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))
    (boxes,) = fillers('<RectangleLabels name="o" toName="image"><Label value="Galaxy"/></RectangleLabels>', o=head)
    (masks,) = fillers('<BrushLabels name="o" toName="image"><Label value="Galaxy"/></BrushLabels>', o=head)
    assert boxes.needs_sources is None
    assert masks.needs_sources == head.settings


def test_a_picture_whose_feature_maps_and_file_are_gone_has_no_objects() -> None:
    def gone() -> bytes:
        raise ImageError("gone")

    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    head = Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))
    (filler,) = fillers('<RectangleLabels name="o" toName="image"><Label value="Galaxy"/></RectangleLabels>', o=head)
    picture = StoredImage("p", gone, 1)
    (filled,) = filler.fill([ImageFeatures(picture, None, (60, 50), {}, pyramids.of(picture, size=(60, 50)))])
    assert filled.regions == []


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
    by_name = {one.control.name: one for one in fillers(*(written if masks_first else written[::-1]))}
    seen = observed(image=png(spots=((60, 50, 12), (75, 54, 9), (150, 40, 8), (20, 80, 5))))
    masks, boxes = by_name["mask"].objects(seen), by_name["box"].objects(seen)
    assert len(masks) >= 3
    for mask, box in zip(masks, boxes, strict=True):
        rows, columns = np.nonzero(mask.source.full_mask(seen.size))
        around = box.source.box
        assert (around.x, around.y) == (columns.min(), rows.min())
        assert (around.x + around.width, around.y + around.height) == (columns.max() + 1, rows.max() + 1)
        assert (mask.label, box.label) == (labels[0][0], labels[1][0])
    regions = [len(by_name[name].fill([seen])[0].regions) for name in ("mask", "box")]
    assert regions == [len(masks), len(masks)], "an object is one region of each control"


def test_a_head_that_was_trained_for_one_of_both_finds_the_objects_of_both() -> None:
    both = fillers(shapes("BrushLabels", "mask", "Galaxy"), shapes("RectangleLabels", "box", "Galaxy"), box=learned_head())
    assert [one.needs_look for one in both] == [True, True]
    assert all(one.needs_sources for one in both)


def test_boxes_and_masks_of_different_things_are_found_each_by_their_own() -> None:
    masks, boxes = shapes("BrushLabels", "mask", "Galaxy", "Arm"), shapes("RectangleLabels", "box", "Galaxy", "Star")
    assert [one.needs_look for one in fillers(masks, boxes, mask=learned_head())] == [True, False]


def learned_head() -> Detection:
    pyramids = Pyramids(Encoder(SwinConfig(width=12, window=4, heads=(2, 2, 2, 2))).eval(), None, fingerprint="tiny")
    return Detection.base(("Galaxy",), detector=replace(LearnedDetector.blank(pyramids, ("galaxy",)), preferred=True))


def test_no_pictures_fill_nothing() -> None:
    assert [one.fill([]) for one in fillers(choices("Spiral"))] == [[]]
