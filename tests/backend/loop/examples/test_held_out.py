"""Held-out tasks: about the requested share, permanently, and no galaxy on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.examples.held_out import DEFAULT_SHARE, LEAST_CELLS, Sides, choose_held_out, held_out_share, sides_of
from sync.label_studio.annotations import Annotation

KEYS = ["image"]


def held_out(tasks: dict[int, dict[str, Any]], share: float = DEFAULT_SHARE) -> frozenset[int]:
    return choose_held_out(tasks, image_keys=KEYS, share=share)


def files(count: int) -> dict[int, dict[str, Any]]:
    return {task: {"image": f"/data/upload/1/0000abcd-galaxy-{task}.png"} for task in range(1, count + 1)}


def annotate(tasks: dict[int, dict[str, Any]], *, size: int = 100, **more: Any) -> list[Annotation]:
    region = {"type": "choices", "from_name": "c", "original_width": size, "original_height": size}
    return [
        Annotation(task, task, data, [region], "2026-01-01T00:00:00Z", 1, False, None, None, **more)
        for task, data in tasks.items()
    ]


def sides(tasks: dict[int, dict[str, Any]], *, out: set[int], **more: Any) -> Sides:
    return sides_of(annotate(tasks, **more), held_out=frozenset(out), image_keys=KEYS)


@pytest.mark.parametrize("share", [0, 0.1, 0.2, 0.5])
def test_about_the_share_is_held_out(share: float) -> None:
    assert len(held_out(files(5000), share)) / 5000 == pytest.approx(share, abs=0.03)


def test_a_larger_share_includes_the_tasks_of_a_smaller_one() -> None:
    assert held_out(files(500), 0.1) < held_out(files(500), 0.3)


@given(st.integers(LEAST_CELLS, 60), st.integers(0, 60))
def test_a_task_stays_on_its_side_when_tasks_are_added(count: int, more: int) -> None:
    before, after = held_out(files(count)), held_out(files(count + more))
    assert before == {task for task in after if task <= count}


def test_a_project_with_few_files_has_no_held_out_tasks() -> None:
    assert held_out(files(LEAST_CELLS - 1), 0.5) == frozenset()


def test_tasks_of_the_same_file_are_on_the_same_side() -> None:
    tasks = files(100)
    duplicates = tasks | {task + 1000: data for task, data in tasks.items()}
    held_out_tasks = held_out(duplicates)
    assert {task for task in held_out_tasks if task > 1000} == {task + 1000 for task in held_out_tasks if task < 1000}


def test_the_side_follows_from_the_sky_position_not_from_the_file_name() -> None:
    rng = np.random.default_rng(0)
    places = list(zip(rng.uniform(0, 360, 200).tolist(), rng.uniform(-80, 80, 200).tolist(), strict=True))
    tasks = {task: {"image": f"a-{task}.png", "ra": ra, "dec": dec} for task, (ra, dec) in enumerate(places)}
    tasks_with_other_names = {
        task: {"image": f"s3://b/{task}.fits", "RAJ2000": str(ra), "DEJ2000": dec} for task, (ra, dec) in enumerate(places)
    }
    assert held_out(tasks) == held_out(tasks_with_other_names)
    assert 20 <= len(held_out(tasks)) <= 60


# -- no galaxy on both sides --


def image(ra: float, dec: float = 0.0, *, scale: float = 0.4) -> dict[str, Any]:
    return {"image": f"{ra}-{dec}.png", "ra": ra, "dec": dec, "pixel_scale_arcsec": scale}


def test_images_that_overlap_on_the_sky_are_neighbours() -> None:
    # 100 px of 0.4 arcsec: 28 arcsec from the middle to the corners.
    tasks = {1: image(10.0), 2: image(10.0 + 50 / 3600), 3: image(10.0 + 200 / 3600)}
    division = sides(tasks, out={1})
    assert (division.neighbours[1], division.neighbours[2], division.neighbours[3]) == ({2}, {1}, frozenset())
    assert division.set_aside == {2}


def test_images_at_the_pole_and_at_zero_right_ascension_are_neighbours() -> None:
    assert sides({1: image(359.9999), 2: image(0.0001)}, out={1}).set_aside == {2}
    assert sides({1: image(0.0, 89.999), 2: image(180.0, 89.999)}, out={1}).set_aside == {2}


def test_positions_of_one_galaxy_in_images_of_unknown_size_are_neighbours() -> None:
    tasks = {1: {"image": "a.png", "ra": 10.0, "dec": 5.0}, 2: {"image": "b.png", "ra": 10.0005, "dec": 5.0}}
    assert sides(tasks, out={1}).set_aside == {2}


def test_the_image_size_is_read_from_the_wcs_if_regions_do_not_state_it() -> None:
    other_field = {"wcs": {"NAXIS1": 2000, "NAXIS2": 2000}}
    assert sides({1: image(10.0) | other_field, 2: image(10.1) | other_field}, out={1}, size=0).set_aside == {2}


def test_overlapping_tiles_of_an_image_are_neighbours() -> None:
    def tile(x: int, y: int, *, width: str = "-w80") -> dict[str, Any]:
        return {"image": f"/data/upload/3/0123abcd-field-x{x}-y{y}{width}.png"}

    tasks = {
        1: tile(100, 100),
        2: tile(170, 120),
        3: tile(180, 100),
        4: {"image": "/data/upload/3/0123abcd-sky-x100-y100-w80.png"},
    }
    assert sides(tasks, out={1}).set_aside == {2}
    assert sides({1: tile(100, 100, width=""), 2: tile(190, 100, width="")}, out={1}).set_aside == {2}


def test_numbered_tiles_of_the_first_demo_belong_to_one_image() -> None:
    tasks = {
        number: {"image": f"/data/upload/1/0123abcd-hubble-deep-field-0{number}-x{100 + 50 * number}-y90.png"}
        for number in (1, 2)
    }
    assert sides(tasks, out={1}).set_aside == {2}


def test_a_file_that_is_uploaded_twice_is_recognised_by_its_hash() -> None:
    tasks = {1: {"image": "/data/upload/1/0000aaaa-a.png"}, 2: {"image": "/data/upload/1/0000bbbb-a.png"}}
    division = sides_of(annotate(tasks), held_out=frozenset({1}), image_keys=KEYS, contents={1: "k", 2: "k"})
    assert division.set_aside == {2}


def test_equal_files_show_one_galaxy_unless_positions_name_two() -> None:
    files = {1: {"image": "/data/upload/1/0000aaaa-a.png"}, 2: {"image": "/data/upload/1/0000bbbb-b.png"}}
    galaxies = sides_of(annotate(files), held_out=frozenset(), image_keys=KEYS, contents={1: "k", 2: "k"}).galaxies
    assert galaxies[1] == galaxies[2]
    placeholders = {1: files[1] | {"ra": 10.0, "dec": 0.0}, 2: files[2] | {"ra": 20.0, "dec": 0.0}}
    galaxies = sides_of(annotate(placeholders), held_out=frozenset(), image_keys=KEYS, contents={1: "k", 2: "k"}).galaxies
    assert galaxies[1] != galaxies[2]


def test_tasks_that_share_a_page_are_neighbours() -> None:
    tasks = {1: {"image": ["a.png", "b.png"]}, 2: {"image": ["b.png", "c.png"]}, 3: {"image": ["d.png"]}}
    assert sides(tasks, out={1}).set_aside == {2}


places = st.lists(st.tuples(st.floats(10, 10.1), st.floats(0, 0.1), st.booleans()), max_size=40)


@given(places)
def test_images_on_different_sides_do_not_overlap(positions: list[tuple[float, float, bool]]) -> None:
    tasks = {task: image(ra, dec) for task, (ra, dec, _) in enumerate(positions)}
    out = {task for task, (*_, held_out_tasks) in enumerate(positions) if held_out_tasks}
    division = sides(tasks, out=out)
    for task in tasks.keys() - out - division.set_aside:
        assert not division.neighbours[task] & out


# -- ground truth, and the share --


def test_a_task_with_a_ground_truth_annotation_is_held_out() -> None:
    division = sides_of(
        [*annotate(files(3)), *annotate({2: files(3)[2]}, ground_truth=True)], held_out=frozenset(), image_keys=KEYS
    )
    assert division.held_out == {2}


@pytest.mark.parametrize("share", [0, 0.0, 0.2, 0.5])
def test_the_share_is_read_from_the_extra_params(share: float) -> None:
    assert held_out_share({"audit": share, "batch": 5}) == share
    assert held_out_share({}) == DEFAULT_SHARE


@pytest.mark.parametrize("share", [-0.1, 0.6, 20, "0.2", True, None, [0.2], float("nan")])
def test_an_invalid_share_is_an_error(share: Any) -> None:
    with pytest.raises(ValueError, match=r"the extra param audit is a share of the tasks from 0 to 0\.5, not"):
        held_out_share({"audit": share})
