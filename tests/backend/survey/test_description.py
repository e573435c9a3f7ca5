"""The description of a run: equal for the same survey from any folder, different if a part would change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from backend.cluster.version_bundle import VersionBundle, bundle_version
from backend.lvm.checkpoint import CheckpointError
from backend.settings import Settings
from backend.survey.description import describe

CONFIG = '<View><Image name="image" value="$image"/></View>'


def version(label_config: str = CONFIG, **settings: Any) -> VersionBundle:
    return bundle_version(None, name="v0001", label_config=label_config, settings=Settings(**settings))


def differences(first: dict[str, Any], other: dict[str, Any]) -> set[str]:
    assert first.keys() == other.keys()
    return {name for name, value in first.items() if other[name] != value}


def test_the_input_is_described_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    description = describe("image_folder/**", version(), part_images=10)
    assert description["input"] == str(tmp_path / "image_folder/**")
    monkeypatch.chdir("elsewhere")
    assert describe("../image_folder/**", version(), part_images=10) == description
    assert differences(description, describe("image_folder/**", version(), part_images=10)) == {"input"}
    assert describe("s3://sky/**", version(), part_images=10)["input"] == "s3://sky/**"


def test_everything_that_changes_a_part_is_described() -> None:
    plain = describe("in", version(), part_images=10)
    assert differences(plain, describe("in", version(), part_images=11)) == {"images_a_part"}
    assert differences(plain, describe("in", version(CONFIG + "<!-- -->"), part_images=10)) == {"labelling_config"}
    assert differences(plain, describe("in", version(image_max_bytes=7), part_images=10)) == {"largest_image_bytes"}
    assert differences(plain, describe("in", version(image_max_pixels=7), part_images=10)) == {"largest_image_pixels"}
    assert {"galaxyloop", "stretch", "heads", "encoder"} < plain.keys()


def test_a_sam_checkpoint_is_described_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "sam_vit_b.pth"
    file.write_bytes(b"weights")
    first = describe("in", version(sam_checkpoint=file), part_images=10)
    os.rename(file, tmp_path / "moved.pth")
    assert describe("in", version(sam_checkpoint=tmp_path / "moved.pth"), part_images=10) == first
    file.write_bytes(b"other weights")
    assert differences(first, describe("in", version(sam_checkpoint=file), part_images=10)) == {"sam_checkpoint"}


def test_a_missing_sam_checkpoint_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"the SAM checkpoint .*gone\.pth cannot be read: No such file"):
        describe("in", version(sam_checkpoint=tmp_path / "gone.pth"), part_images=10)
