"""`galaxyloop predict` writes tasks with predictions that Label Studio imports, without a server."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from typer.testing import Result

from backend.services import Services
from sync.label_studio.validation import check_prediction
from sync.labelling.config import parse

Run = Callable[..., Result]
CONFIGS = Path(__file__).resolve().parents[4] / "labeling_configs"
ONLY_TRAINED = "redshift"
"""The config of which no shipped head predicts a control: its numbers are learned from a project's annotations."""


def predict_folder(run: Run, *words: Any) -> list[dict[str, Any]]:
    """Predict the folder of images and return the written tasks."""
    result = run("predict", "image_folder", "--output", "out.json", *words)
    assert result.exit_code == 1, result.output  # one file is not an image
    tasks: list[dict[str, Any]] = json.loads(Path("out.json").read_text())
    return tasks


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem == "morphology" else pytest.mark.slow)
        for path in sorted(CONFIGS.glob("*.xml"))
        if path.stem != ONLY_TRAINED
    ],
)
def test_predictions_are_valid_under_every_shipped_config(run: Run, image_folder: Path, config: Path) -> None:
    xml = config.read_text()
    interface = LabelInterface(xml)
    for task in predict_folder(run, "--config", config.stem):
        (prediction,) = task["predictions"]
        assert check_prediction(prediction, parse(xml), interface) == []
        assert prediction["result"]
        assert prediction["model_version"] == "galaxyloop-base"


def test_tasks_have_the_configs_image_key_and_the_order_of_the_paths(run: Run, image_folder: Path) -> None:
    Path("own.xml").write_text((CONFIGS / "morphology.xml").read_text().replace("$image", "$cutout"))
    tasks = predict_folder(run, "--config", "own.xml")
    assert [task["data"] for task in tasks] == [
        {"cutout": path} for path in ("image_folder/a.PNG", "image_folder/b.png", "image_folder/deep/c.png")
    ]


def test_unreadable_images_are_listed_and_left_out(run: Run, image_folder: Path) -> None:
    result = run("predict", "image_folder", "missing.png", "--config", "boxes", "--output", "out.json")
    assert result.exit_code == 1
    assert "image_folder/broken.jpg: the image starts with" in result.stderr
    assert "missing.png: there is no such file" in result.stderr
    assert len(json.loads(Path("out.json").read_text())) == 3


@pytest.mark.slow
def test_all_images_are_predicted_if_they_exceed_a_batch(run: Run, image_folder: Path, png: Callable[..., bytes]) -> None:
    for number in range(20):
        (image_folder / f"more-{number:02}.png").write_bytes(png(size=(60, 60), spots=((30, 30, 4),), seed=number))
    assert len(predict_folder(run, "--config", "boxes")) == 23


def test_nothing_is_written_if_no_image_is_readable(run_rejected: Callable[..., str], image_folder: Path) -> None:
    sentence = run_rejected("predict", "image_folder/broken.jpg", "--config", "boxes", "--output", "out.json")
    assert "image_folder/broken.jpg: the image starts with" in sentence
    assert not Path("out.json").exists()


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<View>", "not well-formed"),
        ("<View><Image name='i' value='$i'/></View>", "no control"),
        (
            "<View><Image name='i' value='$i'/><RectangleLabels name='a' toName='i'><Label value='g'/></RectangleLabels>"
            "<Image name='j' value='$j'/><RectangleLabels name='b' toName='j'><Label value='g'/></RectangleLabels></View>",
            "several images a task (i, j)",
        ),
    ],
)
def test_a_config_without_a_supported_control_is_rejected(
    run_rejected: Callable[..., str], image_folder: Path, xml: str, reason: str
) -> None:
    Path("own.xml").write_text(xml)
    assert reason in run_rejected("predict", "image_folder", "--config", "own.xml", "--output", "out.json")


def test_a_config_that_only_trained_heads_predict_is_rejected(run_rejected: Callable[..., str], image_folder: Path) -> None:
    sentence = run_rejected("predict", "image_folder", "--config", ONLY_TRAINED, "--output", "out.json")
    assert "no control that the heads can predict" in sentence


def test_an_unknown_config_is_named(run_rejected: Callable[..., str], image_folder: Path) -> None:
    assert "no-such-config" in run_rejected("predict", "image_folder", "--config", "no-such-config", "--output", "out.json")


def test_only_an_image_that_is_too_long_is_left_out(run: Run, image_folder: Path) -> None:
    Image.new("L", (20_001, 1)).save("image_folder/strip.png")
    result = run("predict", "image_folder", "--config", "boxes", "--output", "out.json")
    assert result.exit_code == 1
    assert "  image_folder/strip.png: the image has 20001x1 pixels" in result.stderr
    assert len(json.loads(Path("out.json").read_text())) == 3


# -- tables, addresses, projects --


@pytest.mark.slow
@pytest.mark.slow
def test_a_csv_file_has_the_units_of_numbers(run: Run, image_folder: Path) -> None:
    """Two shipped configs call a radius `half_light_radius`, one in arcseconds and one in pixels."""
    units = {}
    for config in ("structure", "parameters"):
        run("predict", "image_folder", "--config", config, "--output", "out.csv")
        row = next(csv.DictReader(Path("out.csv").read_text().splitlines()))
        units[config] = {name.removesuffix(" unit"): text for name, text in row.items() if name.endswith(" unit")}
    assert units == {
        "structure": {"half_light_radius": "arcsec", "position_angle": "deg", "magnitude": "mag"},
        "parameters": {"half_light_radius": "pix"},
    }


def test_a_csv_file_has_the_probability_of_each_class_and_counts_of_objects(run: Run, image_folder: Path) -> None:
    result = run("predict", "image_folder", "--config", "everything", "--output", "out.csv")
    assert result.exit_code == 1, result.output  # one file is not an image
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == ["image_folder/a.PNG", "image_folder/b.png", "image_folder/deep/c.png"]
    for row in rows:
        assert sum(float(value) for name, value in row.items() if name.startswith("morphology:")) == pytest.approx(1, abs=1e-3)
        assert int(row["outline:objects"]) >= 1


def test_a_url_prefix_makes_addresses_that_label_studio_can_open(run: Run, image_folder: Path) -> None:
    (image_folder / "a.PNG").rename(image_folder / "a b.png")
    (task, *_) = predict_folder(run, "--config", "boxes", "--url-prefix", "https://data.example.org/sky/")
    assert task["data"] == {"image": "https://data.example.org/sky/image_folder/a%20b.png"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--config", "boxes", "--output", "out.txt"), "must end in .json"),
        (("--config", "boxes", "--output", "out.csv", "--url-prefix", "https://a/"), "--url-prefix is for tasks"),
        (("--output", "out.json"), "name a labelling config with --config, or with --project"),
        (("--config", "boxes", "--version", "v0001", "--output", "out.json"), "--version needs a --project"),
        (("--project", "99", "--output", "out.json"), "project 99"),
        (("--config", "morfology", "--output", "out.json"), "did you mean morphology?"),
    ],
)
def test_a_wrong_call_is_rejected_in_one_sentence(
    run_rejected: Callable[..., str], registry: Path, image_folder: Path, words: tuple[str, ...], reason: str
) -> None:
    assert reason in run_rejected("predict", "image_folder", *words)


def test_the_heads_of_a_project_predict(run: Run, image_folder: Path, trained_project: Services) -> None:
    for task in predict_folder(run, "--project", 7):
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == trained_project.registry.project(7).live_name
        assert prediction["result"][0]["value"]["choices"][0] in ("Round", "Flat")


def test_the_summary_is_written_as_json_and_the_limit_counts_images(run: Run, image_folder: Path) -> None:
    result = run("predict", "image_folder", "--config", "boxes", "--output", "out.json", "--limit", 2, "--json")
    expected = {"output": "out.json", "version": "galaxyloop-base", "images": 2, "without_image": {}, "left_out": {}}
    assert json.loads(result.stdout) == expected
