"""A bucket of an S3-compatible service as a store. Needs boto3, the extra `backup`.

Credentials come the way boto3 finds them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role. A
large part goes up in pieces of 16 MiB, one at a time: a service shows an object only when all are there.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sophia_infra.backup.errors import BackupRefused, StoreUnavailable
from sophia_infra.backup.stores import READ_BYTES

__all__ = ["S3Store"]

_PIECE_BYTES: Final = 16 << 20
_NOT_THERE: Final = ("404", "NoSuchKey", "NotFound")
_PASSES: Final = (429, 500, 502, 503, 504)
"""Statuses that go by without anybody doing anything; boto3 asks again at each of them."""


class S3Store:
    """Files below `prefix` of `bucket`.

    Args:
        endpoint: address of the service; None: that of AWS.

    Raises:
        BackupRefused: boto3 is not installed, or finds no settings it can use.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        try:
            # Untyped, and not there without the extra.
            boto3: Any = importlib.import_module("boto3")
            exceptions: Any = importlib.import_module("botocore.exceptions")
        except ImportError:
            raise BackupRefused(
                "A store in a bucket needs boto3, which is not installed.",
                next_step="`pip install 'sophia-infra[backup]'`, or use a folder.",
            ) from None
        self._errors: tuple[type[Exception], ...] = (
            exceptions.BotoCoreError,
            exceptions.ClientError,
            boto3.exceptions.Boto3Error,
        )
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        try:
            self._client: Any = boto3.client("s3", endpoint_url=endpoint)
        except (ValueError, *self._errors) as error:
            raise BackupRefused(
                f"The bucket {bucket} cannot be used: {error}.",
                next_step="set AWS_DEFAULT_REGION and the AWS credentials; check `s3_endpoint`.",
            ) from None

    @property
    def place(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        one_by_one = importlib.import_module("boto3.s3.transfer").TransferConfig(
            multipart_threshold=_PIECE_BYTES, multipart_chunksize=_PIECE_BYTES, use_threads=False
        )
        stream = io.BufferedReader(_ChunkReader(iter(chunks)), READ_BYTES)
        with self._reporting("written"):
            self._client.upload_fileobj(stream, self._bucket, self._prefix + name, Config=one_by_one)

    def get(self, name: str) -> Iterator[bytes]:
        with self._reporting("read"):
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
        with contextlib.closing(body):
            while True:
                with self._reporting("read"):
                    chunk = body.read(READ_BYTES)
                if not chunk:
                    return
                yield chunk

    def names(self, folder: str) -> list[str]:
        with self._reporting("read"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/"
            )
            keys = [row["Key"] for page in pages for row in page.get("Contents", ())]
        return sorted(key.removeprefix(self._prefix) for key in keys)

    def delete(self, name: str) -> None:
        with self._reporting("changed"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def delete_folder(self, folder: str) -> None:
        for name in self.names(folder):
            self.delete(name)
        with self._reporting("changed"):
            # Pieces of an upload that was killed are shown nowhere, and billed.
            begun = self._client.list_multipart_uploads(
                Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/"
            ).get("Uploads", ())
            for upload in begun:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )

    @contextlib.contextmanager
    def _reporting(self, done: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            response = getattr(error, "response", {})
            code = str(response.get("Error", {}).get("Code", ""))
            if done == "read" and code in _NOT_THERE:
                raise FileNotFoundError(code) from None
            raise StoreUnavailable(
                f"The store {self.place} cannot be {done}: {code or type(error).__name__}.",
                next_step="the service is busy or ill, and boto3 tried again for a while: run it later."
                if response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) in _PASSES
                else "check bucket, address, credentials and network; then run it again.",
            ) from error


class _ChunkReader(io.RawIOBase):
    """What an iterator gives, as a stream that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._held = chunk
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count
