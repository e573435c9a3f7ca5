"""Storage in an S3 bucket; Label Studio sends presigned URLs to browsers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from sync.importing.s3_client import S3Client
from sync.importing.storage.stored import StoredFile, disable_sync
from sync.label_studio.client import LabelStudioClient

__all__ = ["S3", "Bucket"]

CONCURRENT_WRITES = 8
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "fits": "image/fits"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Bucket for the files, and the access key with which Label Studio signs URLs.

    Attributes
    ----------
    name : str
    key_id, secret : str
        Access key that Label Studio stores with its storage; empty if Label Studio has its own credentials.
    """

    name: str
    key_id: str = ""
    secret: str = ""


class S3:
    """Prefix of a bucket for one project; storing the first image creates the storage in Label Studio if needed.

    Files are written with the credentials, region and endpoint of boto3's configuration (environment, profile, role).

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    bucket : Bucket

    Raises
    ------
    InputError
        If boto3 is not installed.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, bucket: Bucket) -> None:
        self._client = client
        self._project_id = project_id
        self._bucket = bucket
        self._prefix = f"galaxyloop/{project_id}"
        self._s3 = S3Client()

    def put_images(self, files: Sequence[StoredFile]) -> list[str]:
        """Write images to the bucket and return their references.

        Raises
        ------
        StorageError
            If the bucket rejects an image.
        LabelStudioError
            If Label Studio rejects the storage.
        """
        with ThreadPoolExecutor(CONCURRENT_WRITES) as pool:
            references = list(pool.map(self._put, files))
        if references:
            _ = self._storage_id  # Label Studio accepts only a prefix that contains an object
        return references

    def put_science(self, file: StoredFile) -> str:
        """Write a file with science values next to the images."""
        return self._put(file)

    @cached_property
    def _storage_id(self) -> int:
        """Id of the project's storage in Label Studio; it is created if it does not exist."""
        for storage in self._client.get("/api/storages/s3", project=self._project_id):
            if storage["bucket"] == self._bucket.name:
                return int(storage["id"])
        request = {
            "project": self._project_id,
            "bucket": self._bucket.name,
            "prefix": self._prefix,
            "presign": True,
            "region_name": self._s3.region,
            "s3_endpoint": self._s3.endpoint,
            **disable_sync("galaxyloop import"),
        }
        if self._bucket.key_id:
            request |= {"aws_access_key_id": self._bucket.key_id, "aws_secret_access_key": self._bucket.secret}
        return int(self._client.send("POST", "/api/storages/s3", json=request)["id"])

    def _put(self, file: StoredFile) -> str:
        content_type = CONTENT_TYPES.get(file.name.rpartition(".")[2], "application/octet-stream")
        return self._s3.write(self._bucket.name, f"{self._prefix}/{file.name}", file.content, content_type=content_type)
