"""Pictures as uploads of Label Studio: nothing to set up, and it keeps them itself.

A file is uploaded under its content id. Label Studio remembers an upload that no task uses yet, so what a killed import
had uploaded is found again by name instead of being uploaded again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from sync.importing.storage.folder import keep
from sync.importing.storage.stored import StoredFile
from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["Uploads"]

UPLOADED = re.compile(r"upload/\d+/[0-9a-f]{8}-(?P<name>[^/]+)")


class Uploads:
    """Uploads of one project.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    science : Path
        A folder for the science values: Label Studio takes no FITS file. Tasks name it as ``science/<project>/…``.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, science: Path) -> None:
        self._client = client
        self._project_id = project_id
        self._science = science
        self._there: dict[str, str] | None = None

    def put_pictures(self, files: Sequence[StoredFile]) -> list[str]:
        """Upload pictures that Label Studio does not have yet, in one request; a picture is at most 100 files' company.

        Raises
        ------
        LabelStudioError
            If Label Studio refuses.
        """
        if self._there is None:
            self._there = self._references(all="true")
        new = [file for file in files if file.name not in self._there]
        if new:
            path = f"/api/projects/{self._project_id}/import?commit_to_project=false"
            answer = self._client.upload(path, [(file.name, file.content) for file in new])
            self._there |= self._references(ids=json.dumps(answer["file_upload_ids"]))
        missing = next((file.name for file in new if file.name not in self._there), None)
        if missing is not None:
            raise LabelStudioError(
                f"Label Studio took the upload of {missing} and does not list it in project {self._project_id}"
            )
        return [self._there[file.name] for file in files]

    def put_science(self, file: StoredFile) -> str:
        """Keep a file in the folder of science values."""
        keep(self._science / str(self._project_id), file)
        return f"science/{self._project_id}/{file.name}"

    def _references(self, **query: str) -> dict[str, str]:
        """Return the reference of each uploaded file by the name it was uploaded under."""
        found = {}
        for upload in self._client.get(f"/api/projects/{self._project_id}/file-uploads", **query):
            match = UPLOADED.fullmatch(str(upload["file"]))
            if match:
                found[match["name"]] = f"/data/{upload['file']}"
        return found
