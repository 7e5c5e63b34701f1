"""Dated lists from disk: the bundled price list and everything that `gpuledger import` reads."""

from __future__ import annotations

from pathlib import Path

from gpuledger.core.document import Document, Request
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.publish import is_published
from gpuledger.flows.ledger import Ledger
from gpuledger.flows.pipeline import read_run, record_runs
from gpuledger.scrapers.history import archives
from gpuledger.scrapers.source import Source

BUNDLED = "seeds/bundled_price.csv"
HISTORY = "history"


def take_list(ledger: Ledger, source: Source, path: Path, *, url: str) -> Manifest | None:
    """Put a dated list from disk into the archive as a run; `None` when these bytes were taken before."""
    ledger.home.create()
    now = ledger.clock()
    document = Document(
        source=source.name,
        request=Request(url=url),
        body=path.read_bytes(),
        fetched_at=now,
        content_type="text/csv",
    )
    archive = ledger.archive
    for manifest in archive.manifests([source.name]):
        if any(entry["sha256"] == document.sha256 for entry in manifest.documents):
            return None
    manifest = Manifest(
        run_id=run_id(source.name, now),
        source=source.name,
        started_at=now,
        observed_at=now,
        documents=(archive.put(document),),
    )
    archive.write_manifest(manifest)
    return manifest


def take_history(ledger: Ledger, source: Source, path: Path) -> Manifest | None:
    """Put a file of the bundled history into the archive as a run, one document per archive that it was distilled
    from; `None` when these bytes were taken before."""
    ledger.home.create()
    now, body, archive = ledger.clock(), path.read_bytes(), ledger.archive
    documents = [
        Document(
            source=source.name,
            request=Request(
                url=f"gpuledger:{HISTORY}/{path.name}?archive={told['name']}&version={told['version']}",
                context={"archive": told["name"]},
            ),
            body=body,
            fetched_at=now,
            content_type="application/vnd.apache.parquet",
        )
        for told in archives(body)
    ]
    for manifest in archive.manifests([source.name]):
        if any(entry["sha256"] == documents[0].sha256 for entry in manifest.documents):
            return None
    manifest = Manifest(
        run_id=run_id(source.name, now),
        source=source.name,
        started_at=now,
        observed_at=now,
        documents=tuple(archive.put(document) for document in documents),
    )
    archive.write_manifest(manifest)
    return manifest


def load_bundled(ledger: Ledger) -> bool:
    """Put the price list that ships with the program into the ledger, and the bundled history where the home wants it,
    and publish; whether anything was news."""
    source = ledger.source("bundled")
    assert source is not None, "the registry lost the bundled list"
    taken = [take_list(ledger, source, sql.FOLDER / BUNDLED, url=f"gpuledger:{BUNDLED}")]
    if ledger.home.has_history:
        named = {f"history_{path.stem}": path for path in sorted((sql.FOLDER / HISTORY).glob("*.parquet"))}
        taken += [
            take_history(ledger, source, named[source.name])
            for source in ledger.sources
            if source.name in named
        ]
    manifests = [manifest for manifest in taken if manifest is not None]
    if not manifests and is_published(ledger.home):
        return False
    parsed = [read_run(ledger, manifest) for manifest in manifests]
    record_runs(ledger, [run for run in parsed if run is not None])
    return bool(manifests)
