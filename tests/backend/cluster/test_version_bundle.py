"""A version bundle predicts the same on another machine and needs no further files."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backend.cluster.version_bundle import bundle_version, without_secrets
from backend.heads import HeadError
from backend.heads.classification.morphology import Morphology
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from backend.settings import Settings
from sync.labelling.config import parse
from tests.small_encoders import save_encoder

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Round"/><Choice value="Flat"/></Choices></View>"""


@pytest.fixture
def version(tmp_path: Path, embeddings: Callable[..., Any], predicting: Services) -> Path:
    """Return a folder with a trained head."""
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=predicting.predictors.extractor.dimension)
    head = Morphology.fit(vectors, targets, classes=("Round", "Flat"), exclusive=True)
    folder = tmp_path / "v0002"
    folder.mkdir()
    ProjectHeads({"class": head}).save(folder, parse(CONFIG))
    return folder


def test_a_bundled_version_predicts_the_same(
    version: Path, predicting: Services, files: Any, png: Callable[..., bytes]
) -> None:
    task = PredictionTask(1, {"image": files.put("/data/upload/9/bundle.png", png())})
    heads = ProjectHeads.load(version, parse(CONFIG))
    local = predicting.predictors.build(parse(CONFIG), heads, version="v0002").predict([task])
    bundle = bundle_version(version, name="v0002", label_config=CONFIG, settings=predicting.settings)
    shutil.rmtree(version)
    remote = pickle.loads(pickle.dumps(bundle)).predictor(predicting.predictors).predict([task])
    assert [_plain(prediction.as_json()) for prediction in remote] == [_plain(prediction.as_json()) for prediction in local]
    assert remote[0].model_version == "v0002"


def test_a_bundle_contains_heads_of_other_versions(version: Path, tmp_path: Path, predicting: Services) -> None:
    own_folder, shipped_folder = tmp_path / "v0003", tmp_path / "v0001"
    bundle = bundle_version(
        own_folder, name="v0003", label_config=CONFIG, settings=predicting.settings, head_folders={"class": version}
    )
    assert bundle.predictor(predicting.predictors).models  # only that head can predict the control
    bundle = bundle_version(
        version, name="v0004", label_config=CONFIG, settings=predicting.settings, head_folders={"class": shipped_folder}
    )
    assert not bundle.predictor(predicting.predictors).models


def test_a_bundle_without_a_folder_uses_the_shipped_heads(tmp_path: Path, predicting: Services) -> None:
    for folder in (None, tmp_path / "not there"):
        bundle = bundle_version(folder, name="v0001", label_config=CONFIG, settings=predicting.settings)
        assert bundle.files == {}
        assert bundle.predictor(predicting.predictors).version == "v0001"


def test_the_data_folder_of_a_bundle_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = bundle_version(None, name="v0001", label_config=CONFIG, settings=Settings(data_dir=Path("data")))
    assert bundle.settings.data_dir == tmp_path / "data"


@pytest.mark.slow
def test_a_bundle_contains_no_secret_except_the_access_token() -> None:
    secrets: Any = {name: f"hidden-{name}" for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    urls = {"database_url": "postgresql://me:hidden-there@db/galaxyloop", "queue_url": "redis://:hidden-here@queue"}
    settings = Settings(**secrets | urls | {"s3_access_key_id": "hidden-key"})
    assert len(secrets) >= 5
    pickle_bytes = pickle.dumps(bundle_version(None, name="v0001", label_config=CONFIG, settings=settings))
    assert pickle_bytes.count(b"hidden-") == pickle_bytes.count(b"hidden-label_studio_api_key") == 1
    pickle_bytes = pickle.dumps(bundle_version(None, name="v0001", label_config=CONFIG, settings=without_secrets(settings)))
    assert b"hidden-" not in pickle_bytes
    assert settings.database_password.get_secret_value() == "hidden-database_password"


def _plain(prediction: dict[str, Any]) -> dict[str, Any]:
    """Return a prediction without the random ids of its regions."""
    return prediction | {"result": [region | {"id": ""} for region in prediction["result"]]}


def test_a_bundle_contains_the_encoder_of_its_heads(
    version: Path, tmp_path: Path, predicting: Services, embeddings: Callable[..., Any]
) -> None:
    entry = predicting.encoders.add(save_encoder(tmp_path / "mine"))
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=entry.dimension)
    head = Morphology.fit(vectors, targets, classes=("Round", "Flat"), exclusive=True)
    ProjectHeads({"class": replace(head, encoder=entry.fingerprint)}).save(version, parse(CONFIG))
    bundle = bundle_version(version, name="v0002", label_config=CONFIG, settings=predicting.settings)
    shutil.rmtree(predicting.encoders.folder)
    predictor = pickle.loads(pickle.dumps(bundle)).predictor(predicting.predictors)
    assert len(predictor.models) == 1
    assert predictor.extractor.dimension == 32 + 1280
    without = bundle_version(version, name="v0002", label_config=CONFIG, settings=predicting.settings)
    with pytest.raises(HeadError, match=f"the heads of v0002 stand on the encoder {entry.fingerprint}, which is not in"):
        without.predictor(predicting.predictors)


def test_a_bundle_of_heads_on_both_shipped_networks_contains_no_encoder(
    version: Path, predicting: Services, embeddings: Callable[..., Any]
) -> None:
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=2108)
    head = Morphology.fit(vectors, targets, classes=("Round", "Flat"), exclusive=True)
    ProjectHeads({"class": replace(head, encoder=predicting.encoders.shipped_name)}).save(version, parse(CONFIG))
    bundle = bundle_version(version, name="v0002", label_config=CONFIG, settings=predicting.settings)
    assert not any(name.startswith("encoders/") for name in bundle.files)
    predictor = bundle.predictor(predicting.predictors)
    assert len(predictor.models) == 1
    assert predictor.extractor.dimension == 2108
