"""What a ledger may let go after a while: old snapshots, left-overs of killed writers, bytes past their time.

Prices are never let go. The bytes of old documents may be, where an operator says so: the price, its run and
the hash of its document stay; what is lost is the replay of that time, so nothing is let go by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gpuledger.core.errors import UsageError
from gpuledger.core.files import delete
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.publish import prune
from gpuledger.core.store.shared.compaction import maintain
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger

KEEP_QUOTES = timedelta(days=400)
MOST_QUOTES = 100_000
LEFT_OVER = timedelta(hours=1)
"""A temporary file that is older than this belongs to nobody any more."""


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What was let go."""

    snapshots: int = 0
    left_overs: int = 0
    documents: int = 0
    quotes: int = 0
    """Saved quotes past their time, or beyond the number that stays."""
    bytes: int = 0
    merged_files: int = 0
    """Files of a shared store into which smaller ones and rows of its catalogue went."""


def compact_ledger(
    ledger: LedgerWriter,
    *,
    keep_documents: timedelta | None = None,
    keep_snapshots: int | None = None,
    keep_quotes: timedelta = KEEP_QUOTES,
) -> Compacted:
    """Let go what is past its time; only while no writer is at work.

    Args:
        keep_documents: age from which the bytes of documents may go; `None` keeps all. What a younger run
            read stays, whenever it was first written.
        keep_snapshots: published snapshots that stay, the newest of them included; `None` is what publishing
            keeps.
        keep_quotes: age from which saved quotes go; of younger ones the newest `MOST_QUOTES` stay.

    Raises:
        UsageError: a retention that would delete what is in use.
    """
    if keep_snapshots is not None and keep_snapshots < 1:
        raise UsageError(f"keep_snapshots must be at least 1, not {keep_snapshots}")
    if keep_documents is not None and keep_documents < timedelta(days=60):
        raise UsageError(
            f"keep_documents must be at least 60 days, not {keep_documents.days}: a refresh still needs them"
        )
    home = ledger.home
    with turn(home):
        snapshots = prune(home, keep_snapshots)
        left_overs = _remove(_left_overs(ledger))
        old = _past(ledger, keep_documents) if keep_documents is not None else []
        size = sum(path.stat().st_size for path in old)
        return Compacted(
            snapshots=snapshots,
            left_overs=left_overs,
            documents=_remove(old),
            quotes=_remove(_old_quotes(ledger, keep_quotes)),
            bytes=size,
            merged_files=_maintain(ledger),
        )


def _maintain(ledger: LedgerWriter) -> int:
    if ledger.home.follows is None:
        return 0
    with writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        return maintain(ledger.home.follows, connection)


def _left_overs(ledger: LedgerWriter) -> list[Path]:
    """Temporary files of writers that were killed."""
    since = (ledger.clock() - LEFT_OVER).timestamp()
    temporary = [*ledger.home.archive.rglob(".new-*"), *ledger.home.path.glob("quotes/.new-*")]
    return [path for path, written_at in _written_at(temporary) if written_at < since]


def _written_at(paths: Iterable[Path]) -> Iterator[tuple[Path, float]]:
    """When each was written; those that their writers finish meanwhile are left out."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, path.stat().st_mtime


def _old_quotes(ledger: LedgerWriter, keep: timedelta) -> list[Path]:
    """A server saves one file for each quote that somebody asks for."""
    since = (ledger.clock() - keep).timestamp()
    quotes = _written_at(ledger.home.path.glob("quotes/*.json"))
    saved = sorted(((written_at, path) for path, written_at in quotes), reverse=True)
    return [path for place, (time, path) in enumerate(saved) if time < since or place >= MOST_QUOTES]


def _past(ledger: LedgerWriter, keep: timedelta) -> list[Path]:
    """Files of documents that only runs before that age read, and that the ledger has recorded."""
    since = ledger.clock() - keep
    with writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        recorded = {row[0] for row in connection.execute("select run_id from scrape_run").fetchall()}
    needed: set[str] = set()
    past: set[str] = set()
    for manifest in ledger.archive.manifests():
        is_past = manifest.observed_at < since and manifest.run_id in recorded
        chosen = past if is_past else needed
        chosen.update(entry["sha256"] for entry in (*manifest.documents, *manifest.superseded))
    return [path for sha256 in sorted(past - needed) if (path := ledger.archive.path(sha256)).exists()]


def _remove(paths: list[Path]) -> int:
    for path in paths:
        delete(path)
    return len(paths)
