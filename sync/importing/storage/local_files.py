"""Pictures in a folder that Label Studio serves from its disk ("Local files"), for machines that share one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sync.importing.storage.folder import keep
from sync.importing.storage.stored import StoredFile, never_synced
from sync.label_studio.client import LabelStudioClient

__all__ = ["LocalFiles"]


class LocalFiles:
    """A project's folder below Label Studio's document root; its storage is made in Label Studio if missing.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    document_root : Path
        Label Studio's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, at the same place here as there.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses: it serves no local files, or has another document root.
    StorageError
        If the folder cannot be written.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, document_root: Path) -> None:
        self._root = document_root.absolute()  # Label Studio compares it as it was written
        self._folder = self._root / "galaxyloop" / str(project_id)
        keep(self._folder, StoredFile(".galaxyloop", b""))  # Label Studio accepts only a folder that exists
        wanted = {"project": project_id, "path": str(self._folder), **never_synced("galaxyloop import")}
        stored = client.get("/api/storages/localfiles", project=project_id)
        if not any(storage["path"] == wanted["path"] for storage in stored):
            client.send("POST", "/api/storages/localfiles", json=wanted)

    def put_pictures(self, files: Sequence[StoredFile]) -> list[str]:
        """Keep pictures in the folder."""
        return [self._put(file) for file in files]

    def put_science(self, file: StoredFile) -> str:
        """Keep a file with science values beside the pictures."""
        return self._put(file)

    def _put(self, file: StoredFile) -> str:
        return "/data/local-files/?d=" + quote(str(keep(self._folder, file).relative_to(self._root)))
