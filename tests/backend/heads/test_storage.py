from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from backend.heads import HEADS
from backend.heads.errors import HeadError
from backend.heads.segmentation.network import SegmenterConfig
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.storage import read, write


@pytest.mark.slow
@given(
    array=arrays.arrays(np.float32, arrays.array_shapes(max_dims=2, max_side=5), elements=st.floats(-1e3, 1e3, width=32)),
    names=st.lists(st.text(max_size=8)),
)
def test_written_fields_and_arrays_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.float32], names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("head")
    write(folder, head="some", fields={"names": names}, arrays={"array": array})
    record = read(folder, head="some")
    assert record.names("names") == tuple(names)
    assert (record.array("array", *array.shape) == array).all()
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_folder_without_a_head_is_an_error_for_every_head(tmp_path: Path, head: type[PromptedMasks]) -> None:
    with pytest.raises(HeadError, match="holds no head"):
        head.load(tmp_path / "nowhere")


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_pickle_is_an_error_for_every_head(tmp_path: Path, head: type[PromptedMasks]) -> None:
    for name in ("head.json", "head.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps({"format": 1}))
    with pytest.raises(HeadError, match="JSON and safetensors"):
        head.load(tmp_path)


def test_another_head_or_format_is_an_error(tmp_path: Path) -> None:
    PromptedMasks.blank(SegmenterConfig(channels=(4,)), encoder="some").save(tmp_path)
    with pytest.raises(HeadError, match="no detection head"):
        read(tmp_path, head="detection")
    fields = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps(fields | {"format": 2}))
    with pytest.raises(HeadError, match="format 1"):
        PromptedMasks.load(tmp_path)


def test_a_damaged_field_or_array_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, head="some", fields={"names": [1]}, arrays={"array": np.array([1, np.nan], np.float32)})
    record = read(tmp_path, head="some")
    with pytest.raises(HeadError, match="damaged"):
        record.array("array", 2)
    with pytest.raises(HeadError, match="damaged"):
        record.array("array", 3)
    with pytest.raises(HeadError, match="no array"):
        record.array("other", 2)
    with pytest.raises(HeadError, match="names"):
        record.names("names")
    with pytest.raises(HeadError, match="must be a dict"):
        record.build("names", dict)
