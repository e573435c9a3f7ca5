"""Folders: parts never share a galaxy or a field."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from backend.scenes.folders import Part, frame_files, generator_of, list_outlines, load_cutouts, survey_generator_of
from backend.scenes.hst_galaxies import load_stamps

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
PARTS: tuple[Part, ...] = ("train", "val", "test")
needs_data = pytest.mark.skipif(
    not (DATA / "masks").is_dir(), reason="the outlined galaxies are not here: ../shared/data/masks"
)


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    for field in range(20):
        for release in ("DR7", "DR9"):
            (tmp_path / f"{field}_{release}.jpg").touch()
    return tmp_path


def test_both_releases_of_a_field_are_in_the_same_part(fields: Path) -> None:
    parts = [{file.stem.split("_")[0] for file in frame_files(fields, part=part)} for part in PARTS]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert all(a.isdisjoint(b) for a, b in combinations(parts, 2))
    assert sum(len(frame_files(fields, part=part)) for part in PARTS) == 40


def test_without_folders_everything_is_simulated(tmp_path: Path) -> None:
    generator = generator_of(tmp_path, part="train")
    assert not generator.cutouts
    assert set(generator.draw(1).kinds) <= {"simulated"}


@needs_data
def test_the_outlined_galaxies_are_split_into_32_8_and_20() -> None:
    parts = [set(list_outlines(DATA / "masks", part=part)) for part in PARTS]
    assert [len(part) for part in parts] == [32, 8, 20]
    assert all(a.isdisjoint(b) for a, b in combinations(parts, 2))


@needs_data
def test_real_galaxies_can_be_cut_out() -> None:
    cutouts = load_cutouts(DATA / "masks", part="val")
    assert len(cutouts) == 8
    assert all(cutout.levels[0].max() > 0.1 and cutout.radius > 10 for cutout in cutouts)


@pytest.mark.skipif(not (DATA / "hst_cosmos").is_dir(), reason="the stamps of HST are not here: ../shared/data/hst_cosmos")
def test_stamps_of_hst_have_no_noise_and_parts_share_none() -> None:
    parts = [load_stamps(DATA / "hst_cosmos", part=part) for part in PARTS]
    assert sum(len(part) for part in parts) == 58
    for stamp in parts[1]:
        border = np.concatenate([stamp.levels[0][0], stamp.levels[0][-1]])
        assert stamp.levels[0].max() == 1
        assert np.median(border) == 0
        assert 1 < stamp.radius < stamp.levels[0].shape[0]


def test_survey_scenes_need_no_folder(tmp_path: Path) -> None:
    scene = survey_generator_of(tmp_path, part="val").draw(1, 96)
    assert set(scene.kinds) <= {"simulated"}
    assert not np.array_equal(scene.image, survey_generator_of(tmp_path, part="test").draw(1, 96).image)
