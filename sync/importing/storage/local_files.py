"""Storage in a folder that Label Studio serves ("Local files")."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sync.importing.storage.folder import store_file
from sync.importing.storage.stored import StoredFile, disable_sync
from sync.label_studio.client import LabelStudioClient

__all__ = ["LocalFiles"]


class LocalFiles:
    """Folder of a project below Label Studio's document root; its storage in Label Studio is created if missing.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    document_root : Path
        Value of Label Studio's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT; the same path must exist on this machine.

    Raises
    ------
    LabelStudioError
        If Label Studio serves no local files or has another document root.
    StorageError
        If the folder cannot be written.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, document_root: Path) -> None:
        self._root = document_root.absolute()  # Label Studio compares paths as strings
        self._folder = self._root / "galaxyloop" / str(project_id)
        store_file(self._folder, StoredFile(".galaxyloop", b""))  # Label Studio accepts only a folder that exists
        request = {"project": project_id, "path": str(self._folder), **disable_sync("galaxyloop import")}
        storages = client.get("/api/storages/localfiles", project=project_id)
        if not any(storage["path"] == request["path"] for storage in storages):
            client.send("POST", "/api/storages/localfiles", json=request)

    def put_images(self, files: Sequence[StoredFile]) -> list[str]:
        """Store images in the folder and return their references."""
        return [self._put(file) for file in files]

    def put_science(self, file: StoredFile) -> str:
        """Store a file with science values next to the images."""
        return self._put(file)

    def _put(self, file: StoredFile) -> str:
        return "/data/local-files/?d=" + quote(str(store_file(self._folder, file).relative_to(self._root)))
