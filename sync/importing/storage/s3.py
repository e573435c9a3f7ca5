"""Pictures in an S3 bucket, which Label Studio opens for a browser with presigned addresses."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sync.importing.storage.stored import StorageError, StoredFile, never_synced
from sync.label_studio.client import LabelStudioClient

__all__ = ["S3", "Bucket"]

AT_ONCE = 8
"""Files put at the same time: most of a put is waiting."""
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "fits": "image/fits"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where files go, and the key that Label Studio signs addresses with.

    Attributes
    ----------
    name : str
    key_id, secret : str
        Stored in Label Studio with the storage that is made there; empty where it finds credentials of its own.
    """

    name: str
    key_id: str = ""
    secret: str = ""


class S3:
    """A project's part of a bucket; its storage is made in Label Studio with the first picture, if missing.

    We put files with the credentials, region and endpoint that boto3 finds (environment, profile, role).

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    bucket : Bucket

    Raises
    ------
    StorageError
        If boto3 is not installed.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, bucket: Bucket) -> None:
        self._client = client
        self._project_id = project_id
        self._bucket = bucket
        self._prefix = f"galaxyloop/{project_id}"
        try:
            import boto3
        except ModuleNotFoundError as error:
            raise StorageError("the S3 storage needs boto3: install galaxyloop[s3]") from error
        self._s3: Any = boto3.client("s3")

    def put_pictures(self, files: Sequence[StoredFile]) -> list[str]:
        """Put pictures into the bucket.

        Raises
        ------
        StorageError
            If the bucket does not take one.
        LabelStudioError
            If Label Studio does not take the storage.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            references = list(pool.map(self._put, files))
        if references:
            _ = self._known_to_label_studio  # it accepts only a prefix that holds something
        return references

    def put_science(self, file: StoredFile) -> str:
        """Put a file with science values beside the pictures."""
        return self._put(file)

    @cached_property
    def _known_to_label_studio(self) -> int:
        """Id of the project's storage of this bucket."""
        for storage in self._client.get("/api/storages/s3", project=self._project_id):
            if storage["bucket"] == self._bucket.name:
                return int(storage["id"])
        wanted = {
            "project": self._project_id,
            "bucket": self._bucket.name,
            "prefix": self._prefix,
            "presign": True,
            "region_name": self._s3.meta.region_name,
            "s3_endpoint": self._s3.meta.endpoint_url,
            **never_synced("galaxyloop import"),
        }
        if self._bucket.key_id:
            wanted |= {"aws_access_key_id": self._bucket.key_id, "aws_secret_access_key": self._bucket.secret}
        return int(self._client.send("POST", "/api/storages/s3", json=wanted)["id"])

    def _put(self, file: StoredFile) -> str:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        key = f"{self._prefix}/{file.name}"
        kind = CONTENT_TYPES.get(file.name.rpartition(".")[2], "application/octet-stream")
        try:
            self._s3.put_object(Bucket=self._bucket.name, Key=key, Body=file.content, ContentType=kind)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise StorageError(f"the bucket {self._bucket.name!r} does not take {key}: {error}") from error
        return f"s3://{self._bucket.name}/{key}"
