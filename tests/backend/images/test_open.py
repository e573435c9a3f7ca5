"""The fetcher of images, as the settings describe it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.images.open import open_fetcher
from backend.settings import Settings


def test_an_address_of_the_public_url_is_read_from_label_studio(tmp_path: Path, files: Any) -> None:
    address = files.put("/data/upload/1/galaxy.png", b"pixels")
    settings = Settings(
        data_dir=tmp_path,
        label_studio_url=files.url,
        label_studio_public_url="https://galaxies.example",
        label_studio_api_key="a-legacy-token",
    )
    fetcher = open_fetcher(settings, lambda: "Token a-legacy-token")
    assert fetcher.fetch(f"https://galaxies.example{address}") == b"pixels"
    fetcher.close()
