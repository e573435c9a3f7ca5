"""The option `--storage` of `galaxyloop import`: where images are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.cli.terminal import wrong_call

if TYPE_CHECKING:
    from backend.settings import Settings
    from sync.importing.storage.stored import Storage
    from sync.label_studio.client import LabelStudioClient

__all__ = ["check_storage", "open_storage"]

STORAGES = ("uploads", "local", "s3")


def check_storage(name: str, *, bucket: str | None) -> None:
    """End the command if the options of the storage contradict each other."""
    if name not in STORAGES:
        wrong_call(f"unknown storage {name!r}: choose {', '.join(STORAGES)}")
    if name == "s3" and not bucket:
        wrong_call("--storage s3 needs a --bucket")


def open_storage(name: str, project: int, settings: Settings, client: LabelStudioClient, *, bucket: str | None) -> Storage:
    """Return the storage of the option `--storage`."""
    if name == "local":
        from sync.importing.storage.local_files import LocalFiles

        root = settings.local_files_document_root
        if root is None:
            wrong_call(
                "--storage local needs LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, the folder that Label Studio serves files from"
            )
        return LocalFiles(client, project, document_root=root)
    if name == "s3":
        from sync.importing.storage.s3 import S3, Bucket

        assert bucket, "checked before anything is opened"
        secret = settings.s3_secret_access_key.get_secret_value()
        return S3(client, project, bucket=Bucket(bucket, key_id=settings.s3_access_key_id, secret=secret))
    from sync.importing.storage.uploads import Uploads

    return Uploads(client, project, science=settings.data_dir / "science")
