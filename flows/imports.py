"""Lists of the past into the ledger: other people's archives and the bundled price list. Their files are kept like any
answer, then read, sifted and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import UsageError
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.publish import is_published
from gpuledger.flows.ledger import CycleReport, LedgerWriter
from gpuledger.flows.pipeline import read_run, record_runs
from gpuledger.scrapers.history import archives
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.source import Source

SUFFIXES = (".zip", ".csv", ".yml", ".yaml", ".json", ".jsonl", ".ndjson", ".parquet")

FILES_PER_RUN = 200
"""A run is read whole into memory; a year of daily files makes two."""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did."""

    cycle: CycleReport
    files: int
    known_files: int
    """Files with bytes and context that an earlier import took."""


def files_of(path: Path) -> list[Path]:
    """The file, or the files of a folder that an archive may be, in the order of their names.

    Raises:
        UsageError: nothing there.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise UsageError(f"{path} holds no file of an archive ({', '.join(SUFFIXES)})")
        return files
    if not path.is_file():
        raise UsageError(f"no file {path}")
    return [path]


def import_files(
    ledger: LedgerWriter,
    source: Source,
    paths: Sequence[Path],
    *,
    context: Mapping[str, str],
    done: Callable[[int, int], None] = lambda files, all_files: None,
) -> ImportReport:
    """Record the files of one archive that are news, and publish once.

    Args:
        context: what the files do not say about themselves; kept with each document.
        done: called with the number of files read so far, for showing progress.
    """
    documents = (_document(ledger, source, path, context) for path in paths)
    return import_documents(ledger, source, documents, count=len(paths), done=done)


def import_address(
    ledger: LedgerWriter,
    source: Source,
    address: str,
    fetcher: Fetcher,
    *,
    context: Mapping[str, str],
    done: Callable[[int, int], None] = lambda files, all_files: None,
) -> ImportReport:
    """As `import_files`, of a file on the network.

    Raises:
        SourceError: it cannot be fetched.
    """
    source_at_address = replace(source, requests=(Request(url=address, context=dict(context)),))
    documents: list[Document] = []
    fetcher.fetch(source_at_address, keep=documents.append)
    return import_documents(ledger, source, iter(documents), count=len(documents), done=done)


def import_documents(
    ledger: LedgerWriter,
    source: Source,
    documents: Iterator[Document],
    *,
    count: int,
    done: Callable[[int, int], None] = lambda files, all_files: None,
) -> ImportReport:
    """As `import_files`, of bytes that are already here."""
    ledger.home.create()
    archived_keys = _archived_keys(ledger, source)
    runs: list[Manifest] = []
    entries: list[Mapping[str, object]] = []
    files = known_files = 0
    for document in documents:
        files += 1
        key = (document.sha256, _frozen(document.context))
        if key in archived_keys:
            known_files += 1
        else:
            archived_keys.add(key)
            entries.append(ledger.archive.put(document))
        if len(entries) == FILES_PER_RUN:
            runs.append(_write(ledger, source, entries))
            entries = []
        done(files, count)
    if entries:
        runs.append(_write(ledger, source, entries))
    parsed = [run for run in (read_run(ledger, manifest) for manifest in runs) if run is not None]
    return ImportReport(cycle=record_runs(ledger, parsed), files=files, known_files=known_files)


def _document(ledger: LedgerWriter, source: Source, path: Path, context: Mapping[str, str]) -> Document:
    return Document(
        source=source.name,
        # The last two folders often say which provider or version a file is of.
        request=Request(url="file:" + "/".join(path.resolve().parts[-4:]), context=dict(context)),
        body=path.read_bytes(),
        fetched_at=ledger.clock(),
    )


def _archived_keys(ledger: LedgerWriter, source: Source) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {
        (entry["sha256"], _frozen(entry["context"]))
        for manifest in ledger.archive.manifests([source.name])
        for entry in manifest.documents
    }


def _frozen(context: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(context.items()))


def _write(ledger: LedgerWriter, source: Source, entries: Sequence[Mapping[str, object]]) -> Manifest:
    now = ledger.clock()
    # Runs are named by their time; several of one import may begin within one tick of the clock.
    taken = set(ledger.archive.run_ids(now))
    while run_id(source.name, now) in taken:
        now += timedelta(microseconds=1)
    manifest = Manifest(
        run_id=run_id(source.name, now),
        source=source.name,
        started_at=now,
        observed_at=now,
        documents=tuple(entries),
    )
    ledger.archive.write_manifest(manifest)
    return manifest


# Dated lists from disk: the bundled price list and everything that `gpuledger import` reads.

BUNDLED = "seeds/bundled_price.csv"
HISTORY = "history"


def take_list(ledger: LedgerWriter, source: Source, path: Path, *, url: str) -> Manifest | None:
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


def take_history(ledger: LedgerWriter, source: Source, path: Path) -> Manifest | None:
    """Put a file of the bundled history into the archive as a run, one document per archive that it was distilled
    from; `None` when these bytes were taken before."""
    ledger.home.create()
    now, body, archive = ledger.clock(), path.read_bytes(), ledger.archive
    documents = [
        Document(
            source=source.name,
            request=Request(
                url=f"gpuledger:{HISTORY}/{path.name}?archive={origin['name']}&version={origin['version']}",
                context={"archive": origin["name"]},
            ),
            body=body,
            fetched_at=now,
            content_type="application/vnd.apache.parquet",
        )
        for origin in archives(body)
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


def load_bundled(ledger: LedgerWriter) -> bool:
    """Put the price list that ships with the program into the ledger, and the bundled history where the home wants it,
    and publish; whether anything was news."""
    source = ledger.source("bundled")
    assert source is not None, "the registry lost the bundled list"
    taken = [take_list(ledger, source, sql.FOLDER / BUNDLED, url=f"gpuledger:{BUNDLED}")]
    named: dict[str, Path] = {}
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
    # What a first command put into the archive before it was killed is recorded now, however young.
    record_runs(ledger, [run for run in parsed if run is not None], sources=[source.name, *named])
    return bool(manifests)
