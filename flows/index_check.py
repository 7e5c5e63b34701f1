"""Days of the price index computed anew from archived bytes, by the same rule, and compared with what is stored.

The runs that carry the evidence of those days are read from the archive, parsed by today's adapters and recorded into a
database in memory, with nothing of the ledger in it but exchange rates and what was ruled about disputed claims. The
statement that derives votes for the ledger derives them there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.errors import CorruptError
from gpuledger.core.index_check import index_rows, provider_rows, votes_of
from gpuledger.core.offer import Offer, Withdrawn
from gpuledger.core.store import sql
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.index_days import SEGMENTS, derive_votes, price_index
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.record import record
from gpuledger.core.store.sql import prepare
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import read_run, source_row
from gpuledger.flows.validate import judge

RUNS_AROUND = 4
"""Runs before and after the days: two withdraw what is absent, one confirms, one more is the price before."""


@dataclass(frozen=True, kw_only=True)
class IndexCheck:
    """What came of it."""

    rows: list[dict[str, Any]]
    """One row per accelerator, day and provider, then one without a provider for the index of the day."""
    runs: int
    documents: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Held:
    """A claim that the ledger does not believe."""

    since_at: datetime
    end_at: datetime | None

    def holds_at(self, at: datetime) -> bool:
        return self.since_at <= at and (self.end_at is None or at < self.end_at)


def check_index(
    ledger: LedgerWriter,
    connection: duckdb.DuckDBPyConnection,
    gpu_ids: Sequence[str],
    *,
    first: date,
    last: date,
    purchase_option: str,
    segment: str = SEGMENTS[0],
) -> IndexCheck:
    """Compute the days from `first` to `last` anew and compare.

    Args:
        connection: a snapshot of the same ledger.
    """
    ids = {"gpu_ids": ",".join(gpu_ids)}
    span = {"from_at": _start(first), "to_at": _start(last + timedelta(1))}
    runs = sql.rows(connection, "queries/index_evidence", {**ids, **span, "runs_around": RUNS_AROUND})
    chosen = {
        **ids,
        "purchase_option": purchase_option,
        "segment": None if segment == SEGMENTS[0] else segment,
    }
    with _empty(ledger) as anew:
        _copy_rates(connection, anew)
        taken = _Taken(ledger, connection, anew, frozenset(gpu_ids))
        for run in runs:
            taken.take(run["run_id"], run["source"], is_dated=run["kind"] == "archive")
        derive_votes(anew, start=first, stop=last + timedelta(1))
        votes = votes_of(sql.rows(anew, "queries/index_vote", chosen))
    stored = votes_of(sql.rows(connection, "queries/index_vote", chosen))
    days = price_index(connection, gpu_ids, purchase_option=purchase_option, segment=segment, last_date=last)
    missing = _providers_without_bytes(connection, taken.broken)
    rows = provider_rows(stored, votes, first=first, last=last, without_bytes=missing)
    rows += index_rows(
        days,
        stored,
        votes,
        first=first,
        last=last,
        purchase_option=purchase_option,
        without_bytes=missing,
    )
    rows.sort(
        key=lambda row: (row["gpu_id"], row["price_date"], row["provider"] is None, row["provider"] or "")
    )
    return IndexCheck(rows=rows, runs=taken.runs, documents=taken.documents, notes=tuple(taken.notes))


class _Taken:
    """The runs that were recorded anew."""

    def __init__(
        self,
        ledger: LedgerWriter,
        snapshot: duckdb.DuckDBPyConnection,
        anew: duckdb.DuckDBPyConnection,
        gpu_ids: frozenset[str],
    ) -> None:
        self._ledger, self._anew, self._gpu_ids = ledger, anew, gpu_ids
        self._aliases = Aliases(ledger.alias_rows())
        self._rates = dict(snapshot.execute("select currency, usd_per_unit from usd_rate(null)").fetchall())
        self._held = _held_claims(snapshot, [source.name for source in ledger.sources])
        self.runs = self.documents = 0
        self.notes: list[str] = []
        self.broken: dict[str, str] = {}
        """By source, why a run of it cannot be read."""

    def take(self, run_id: str, source: str, *, is_dated: bool) -> None:
        """Record one run again, of a live source the offers of the accelerators alone."""
        try:
            manifest = self._ledger.archive.manifest(run_id)
            parsed = read_run(self._ledger, manifest)
        except CorruptError as error:
            self.broken.setdefault(source, str(error))
            return
        if parsed is None:
            self.broken.setdefault(source, "this release has no such source")
            return
        batch = judge(parsed, aliases=self._aliases, usd_per_unit=self._rates)
        if batch.outcome != "accepted":
            why = batch.error.message if batch.error else batch.outcome
            self.notes.append(f"{run_id}: accepted then, {batch.outcome} by today's rules: {why}")
            return
        if not is_dated:
            batch = self._chosen(batch)
        record(self._anew, replace(batch, side_facts=(), skipped=()), self._aliases)
        self.runs += 1
        self.documents += len(manifest.documents)

    def _chosen(self, batch: Batch) -> Batch:
        offers = [entry for entry in batch.offers if self._is_chosen(entry.fact)]
        at = batch.manifest.observed_at
        held = [
            offer_id
            for offer_id, claims in self._held[batch.manifest.source].items()
            if any(claim.holds_at(at) for claim in claims)
        ]
        return replace(batch, offers=offers, weighing=None, held=held)

    def _is_chosen(self, fact: Offer | Withdrawn) -> bool:
        memory = fact.gpu_memory_gib if isinstance(fact, Offer) else None
        return self._aliases.resolve(fact.provider, fact.gpu_label, memory) in self._gpu_ids


def _held_claims(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[str]
) -> Mapping[str, Mapping[str, list[_Held]]]:
    held: dict[str, dict[str, list[_Held]]] = defaultdict(lambda: defaultdict(list))
    for row in sql.rows(connection, "queries/held_claim", {"sources": ",".join(sources)}):
        claim = _Held(since_at=row["since_at"], end_at=row["end_at"])
        held[row["source"]][row["offer_id"]].append(claim)
    return held


def _providers_without_bytes(
    connection: duckdb.DuckDBPyConnection, broken: Mapping[str, str]
) -> dict[str, str]:
    """By provider, why evidence of a source that has offers of it cannot be read."""
    rows = connection.execute(
        "select distinct provider, source from offer where list_contains($sources::varchar[], source)",
        {"sources": list(broken)},
    ).fetchall()
    return {provider: f"{source}: {broken[source]}" for provider, source in sorted(rows)}


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@contextmanager
def _empty(ledger: LedgerWriter) -> Generator[duckdb.DuckDBPyConnection]:
    """A ledger in memory without a row."""
    with duckdb.connect() as connection, sql.explaining("compute the index anew"):
        prepare(connection)
        migrate(
            connection,
            sources=[source_row(source) for source in ledger.sources],
            aliases=ledger.alias_rows(),
        )
        yield connection


def _copy_rates(connection: duckdb.DuckDBPyConnection, anew: duckdb.DuckDBPyConnection) -> None:
    rates = sql.arrow(connection, "select * from exchange_rate")
    with sql.registered(anew, rates=rates):
        anew.execute("insert into exchange_rate by name select * from rates")
