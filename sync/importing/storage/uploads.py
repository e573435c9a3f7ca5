"""Storage as uploads to Label Studio, which needs no setup.

The name of an uploaded file is its content id. Label Studio also lists uploads without a task, so after an interrupted import
the next one finds the files by name and does not upload them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from sync.importing.storage.folder import store_file
from sync.importing.storage.stored import StoredFile
from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["Uploads"]

UPLOAD_PATH = re.compile(r"upload/\d+/[0-9a-f]{8}-(?P<name>[^/]+)")


class Uploads:
    """Uploads of one project.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    science : Path
        Folder for FITS files with science values, which Label Studio does not accept as uploads. Tasks refer to them as
        ``science/<project>/…``.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, science: Path) -> None:
        self._client = client
        self._project_id = project_id
        self._science = science
        self._uploads: dict[str, str] | None = None

    def put_images(self, files: Sequence[StoredFile]) -> list[str]:
        """Upload at most 100 images in one request, except those that Label Studio already has; return all references.

        Raises
        ------
        LabelStudioError
            If Label Studio rejects the upload.
        """
        if self._uploads is None:
            self._uploads = self._references(all="true")
        new = [file for file in files if file.name not in self._uploads]
        if new:
            path = f"/api/projects/{self._project_id}/import?commit_to_project=false"
            answer = self._client.upload(path, [(file.name, file.content) for file in new])
            self._uploads |= self._references(ids=json.dumps(answer["file_upload_ids"]))
        missing_name = next((file.name for file in new if file.name not in self._uploads), None)
        if missing_name is not None:
            raise LabelStudioError(
                f"Label Studio took the upload of {missing_name} and does not list it in project {self._project_id}"
            )
        return [self._uploads[file.name] for file in files]

    def put_science(self, file: StoredFile) -> str:
        """Store a file in the folder for science values and return its reference."""
        store_file(self._science / str(self._project_id), file)
        return f"science/{self._project_id}/{file.name}"

    def _references(self, **query: str) -> dict[str, str]:
        """Return the references of uploaded files by their original names."""
        references = {}
        for upload in self._client.get(f"/api/projects/{self._project_id}/file-uploads", **query):
            match = UPLOAD_PATH.fullmatch(str(upload["file"]))
            if match:
                references[match["name"]] = f"/data/{upload['file']}"
        return references
