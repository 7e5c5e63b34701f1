# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false
"""One run into the ledger, in one transaction: all of it or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from gpuledger.core.alias import Aliases
from gpuledger.core.offer import (
    ExchangeRate,
    InterruptionBand,
    MarketSample,
    StoragePrice,
    TransferPrice,
)
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.batch import Batch, PriceList
from gpuledger.core.store.database import transaction
from gpuledger.core.store.decision import settle
from gpuledger.core.store.evidence import Weighed, Weighing, rule_nothing, weigh_list, weigh_run
from gpuledger.core.store.rollups import relist
from gpuledger.core.store.run_rows import append_rows, document_rows, run_row, skipped_rows
from gpuledger.core.store.staging import Located, SideFact, fact_table, in_parts, resolved_table, seen_table

MANY_ROWS = 50_000
"""Of an archive: more of them are worth all threads."""


@dataclass(frozen=True, kw_only=True)
class _Appended:
    changes: int = 0
    """Rows appended to price_change or corrected there, withdrawals included."""
    withdrawn: int = 0
    new_offers: int = 0
    is_settled: bool = False
    """It changed nothing and leaves nothing open: readers learn nothing of it but that it was."""
    moves: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The largest price moves of known offers, for the run's report."""
    weighed: Weighed | None = None


@dataclass(frozen=True, kw_only=True)
class Recorded(_Appended):
    """What recording a run did."""

    run_no: int


def is_recorded(connection: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """Whether that run is in the ledger."""
    return sql.first(connection, "select 1 from scrape_run where run_id = ? limit 1", [run_id]) is not None


def is_late(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> bool:
    """Whether a run of the same source that observed later is in the ledger. The log of a live source is written
    in the order of its times."""
    later = sql.first(
        connection,
        "select 1 from scrape_run where source = $source and observed_at > $observed_at limit 1",
        {"source": manifest.source, "observed_at": manifest.observed_at},
    )
    return later is not None


def record(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    aliases: Aliases,
    *,
    share: Callable[[int], None] | None = None,
) -> Recorded:
    """Append one run. A run that is not accepted leaves its row and its documents, and no price.

    Args:
        share: called with the run's number before the transaction ends, which fails with it.
    """
    with transaction(connection):
        run_no = _next(connection, "scrape_run", "run_no")
        first_document = _next(connection, "document", "document_no")
        append_rows(connection, "document", document_rows(batch.manifest, run_no, first_document))
        append_rows(connection, "skipped_row", skipped_rows(batch.skipped, run_no))
        appended = _Appended()
        if batch.outcome == "accepted":
            parameters = {
                "run_no": run_no,
                "source": batch.manifest.source,
                "observed_at": batch.manifest.observed_at,
                "is_complete": batch.manifest.is_complete,
                "first_document": first_document,
            }
            appended = _append(connection, batch, aliases, parameters)
            append_side_facts(connection, batch.side_facts, parameters)
        disputed = appended.weighed.disputed if appended.weighed else None
        row = run_row(batch, run_no, change_count=appended.changes, disputed_count=disputed)
        append_rows(connection, "scrape_run", [row])
        if batch.kind == "archive" and batch.outcome == "accepted":
            relist(connection, batch.manifest.source)
        if share is not None:
            share(run_no)
    return Recorded(run_no=run_no, **vars(appended))


def _append(
    connection: duckdb.DuckDBPyConnection, batch: Batch, aliases: Aliases, parameters: dict[str, Any]
) -> _Appended:
    if batch.decision is not None:
        decided = settle(connection, batch.decision, parameters)
        of_source = {**parameters, "source": batch.decision.source}
        with _comparing(connection, decided, of_source):
            appended = _append_ruled(connection, of_source)
        if _is_dated_list(connection, batch.decision.source):
            relist(connection, batch.decision.source)
        return appended
    first_document = parameters["first_document"]
    if batch.table is not None:
        table = resolved_table(batch.table, aliases, first_document=first_document)
        weighed = None
        if batch.weighing is not None:
            weighed, table = weigh_list(connection, batch.weighing, parameters, table)
        return replace(_append_archive(connection, table, parameters | _lists(batch)), weighed=weighed)
    numbered = [
        Located(fact=entry.fact, document_no=first_document + entry.document_no) for entry in batch.offers
    ]
    table = seen_table(numbered, aliases)
    return (
        append_live(connection, table, parameters, batch.weighing, batch.held)
        if batch.kind == "live"
        else _append_archive(connection, table, parameters | _lists(batch))
    )


def _is_dated_list(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    text = "select 1 from source where source = $1 and kind = 'archive'"
    return sql.first(connection, text, [source]) is not None


def _lists(batch: Batch) -> dict[str, Any]:
    lists = batch.lists or [PriceList(kind="rows") for _ in batch.manifest.documents]
    return {
        "places": list(range(len(lists))),
        "kinds": [each.kind for each in lists],
        "covers_from": [each.covers_from for each in lists],
        "covers_until": [each.covers_until for each in lists],
    }


def append_live(
    connection: duckdb.DuckDBPyConnection,
    seen: pa.Table,
    parameters: Mapping[str, Any],
    weighing: Weighing | None = None,
    held: Sequence[str] = (),
) -> _Appended:
    """Write what a batch changes in the logs and the current state, but for what is disputed; only inside a
    transaction.

    Args:
        seen: as `gpuledger.core.store.staging.seen_table` makes it.
        parameters: run_no, source, observed_at and is_complete.
        held: without a weighing, identities whose claims do not count.
    """
    seen = in_parts(seen)
    weighed = None
    with _comparing(connection, seen, parameters):
        if weighing is None:
            rule_nothing(connection, held)
        else:
            weighed = weigh_run(connection, weighing, parameters, seen)
        appended = _append_ruled(connection, parameters)
    is_settled = appended.is_settled and (weighed is None or not (weighed.disputed or weighed.confirmed))
    return replace(appended, weighed=weighed, is_settled=is_settled)


@contextmanager
def _comparing(
    connection: duckdb.DuckDBPyConnection, seen: pa.Table, parameters: Mapping[str, Any]
) -> Generator[None]:
    """Lends the batch as `seen_arrow`, and compares it with the state of its source."""
    with sql.registered(connection, seen_arrow=seen):
        sql.run_named(connection, "record/05_compared", parameters)
        yield


def _append_ruled(connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, Any]) -> _Appended:
    """Write what the batch changes, as `ruling` allows."""
    sql.run_named(connection, "record/10_difference", parameters)
    row = sql.first(
        connection,
        "select count(*) filter (is_new), count(*) filter (is_shape_change),"
        " count(*) filter (is_absent and is_price_change), count(*) from difference",
    )
    assert row is not None
    new_offers, other_shapes, withdrawn, differing = row
    if new_offers:
        sql.run_named(connection, "record/live_number", parameters)
        sql.run_named(connection, "record/live_new_offers", parameters)
    if other_shapes:
        sql.run_named(connection, "record/live_changed_shape", parameters)
    moves = sql.rows(connection, "record/moves")
    changes = sql.run_named(connection, "record/live_price_change", parameters)
    sql.run_named(connection, "record/live_stock_change", parameters)
    sql.run_named(connection, "record/live_current", parameters)
    return _Appended(
        changes=changes,
        withdrawn=withdrawn,
        new_offers=new_offers,
        is_settled=not differing,
        moves=moves,
    )


def _append_archive(
    connection: duckdb.DuckDBPyConnection, seen: pa.Table, parameters: Mapping[str, Any]
) -> _Appended:
    threads = sql.all_threads(connection) if len(seen) > MANY_ROWS else nullcontext()
    with threads, sql.registered(connection, seen_arrow=in_parts(seen)):
        new_offers = sql.run_named(connection, "record/archive_new_offers", parameters)
        sql.run_named(connection, "record/archive_changed_shape", parameters)
        sql.run_named(connection, "record/archive_observation", parameters)
    sql.run_named(connection, "record/archive_price_list", parameters)
    changes = sql.run_named(connection, "record/archive_price_change", parameters)
    sql.run_named(connection, "record/archive_current", parameters)
    return _Appended(changes=changes, withdrawn=0, new_offers=new_offers, moves=[])


# kind of fact -> table; `record/<table>.sql` appends what differs from the last known
_SIDE_TABLES: dict[type[SideFact], str] = {
    StoragePrice: "storage_price",
    TransferPrice: "transfer_price",
    ExchangeRate: "exchange_rate",
    InterruptionBand: "interruption_band",
    MarketSample: "market_sample",
}


def append_side_facts(
    connection: duckdb.DuckDBPyConnection, side_facts: Iterable[SideFact], parameters: Mapping[str, Any]
) -> None:
    """Append what differs from the last known of storage, transfer, rates, bands and samples.

    Args:
        parameters: run_no, source and observed_at.
    """
    by_kind: dict[type[SideFact], list[SideFact]] = defaultdict(list)
    for fact in side_facts:
        by_kind[type(fact)].append(fact)
    for kind, facts in by_kind.items():
        with sql.registered(connection, fact=fact_table(kind, facts)):
            if kind is ExchangeRate:
                sql.run_named(connection, "record/exchange_rate_claim", parameters)
                sql.run_named(connection, "record/disputed_rate", parameters)
            sql.run_named(connection, f"record/{_SIDE_TABLES[kind]}", parameters)


def _next(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    row = sql.first(connection, f"select coalesce(max({column}), 0) + 1 from {table}")
    assert row is not None
    return row[0]
