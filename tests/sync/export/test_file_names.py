"""File names of an export: no name from a task's data leads out of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.export import FORMATS
from sync.export.run import ExportSummary
from sync.labelling.config import parse

LABEL = "../../../label"
CONFIG = f"""<View><Image name="image" value="$image"/>
<RectangleLabels name="boxes" toName="image"><Label value="{LABEL}"/></RectangleLabels></View>"""
REFERENCES = (
    "/data/upload/1/../../../../../upload.png",
    "/data/upload/1/..%2F..%2F..%2Fquoted.png",
    "/data/local-files/?d=../../../local.png",
    "https://survey.example/a/..\\..\\windows.png",
    "s3://bucket/../../../key.png",
    "/data/upload/1/" + "x" * 5000 + ".png",
    "/data/upload/1/nul\0line\n.png",
)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "moc"])
def test_names_in_task_data_do_not_lead_out_of_the_folder(
    run_export: Callable[..., tuple[Path, ExportSummary]], task: Any, annotation: Any, tmp_path: Path, format: str
) -> None:
    region = {
        "id": "../../../region", "type": "rectanglelabels", "from_name": "boxes", "to_name": "image",
        "original_width": 40, "original_height": 30,
        "value": {"x": 10, "y": 10, "width": 50, "height": 50, "rectanglelabels": [LABEL]},
    }  # fmt: skip
    tasks = [task(annotation(region), image=reference, name="../../../name") for reference in REFERENCES]
    before = set(tmp_path.parent.iterdir())
    folder, summary = run_export(tasks, format, config=parse(CONFIG))
    files = [path.resolve() for path in tmp_path.rglob("*") if not path.is_dir()]
    assert summary.tasks == len(REFERENCES)
    assert files
    assert all(path.is_relative_to(folder.resolve()) for path in files)
    assert set(tmp_path.parent.iterdir()) == before
