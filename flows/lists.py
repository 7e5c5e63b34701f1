"""Dated lists from disk: the bundled price list and everything that `gpuledger import` reads."""

from __future__ import annotations

from pathlib import Path

from gpuledger.core.document import Document, Request
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.publish import is_published
from gpuledger.flows.ledger import Ledger
from gpuledger.flows.pipeline import read_run, record_runs
from gpuledger.scrapers.source import Source

BUNDLED = "seeds/bundled_price.csv"


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


def load_bundled(ledger: Ledger) -> bool:
    """Put the price list that ships with the program into the ledger and publish; whether it was news."""
    source = ledger.source("bundled")
    assert source is not None, "the registry lost the bundled list"
    manifest = take_list(ledger, source, sql.FOLDER / BUNDLED, url=f"gpuledger:{BUNDLED}")
    if manifest is None and is_published(ledger.home):
        return False
    parsed = read_run(ledger, manifest) if manifest else None
    record_runs(ledger, [parsed] if parsed else [])
    return manifest is not None
