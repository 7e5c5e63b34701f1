# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Take a published release into the ledger, so that this machine need not read a single provider."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import CorruptError
from gpuledger.flows.imports import import_documents
from gpuledger.flows.ledger import LedgerWriter as Writer
from gpuledger.release.layout import (
    CHAIN,
    OFFERS,
    PRICES,
    SIGNATURE,
    ReleaseManifest,
    chain_faults,
    digest,
    read_chain,
)
from gpuledger.release.reading import Get, fault_of, is_address, manifest_of, opened, rows_fault, table_of
from gpuledger.release.sign import check_signature
from gpuledger.scrapers.release import SOURCE

NOTE = "pulled.json"
"""In the home: by place, the newest link of its chain that was taken."""


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What a pull did."""

    place: str
    number: int
    published_at: str
    files: int
    """That were fetched; what did not change since the last pull is not."""
    rows: int
    new_offers: int
    changes: int
    snapshot: int | None
    refused: tuple[str, ...]
    """What was wrong with files whose rows were not taken; what else was pulled stands."""
    disputed: int
    """Prices that what this ledger knows contradicts: kept, and not counted until they are confirmed or accepted."""
    evidence: tuple[str, ...]
    """Of some of them, in one line each."""


def pull(writer: Writer, place: str, *, public_key: Path | None = None) -> Pulled:
    """Fetch what is new in a release, check it, and record it. Nothing is parsed before its digest was compared.

    Args:
        place: an address or a folder.
        public_key: of the publisher; the manifest must be signed by it.

    Raises:
        CorruptError: a digest, the signature or the chain is not what it must be; nothing was taken.
        UnreachableError: the address does not answer.
    """
    get = opened(place)
    manifest, body = manifest_of(get, place)
    if public_key is not None:
        try:
            check_signature(body, get(SIGNATURE, 4096), public_key)
        except FileNotFoundError:
            raise CorruptError(f"{place} has no {SIGNATURE}, so nobody signed it") from None
    tip = _check_chain(get, manifest, place, writer.home.path / NOTE)
    fetched = _fetch(get, manifest, writer)
    report = import_documents(writer, SOURCE, _documents(writer, place, fetched), count=len(fetched))
    _note(writer.home.path / NOTE, place, tip)
    runs = report.cycle.runs
    return Pulled(
        place=place,
        number=manifest.number,
        published_at=manifest.published_at,
        files=len(fetched),
        rows=sum(run.offers for run in runs),
        new_offers=sum(run.new_offers for run in runs),
        changes=sum(run.changes for run in runs),
        snapshot=report.cycle.snapshot,
        disputed=sum(run.disputed for run in runs),
        evidence=tuple(line for run in runs for line in run.evidence),
        refused=tuple(f"{run.outcome}: {run.error}" for run in runs if run.outcome != "accepted"),
    )


def _check_chain(get: Get, manifest: ReleaseManifest, place: str, note: Path) -> str:
    """Hold the chain against what this home took before; returns the digest of its newest link."""
    file = manifest.file(CHAIN)
    body, fault = fault_of(get, file) if file else (None, f"{CHAIN} is missing")
    if body is None:
        raise CorruptError(f"{place}: {fault}")
    fault = next(chain_faults(manifest, read_chain(body, place)), None)
    if fault is not None:
        raise CorruptError(f"{place}: {fault}; nothing was taken")
    lines = [digest(line) for line in body.splitlines()]
    before = _notes(note).get(place)
    if before is not None and before not in lines:
        raise CorruptError(f"{place}: its chain does not hold what was pulled before: its past was rewritten")
    return lines[-1]


def _fetch(get: Get, manifest: ReleaseManifest, writer: Writer) -> list[tuple[str, bytes]]:
    archived_sha256 = {
        entry["sha256"] for run in writer.archive.manifests([SOURCE.name]) for entry in run.documents
    }
    new_files: list[tuple[str, bytes]] = []
    for file in manifest.files:
        is_wanted = file.path == OFFERS or file.path.startswith(f"{PRICES}/")
        if not is_wanted or file.sha256 in archived_sha256:
            continue
        body, fault = fault_of(get, file)
        if body is None or (fault := rows_fault(body, file)) is not None:
            raise CorruptError(f"{fault}; nothing was taken")
        _sources(file.path, body)
        new_files.append((file.path, body))
    return new_files


_SOURCE_NAME = re.compile("[a-z0-9_]{1,64}")


def _sources(path: str, body: bytes) -> list[str]:
    column = table_of(body, path, {"source": "string"})["source"]
    names = cast("list[str | None]", column.unique().to_pylist())
    for name in names:
        if name is None or not _SOURCE_NAME.fullmatch(name):
            raise CorruptError(f"{path} has rows of a source named {name!r}; nothing was taken")
    return sorted(name for name in names if name is not None)


def _documents(writer: Writer, place: str, fetched: list[tuple[str, bytes]]) -> Iterator[Document]:
    shipped = {"bundled", *(source.name for source in writer.sources if source.name.startswith("history_"))}
    own = shipped if writer.home.has_history else set[str]()
    base = place.rstrip("/") if is_address(place) else f"file:{Path(place).name}"
    for path, body in fetched:
        for source in _sources(path, body):
            # what ships with this program is here already
            if source in own:
                continue
            yield Document(
                source=SOURCE.name,
                request=Request(
                    url=f"{base}/{path}?source={source}",
                    context={"source": source, "table": "offers" if path == OFFERS else "prices"},
                ),
                body=body,
                fetched_at=writer.clock(),
                content_type="application/vnd.apache.parquet",
            )


def _notes(path: Path) -> dict[str, str]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _note(path: Path, place: str, tip: str) -> None:
    path.write_text(
        json.dumps(_notes(path) | {place: tip}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
