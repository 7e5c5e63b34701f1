"""A ledger from one store into another: archive, then database, then the proof that both hold the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import StoreError, UsageError
from gpuledger.core.files import write_whole
from gpuledger.core.store.archive import Archive
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import publish
from gpuledger.core.store.shared.follow import leave
from gpuledger.core.store.shared.lake import open_lake
from gpuledger.core.store.shared.move import Content, contents_of_lake, contents_of_ledger, fill
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One table, or the archive, on both sides."""

    table: str
    rows_from: int
    rows_to: int
    digest_from: str
    digest_to: str

    @property
    def is_equal(self) -> bool:
        return (self.rows_from, self.digest_from) == (self.rows_to, self.digest_to)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a move did; the old store is as it was."""

    compared: tuple[Compared, ...]
    documents: int
    """Files of the archive that were copied; those that were there already are not counted."""


def move_store(before: LedgerWriter, after: LedgerWriter) -> Moved:
    """Copy a ledger from its store into an empty one, and compare them.

    Args:
        before, after: the same sources and clock, two homes: one with a database of its own, one that follows a
            shared store.

    Raises:
        UsageError: both are of one kind.
        StoreError: the new store is not empty, or the two differ in the end.
        CorruptError: the archive lacks or broke bytes.
    """
    if (before.home.follows is None) == (after.home.follows is None):
        raise UsageError(
            "a ledger is moved between a home and a shared store; between homes, copy the folder"
        )
    after.home.create()
    if after.home.follows is not None:
        _make(before, after.home.follows)
    documents = copy_archive(before.archive, after.archive)
    held, after_content = (_into_lake if after.home.follows else _out_of_lake)(before, after)
    compared = tuple(_compared(one, other) for one, other in zip(held, after_content, strict=True))
    differing = [one for one in compared if not one.is_equal]
    if differing:
        raise StoreError(f"the stores differ, so keep the old one: {differing}")
    return Moved(compared=compared, documents=documents)


def _make(before: LedgerWriter, lake: LakeAddress) -> None:
    """The shared store with its folders, before anything is copied there."""
    with turn(before.home), writing(before.home) as connection:
        open_ledger(before, connection)
        with open_lake(lake, connection):
            pass


def _compared(one: Content, other: Content) -> Compared:
    return Compared(
        table=one.table,
        rows_from=one.rows,
        rows_to=other.rows,
        digest_from=one.digest,
        digest_to=other.digest,
    )


def _into_lake(before: LedgerWriter, after: LedgerWriter) -> tuple[Sequence[Content], Sequence[Content]]:
    lake = after.home.follows
    assert lake is not None
    with turn(before.home), writing(before.home) as connection:
        open_ledger(before, connection)
        fill(lake, connection)
        return contents_of_ledger(connection), contents_of_lake(lake, connection)


def _out_of_lake(before: LedgerWriter, after: LedgerWriter) -> tuple[Sequence[Content], Sequence[Content]]:
    lake = before.home.follows
    assert lake is not None
    following = LedgerWriter(
        home=Home(after.home.path, lake=lake), sources=before.sources, clock=before.clock
    )
    with turn(after.home):
        if after.home.database.exists():
            raise StoreError(f"{after.home.database} is there already; a move needs an empty home")
        with writing(following.home) as connection:
            open_ledger(following, connection)
            contents = contents_of_lake(lake, connection), contents_of_ledger(connection)
            leave(connection)
        publish(after.home, now=after.clock())
    return contents


def copy_archive(before: Archive, after: Archive) -> int:
    """Copy what is not there yet, every document read back from where it went; returns how many.

    Raises:
        CorruptError: a document broke, on either side.
    """
    copied = 0
    for manifest in before.manifests():
        for entry in (*manifest.documents, *manifest.superseded):
            copied += _copy(before.path(entry["sha256"]), after.path(entry["sha256"]))
            # what `compact` let go is on neither side
            if after.path(entry["sha256"]).exists():
                after.body(entry["sha256"])
        if not after.has_run(manifest.run_id):
            after.write_manifest(manifest)
    return copied


def _copy(path: Path, target: Path) -> bool:
    if target.exists() or not path.exists():
        return False
    write_whole(target, path.read_bytes())
    return True
