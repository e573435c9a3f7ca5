"""From images to a part: one row per image, with the predictor's results as numbers, or the reason for their absence."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from astropy.io import fits
from PIL import Image
from pycocotools import mask as coco

from backend.cluster.version_bundle import VersionBundle, bundle_version
from backend.heads.regression import Parameters
from backend.images.local import LocalImageStore
from backend.prediction.factory import PredictorFactory
from backend.prediction.image_features import ImageFeatures
from backend.prediction.predictor import PredictionTask, Predictor
from backend.prediction.project_heads import ProjectHeads
from backend.settings import Settings
from backend.survey.description import describe
from backend.survey.errors import SurveyError
from backend.survey.worker import ENOUGH_DENIED, SurveyJob, SurveyPart, SurveyWorker
from sync.files.cache import MemoryCache
from sync.importing.inputs.collection import Span
from sync.importing.inputs.item import InputError
from sync.importing.s3_client import DeniedError, S3Client
from sync.labelling.config import parse

VIEW = '<View><Image name="image" value="$image"/>{}</View>'
NUMBER = '<Number name="redshift" toName="image"/>'
CHOICES = '<Choices name="{}" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices>'
OBJECTS = '<{0} name="objects" toName="image"><Label value="Galaxy"/></{0}>'


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, png: Callable[..., bytes]) -> list[str]:
    """Return three images, and between them a file that is not an image."""
    folder = tmp_path_factory.mktemp("images")
    images = [("a.png", png()), ("broken.png", b"no image"), ("b.png", png(size=(64, 80), spots=((30, 40, 6),)))]
    for name, content in [*images, ("empty-sky.png", png(spots=()))]:
        (folder / name).write_bytes(content)
    return [str(folder / name) for name, _ in images] + [str(folder / "empty-sky.png")]


def run_of(bundle: VersionBundle, input: str = "/") -> dict[str, Any]:
    return describe(input, bundle, part_images=10)


def worker_of(xml: str, folder: Path | None = None) -> SurveyWorker:
    bundle = version(xml, folder)
    return SurveyWorker((bundle, Path.cwd(), run_of(bundle)))


def version(xml: str, folder: Path | None = None) -> VersionBundle:
    return bundle_version(folder, name="v0001", label_config=xml, settings=Settings())


def part_of(xml: str, images: list[str], folder: Path | None = None) -> SurveyPart:
    return worker_of(xml, folder).work(SurveyJob(0, tuple(map(Span, images))))


def rows_of(part: SurveyPart) -> list[dict[str, Any]]:
    return list(parquet.read_table(io.BytesIO(part.content)).to_pylist())


def predictor(xml: str) -> tuple[PredictorFactory, Predictor]:
    """Return the backend's own predictor, for files."""
    cache = MemoryCache(max_bytes=10**8)
    builder = PredictorFactory(LocalImageStore(max_bytes=10**6, max_pixels=10**6), cache, cache)
    return builder, builder.build(parse(xml), ProjectHeads(), version="v0001")


def config_text(name: str) -> str:
    return resources("labeling_configs").joinpath(f"{name}.xml").read_text()


def test_each_image_has_a_row_with_the_reason_if_it_is_unreadable(images: list[str]) -> None:
    part = part_of(config_text("morphology"), images)
    rows = rows_of(part)
    assert (part.images, part.unreadable, len(rows)) == (4, 1, 4)
    assert [row["id"] for row in rows] == images
    assert [row["error"] is None for row in rows] == [True, False, True, True]
    assert rows[1].pop("error").startswith("the image starts with b'no image'")
    assert all(value is None for name, value in rows[1].items() if name != "id")
    assert [(row["width"], row["height"]) for row in rows if row["width"]] == [(200, 100), (64, 80), (200, 100)]


def test_a_row_has_the_values_of_the_prediction(images: list[str]) -> None:
    xml = config_text("everything")
    builder, backend = predictor(xml)
    predictions = backend.predict([PredictionTask(number, {"image": path}) for number, path in enumerate(images)])
    features_of_images = builder.extractor.extract_features(images, embed=True)
    for row, prediction, features in zip(rows_of(part_of(xml, images)), predictions, features_of_images, strict=True):
        if row["error"] is not None:
            assert prediction.problem == row["error"]
            continue
        assert (row["version"], row["score"]) == ("v0001", pytest.approx(prediction.score, abs=1e-5))
        assert isinstance(features, ImageFeatures)
        assert features.embedding is not None
        np.testing.assert_allclose(row["embedding"], features.embedding, rtol=1e-3, atol=1e-4)
        (class_region,) = (region for region in prediction.result if region["from_name"] == "morphology")
        assert max(row["morphology"], key=row["morphology"].get) == class_region["value"]["choices"][0]
        assert max(row["morphology"].values()) == pytest.approx(class_region["score"], abs=1e-5)
        outlines = [region for region in prediction.result if region["from_name"] == "outline"]
        assert [detection["score"] for detection in row["outline"]] == pytest.approx(
            [region["score"] for region in outlines], abs=1e-5
        )
        for detection, region in zip(row["outline"], outlines, strict=True):
            x, y = np.array(region["value"]["points"]).T
            assert detection["x"] == pytest.approx(x.min() * row["width"] / 100, abs=1)
            assert detection["height"] == pytest.approx((y.max() - y.min()) * row["height"] / 100, abs=1)


def test_masks_are_stored_as_coco_run_lengths(images: list[str]) -> None:
    for row in rows_of(part_of(VIEW.format(OBJECTS.format("BrushLabels")), images[:1])):
        assert row["objects"]
        for detection in row["objects"]:
            size = [row["height"], row["width"]]
            mask = coco.decode(coco.frPyObjects({"size": size, "counts": detection["mask_counts"]}, *size))
            middle = int(detection["y"] + detection["height"] / 2), int(detection["x"] + detection["width"] / 2)
            assert mask[middle] == 1
            assert mask[0, 0] == 0


def test_an_image_that_a_head_rejects_has_a_row_with_the_reason(images: list[str], tmp_path: Path) -> None:
    Image.new("L", (20_001, 1)).save(tmp_path / "strip.png")
    fits.PrimaryHDU(np.ones((1, 50), np.float32)).writeto(tmp_path / "spectrum.fits")
    names = [
        str(tmp_path / "strip.png"),
        images[0],
        str(tmp_path / "spectrum.fits"),
        os.fsdecode(bytes(tmp_path) + b"/na\xffme.png"),
    ]
    shutil.copy(images[0], names[3])
    part = part_of(VIEW.format(OBJECTS.format("RectangleLabels")), names)
    rows = rows_of(part)
    assert part.unreadable == 2
    assert "20001x1 pixels" in rows[0]["error"]
    assert "one line of 50x1 pixels" in rows[2]["error"]
    assert rows[1]["objects"] == rows[3]["objects"] != []
    assert rows[3]["id"].endswith("na\\udcffme.png")


def test_ellipses_are_stored_with_their_boxes(images: list[str]) -> None:
    (row,) = rows_of(part_of(VIEW.format(OBJECTS.format("EllipseLabels")), images[:1]))
    for detection in row["objects"]:
        assert detection["x"] < detection["ellipse"]["x"] < detection["x"] + detection["width"]
        assert detection["ellipse"]["radius_x"] > 0


def test_an_image_without_objects_has_an_empty_list(images: list[str]) -> None:
    row = rows_of(part_of(VIEW.format(OBJECTS.format("RectangleLabels")), images[3:]))[0]
    assert row["objects"] == []
    assert row["score"] == 1


def test_numbers_are_stored_with_their_deviation(images: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = Parameters.fit(rng.normal(0, 1, (30, 1280)), rng.normal(0.5, 0.1, 30))
    ProjectHeads({"redshift": head}).save(tmp_path, parse(VIEW.format(NUMBER)))
    row = rows_of(part_of(VIEW.format(NUMBER), images[:1], tmp_path))[0]
    value, deviation = head.predict(np.array([row["embedding"]]))
    assert row["redshift"]["value"] == pytest.approx(value[0], abs=1e-3)
    assert row["redshift"]["deviation"] == pytest.approx(deviation[0], rel=1e-2)


def test_a_control_named_as_a_fixed_column_gets_a_prefix(images: list[str]) -> None:
    row = rows_of(part_of(VIEW.format(CHOICES.format("score")), images[:1]))[0]
    assert set(row["control_score"]) == {"Spiral", "Elliptical"}
    assert isinstance(row["score"], float)


def test_embeddings_have_a_fixed_size_and_the_file_describes_the_run(images: list[str]) -> None:
    file = parquet.ParquetFile(io.BytesIO(part_of(config_text("morphology"), images).content))
    assert file.schema_arrow.field("embedding").type == pa.list_(pa.float16(), 1280)
    assert json.loads(file.schema_arrow.metadata[b"galaxyloop"]) == run_of(version(config_text("morphology")))


@pytest.mark.slow
def test_the_output_does_not_depend_on_batches(images: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(part_of(config_text("morphology"), images * 3))
    monkeypatch.setattr("backend.survey.worker.BATCH_PIXELS", 1)
    single = rows_of(part_of(config_text("morphology"), images * 3))
    assert [row["id"] for row in rows] == [row["id"] for row in single]
    for row, other in zip(rows, single, strict=True):
        if row["error"] is None:
            np.testing.assert_allclose(row["embedding"], other["embedding"], rtol=2e-3, atol=1e-3)


def test_a_part_without_readable_images_is_written(images: list[str]) -> None:
    part = part_of(config_text("everything"), [images[1], "gone.png"])
    assert (part.images, part.unreadable) == (2, 2)
    assert [row["error"] for row in rows_of(part)][1] == "there is no such file"


@pytest.mark.parametrize(("controls", "reason"), [("", "no control that the heads can predict"), (NUMBER, "no control")])
def test_a_config_without_a_supported_control_is_rejected(controls: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        worker_of(VIEW.format(controls))


@pytest.mark.parametrize("name", ["galaxyloop", "stretch", "heads", "encoder", "sam_checkpoint", "numerics"])
def test_a_machine_with_another_galaxyloop_computes_no_part(name: str) -> None:
    bundle = version(config_text("morphology"))
    sentence = f"its {name.replace('_', ' ')} is .* and not 'other'; install the same galaxyloop on every machine"
    with pytest.raises(SurveyError, match=sentence):
        SurveyWorker((bundle, Path.cwd(), run_of(bundle) | {name: "other"}))


def test_a_part_fails_if_access_to_all_its_images_is_denied(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: S3Client, address: str, *, max_bytes: int) -> bytes:
        raise DeniedError("the object cannot be read: AccessDenied")

    monkeypatch.setattr(S3Client, "read", deny)
    bundle = version(config_text("morphology"))
    worker = SurveyWorker((bundle, Path.cwd(), run_of(bundle, "s3://sky/")))
    images = tuple(Span(f"s3://sky/{number}.png") for number in range(ENOUGH_DENIED))
    with pytest.raises(InputError, match="all 8 images of part 3 were denied, as the first: the object cannot be read"):
        worker.work(SurveyJob(3, images))
    assert worker.work(SurveyJob(4, images[:2])).unreadable == 2


def test_a_part_fails_if_the_input_is_not_visible_on_the_machine(tmp_path: Path) -> None:
    for word in ("surveys/dr10", "surveys/*/*.png", "surveys/rows.parquet"):
        bundle = version(config_text("morphology"))
        worker = SurveyWorker((bundle, tmp_path, run_of(bundle) | {"input": word}))
        with pytest.raises(InputError, match=r"surveys.* does not exist on .*: every worker must be able to read the images"):
            worker.work(SurveyJob(0, (Span("surveys/dr10/a.png"),)))


def test_relative_paths_start_in_the_folder_of_the_user(
    images: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    stands = Path(images[0]).parent
    bundle = version(config_text("morphology"))
    worker = SurveyWorker((bundle, stands, run_of(bundle, str(stands / "*.png"))))
    (row,) = rows_of(worker.work(SurveyJob(0, (Span("a.png"),))))
    assert (row["id"], row["error"]) == ("a.png", None)


def test_a_control_that_names_a_measured_quantity_is_measured(images: list[str], tmp_path: Path) -> None:
    view = VIEW.format('<Number name="axis_ratio" toName="image"/><Number name="mag" toName="image"/>')
    part = part_of(view, images[:1], tmp_path)
    schema = parquet.read_schema(io.BytesIO(part.content))
    assert (schema.field("mag").metadata, schema.field("axis_ratio").metadata) == ({b"unit": b"mag"}, None)
    row = rows_of(part)[0]
    assert 0 < row["axis_ratio"]["value"] <= 1
    assert row["mag"]["value"] is None  # the image is a display image
