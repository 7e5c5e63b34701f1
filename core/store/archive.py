"""Bytes on disk by content hash, and one manifest per run. Nothing is parsed that is not here first.

`archive/ab/abcdef....zst` holds the bytes of one document; `archive/runs/2026/11/<run_id>.json` says which
documents a run fetched, from where and when, or why it could not. Replaying the manifests in order gives the
ledger's history again. Nothing here is ever changed; both are written to a temporary name, flushed to disk
and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import CorruptError
from gpuledger.core.files import write_whole


@dataclass(frozen=True, kw_only=True)
class FetchFailure:
    """Why a run has no complete set of documents."""

    kind: str
    message: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What one run fetched. `failure` is set when the fetch did not end well."""

    run_id: str
    source: str
    started_at: datetime
    observed_at: datetime
    documents: tuple[Mapping[str, Any], ...]
    is_complete: bool = True
    failure: FetchFailure | None = None
    superseded: tuple[Mapping[str, Any], ...] = ()
    """Answers that could not be read, so that a fallback was asked; kept as evidence, never parsed again."""


def run_id(source: str, started_at: datetime) -> str:
    """Name of a run; sorts by start time."""
    return f"{started_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{source}"


def started_at(run: str) -> tuple[datetime, str]:
    """When the run of that name began, and of which source it is."""
    time, _, source = run.partition("Z-")
    return datetime.strptime(time, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC), source


class Archive:
    """The archive of one home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, document: Document) -> dict[str, Any]:
        """Keep the bytes, anew where they broke; returns the document's entry for a manifest."""
        path = self.path(document.sha256)
        if not self.holds(document.sha256):
            write_whole(path, zstandard.ZstdCompressor(level=9, write_checksum=True).compress(document.body))
        return {
            "url": document.request.url,
            "method": document.request.method,
            "payload": document.request.payload,
            "context": dict(document.request.context),
            "sha256": document.sha256,
            "body_bytes": len(document.body),
            "status": document.status,
            "content_type": document.content_type,
            "etag": document.etag,
            "last_modified": document.last_modified,
            "fetched_at": document.fetched_at.astimezone(UTC).isoformat(),
        }

    def body(self, sha256: str) -> bytes:
        """The bytes of that hash.

        Raises:
            CorruptError: not there, or not what was written.
        """
        path = self.path(sha256)
        try:
            body = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        except FileNotFoundError:
            raise CorruptError(f"the archive lacks {sha256}") from None
        except OSError as error:
            raise CorruptError(f"{path} cannot be read: {error.strerror}") from error
        except zstandard.ZstdError as error:
            raise CorruptError(f"{path} cannot be decompressed: {error}") from error
        if hashlib.sha256(body).hexdigest() != sha256:
            raise CorruptError(f"{path} does not hold the bytes of its name")
        return body

    def holds(self, sha256: str) -> bool:
        """Whether the bytes of that hash are here, whole."""
        try:
            self.body(sha256)
        except CorruptError:
            return False
        return True

    def documents(self, manifest: Manifest) -> list[Document]:
        """The documents of a run, read back from disk and checked against their hashes."""
        return [self._document(manifest.source, entry) for entry in manifest.documents]

    def write_manifest(self, manifest: Manifest) -> None:
        """Keep what a run fetched; from here on the run exists, whatever happens to the database."""
        content = {
            "run_id": manifest.run_id,
            "source": manifest.source,
            "started_at": manifest.started_at.astimezone(UTC).isoformat(),
            "observed_at": manifest.observed_at.astimezone(UTC).isoformat(),
            "is_complete": manifest.is_complete,
            "documents": [dict(entry) for entry in manifest.documents],
            "superseded": [dict(entry) for entry in manifest.superseded],
            "failure": vars(manifest.failure) if manifest.failure else None,
        }
        write_whole(self._manifest_path(manifest.run_id), json.dumps(content, indent=1).encode())

    def run_ids(self, since: datetime | None) -> list[str]:
        """Names of the runs whose month is not before `since`'s, or all, in order; reads no manifest."""
        return [run for month in self._months(since) for run in _runs_of(month)]

    def manifest(self, run: str) -> Manifest:
        """The manifest of that run.

        Raises:
            CorruptError: it cannot be read.
        """
        return _read_manifest(self._manifest_path(run))

    def newest(self, source: str, since: datetime) -> Manifest | None:
        """The last run of a source since then that can be read, failed ones included, if any."""
        for month in reversed(self._months(since)):
            for run in reversed(_runs_of(month, (source,))):
                with suppress(CorruptError):
                    return self.manifest(run)
        return None

    def newest_of(self, sources: Collection[str], since: datetime) -> dict[str, Manifest]:
        """The last run of each of the sources since then that can be read, in one pass over the names."""
        left = set(sources)
        newest: dict[str, Manifest] = {}
        for month in reversed(self._months(since)):
            for run in reversed(_runs_of(month, left)):
                source = run.partition("Z-")[2]
                if source not in newest:
                    with suppress(CorruptError):
                        newest[source] = self.manifest(run)
            if left <= newest.keys():
                break
        return newest

    def has_run(self, run: str) -> bool:
        """Whether a run of that name was kept."""
        return self._manifest_path(run).exists()

    def set_aside(self, run: str) -> None:
        """Move a run's manifest out of the ledger's history, into the folder `set-aside`; its documents stay.

        Raises:
            OSError: the disk refused.
        """
        target = self._folder / "set-aside" / f"{run}.json"
        target.parent.mkdir(exist_ok=True)
        self._manifest_path(run).replace(target)

    def manifests(self, sources: Sequence[str] = (), since: datetime | None = None) -> Iterator[Manifest]:
        """All manifests in the order of their runs, of some sources or all.

        Raises:
            CorruptError: a manifest cannot be read.
        """
        for month in self._months(since):
            for run in _runs_of(month, sources):
                manifest = self.manifest(run)
                if since is None or manifest.started_at >= since:
                    yield manifest

    def _months(self, since: datetime | None) -> list[Path]:
        """Folders of the months from `since`'s on, in order. A year of hourly runs is some 150,000 files, so a
        refresh must not look at all of them."""
        first = f"{since.astimezone(UTC):%Y/%m}" if since else ""
        runs = self._folder / "runs"
        return sorted(month for month in runs.glob("*/*") if month.relative_to(runs).as_posix() >= first)

    def path(self, sha256: str) -> Path:
        """File of the bytes of that hash, there or not."""
        return self._folder / sha256[:2] / f"{sha256}.zst"

    def _manifest_path(self, run: str) -> Path:
        return self._folder / "runs" / run[:4] / run[4:6] / f"{run}.json"

    def _document(self, source: str, entry: Mapping[str, Any]) -> Document:
        request = Request(
            url=entry["url"], method=entry["method"], payload=entry["payload"], context=entry["context"]
        )
        return Document(
            source=source,
            request=request,
            body=self.body(entry["sha256"]),
            fetched_at=datetime.fromisoformat(entry["fetched_at"]),
            status=entry["status"],
            content_type=entry["content_type"],
            etag=entry["etag"],
            last_modified=entry["last_modified"],
        )


def _runs_of(month: Path, sources: Collection[str] = ()) -> list[str]:
    """Names of the runs of a month, of some sources or all, in order."""
    with os.scandir(month) as entries:
        names = [entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")]
    return sorted(name for name in names if not sources or name.partition("Z-")[2] in sources)


def _read_manifest(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_bytes())
        return Manifest(
            run_id=content["run_id"],
            source=content["source"],
            started_at=datetime.fromisoformat(content["started_at"]),
            observed_at=datetime.fromisoformat(content["observed_at"]),
            documents=tuple(content["documents"]),
            is_complete=content["is_complete"],
            superseded=tuple(content["superseded"]),
            failure=FetchFailure(**content["failure"]) if content["failure"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{path} is not a manifest: {error}") from error
