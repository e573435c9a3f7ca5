"""The signatures of label-studio-ml: 1.0.9 of PyPI and upstream's 2.x call the same class differently."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="c" toName="image">'
    '<Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>'
)


@pytest.fixture
def model_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: Any) -> Any:
    """Return galaxyloop's class with a substitute of the package, which cannot be installed in the same environment."""
    package, module = ModuleType("label_studio_ml"), ModuleType("label_studio_ml.model")

    class LabelStudioMLBase:
        def __init__(self, label_config: str, **values: Any) -> None:
            self.label_config = label_config
            self.__dict__.update(values)

    module.LabelStudioMLBase = LabelStudioMLBase  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "label_studio_ml", package)
    monkeypatch.setitem(sys.modules, "label_studio_ml.model", module)
    monkeypatch.delitem(sys.modules, "backend.server.label_studio_ml", raising=False)
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_URL", files.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-legacy-token")
    from backend.server.label_studio_ml import GalaxyLoop

    return GalaxyLoop


def test_predict_accepts_the_calls_of_both_releases(model_class: Any, files: Any, png: Callable[..., bytes]) -> None:
    data = {"image": files.put("/data/upload/3/model.png", png())}
    of_1_0 = model_class(CONFIG).predict([{"id": 1, "project": 3, "data": data}], login=None, password=None, context=None)
    of_2 = model_class(CONFIG, project_id="3").predict([{"id": 1, "data": data}])
    (old,), (new,) = of_1_0[0]["result"], of_2[0]["result"]
    assert old["value"] == new["value"]
    assert old["value"]["choices"][0] in ("Spiral", "Elliptical")


def test_fit_accepts_the_calls_of_both_releases_and_marks_the_project(model_class: Any, tmp_path: Path) -> None:
    from backend.services import Services
    from backend.settings import Settings

    services = Services(Settings(data_dir=tmp_path))
    services.registry.register_project(3, label_config=CONFIG, extra_params=None)
    model = model_class(CONFIG)
    assert model.fit((), event="ANNOTATION_CREATED", data={"project": {"id": 3}}, job_id="1", workdir="x") == {}
    assert set(services.pending_events.pending()) == {3}
    assert model.fit("ANNOTATION_CREATED", {"project": {"id": 3}}) == {}
