"""Settings: each has a default, is read from one environment variable, and hides its value if it is secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backend.settings import SECRETS_DIR_VARIABLE, Settings

LABEL_STUDIO = {"label_studio_url": "LABEL_STUDIO_URL", "label_studio_api_key": "LABEL_STUDIO_API_KEY"}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("GALAXYLOOP_", "LABEL_STUDIO_")):
            monkeypatch.delenv(name)


def test_no_setting_is_required() -> None:
    settings = Settings()
    assert settings.database.startswith("sqlite:////")
    assert settings.public_url == "http://127.0.0.1:9090"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_description(name: str) -> None:
    assert Settings.model_fields[name].description or name == "threads"


@pytest.mark.parametrize("name", ["batch", "port", "threads", "label_studio_url", "data_dir"])
def test_a_setting_is_read_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LABEL_STUDIO.get(name, f"GALAXYLOOP_{name.upper()}"), "7")
    assert str(getattr(Settings(), name)) == "7"


def test_label_studios_address_may_have_our_prefix_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_LABEL_STUDIO_URL", "http://studio:8080")
    assert Settings().label_studio_url == "http://studio:8080"


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = Settings(label_studio_api_key="hush-1", basic_auth_password="hush-2", webhook_secret="hush-3")
    assert "hush" not in repr(settings)


# -- settings in files --


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_settings_are_read_from_a_dotenv_file_and_a_toml_file(folder: Path) -> None:
    (folder / ".env").write_text("GALAXYLOOP_PORT=9191\nLABEL_STUDIO_API_KEY=hush\nUNRELATED=1\n")
    (folder / "galaxyloop.toml").write_text('batch = 25\nlabel_studio_url = "http://studio:8080"\n')
    settings = Settings()
    assert (settings.port, settings.batch, settings.label_studio_url) == (9191, 25, "http://studio:8080")
    assert settings.label_studio_api_key.get_secret_value() == "hush"


def test_the_environment_goes_before_dotenv_and_dotenv_before_toml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "galaxyloop.toml").write_text("batch = 1\nport = 1\nthreads = 1\n")
    (folder / ".env").write_text("GALAXYLOOP_BATCH=2\nGALAXYLOOP_PORT=2\n")
    monkeypatch.setenv("GALAXYLOOP_BATCH", "3")
    settings = Settings()
    assert (settings.batch, settings.port, settings.threads) == (3, 2, 1)


# -- secrets in files --


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in the form of a container's /run/secrets."""
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("label_studio_api_key", "label_studio_api_key"),
        ("database_password", "galaxyloop_database_password"),
        ("basic_auth_password", "galaxyloop_basic_auth_password"),
        ("webhook_secret", "galaxyloop_webhook_secret"),
    ],
)
def test_a_secret_is_read_from_a_file_of_its_name(name: str, file: str, secrets: Path) -> None:
    (secrets / file).write_text("hush\n")
    assert getattr(Settings(), name).get_secret_value() == "hush"


def test_the_environment_goes_before_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "galaxyloop_webhook_secret").write_text("from the file")
    monkeypatch.setenv("GALAXYLOOP_WEBHOOK_SECRET", "from the environment")
    assert Settings().webhook_secret.get_secret_value() == "from the environment"


def test_a_missing_folder_of_secrets_is_reported(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(secrets / "elsewhere"))
    with pytest.warns(UserWarning, match=r"elsewhere\" does not exist"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"), [("port", 0), ("port", 70000), ("batch", 0), ("lease_s", 0), ("worker_niceness", -5), ("threads", 0)]
)
def test_an_impossible_value_is_refused(name: str, value: int) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(ValidationError, match=name):
        Settings(**values)


def test_all_that_is_kept_lies_in_the_data_folder() -> None:
    settings = Settings(data_dir=Path("/data"))
    assert {path.parent for path in (settings.versions_dir, settings.cache_dir, settings.queue_file)} == {Path("/data")}
    assert settings.database == "sqlite:////data/galaxyloop.db"


def test_image_hosts_are_a_list_with_commas() -> None:
    assert Settings(image_hosts=" a.org, b.org:8000 ,").allowed_hosts == {"a.org", "b.org:8000"}


def test_the_documentation_names_every_setting_and_its_description() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        variable = LABEL_STUDIO.get(
            name, "LABEL_STUDIO_HOST" if name == "label_studio_public_url" else f"GALAXYLOOP_{name.upper()}"
        )
        assert f"| `{variable}` |" in page
        assert f"| {field.description} |" in page
