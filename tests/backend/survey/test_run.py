"""A survey's run: the checks of its parts before they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.cluster.version_bundle import bundle_version
from backend.settings import Settings
from backend.survey.errors import SurveyError
from backend.survey.run import SurveyPlan, run_survey
from backend.survey.worker import SurveyJob, SurveyPart, WorkerArguments

CONFIG = '<View><Image name="image" value="$image"/></View>'


@contextmanager
def lose_last_image(arguments: WorkerArguments) -> Iterator[Callable[[Iterable[SurveyJob]], Iterator[SurveyPart]]]:
    """Return a function that makes parts; all but the first lack their last image."""
    yield lambda jobs: (
        SurveyPart(job.number, b"part", sum(span.count for span in job.spans) - min(job.number, 1), 0) for job in jobs
    )


def test_a_part_without_all_of_its_images_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(5):
        (tmp_path / "in" / f"{number}.png").touch()
    version = bundle_version(None, name="v0001", label_config=CONFIG, settings=Settings())
    survey = SurveyPlan(str(tmp_path / "in"), tmp_path / "out", version, part_images=2)
    with pytest.raises(SurveyError, match="part 1 has 1 images and not the 2 of its plan"):
        run_survey(survey, open_engine=lose_last_image, progress=lambda parts, folder, description: parts)
    assert [file.name for file in (tmp_path / "out").glob("part-*")] == ["part-000000.parquet"]
