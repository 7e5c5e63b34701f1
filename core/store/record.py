# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false
"""One run into the ledger, in one transaction: all of it or nothing."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import duckdb
import pyarrow as pa

from gpuledger.core.alias import Aliases
from gpuledger.core.offer import (
    ExchangeRate,
    InterruptionBand,
    MarketSample,
    Skipped,
    StoragePrice,
    TransferPrice,
)
from gpuledger.core.store import sql
from gpuledger.core.store.archive import FetchFailure, Manifest
from gpuledger.core.store.database import transaction
from gpuledger.core.store.decision import Decision, settle
from gpuledger.core.store.evidence import Weighed, Weighing, rule_nothing, weigh_list, weigh_run
from gpuledger.core.store.rollups import relist
from gpuledger.core.store.staging import Located, SideFact, fact_table, in_parts, resolved_table, seen_table

EXAMPLE_CHARACTERS = 2000

MANY_ROWS = 50_000
"""Of an archive: more of them are worth all threads."""


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """What one document of an archive is: how far its silence and its rows may be trusted (docs/validity.md)."""

    kind: Literal["snapshots", "changes", "rows"]
    """`snapshots`: all that was on sale at a time; `changes`: a price holds until the next row; `rows`: dated
    observations, each by itself."""
    covers_from: datetime | None = None
    """`None`: from the first row."""
    covers_until: datetime | None = None
    """`None`: to the last row."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one run ended with: a believable batch, or why there is none."""

    manifest: Manifest
    kind: Literal["live", "archive"]
    parser_version: int
    offers: Sequence[Located] = ()
    """`document_no` counts the manifest's documents from 0."""
    table: pa.Table | None = None
    """Of an archive, in the place of offers: rows as `gpuledger.core.store.staging.located` makes them."""
    side_facts: Sequence[SideFact] = ()
    lists: Sequence[PriceList] = ()
    """Of an archive, one per document of the manifest."""
    skipped: Sequence[Skipped] = ()
    offer_count: int = 0
    outcome: Literal["accepted", "quarantined", "failed"] = "accepted"
    weighing: Weighing | None = None
    """How its claims are weighed against what the ledger knows; without it every row of a believable batch counts."""
    held: Sequence[str] = ()
    """Of a run that is not weighed: identities whose claims were ruled not to count."""
    decision: Decision | None = None
    """What an operator decided, in the place of offers."""
    error: FetchFailure | None = None


@dataclass(frozen=True, kw_only=True)
class _Appended:
    changes: int = 0
    """Rows appended to price_change or corrected there, withdrawals included."""
    withdrawn: int = 0
    new_offers: int = 0
    is_settled: bool = False
    """It changed nothing: the next run that shows the same changes nothing either."""
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
        _documents(connection, batch.manifest, run_no, first_document)
        _skips(connection, batch.skipped, run_no)
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
            _side_facts(connection, batch, parameters)
        _run_row(connection, batch, run_no, appended)
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
        moves=moves,
        is_settled=not differing,
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


def _side_facts(connection: duckdb.DuckDBPyConnection, batch: Batch, parameters: Mapping[str, Any]) -> None:
    by_kind: dict[type[SideFact], list[SideFact]] = defaultdict(list)
    for fact in batch.side_facts:
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


def _documents(
    connection: duckdb.DuckDBPyConnection, manifest: Manifest, run_no: int, first_document: int
) -> None:
    entries = manifest.documents
    connection.execute(
        "insert into document select unnest($document_no::integer[]), $run_no, unnest($url::varchar[]),"
        " unnest($method::varchar[]), unnest($context::varchar[]), unnest($sha256::varchar[]),"
        " unnest($body_bytes::bigint[]), unnest($status::integer[]), unnest($content_type::varchar[]),"
        " unnest($fetched_at::timestamptz[])",
        {
            "run_no": run_no,
            "document_no": list(range(first_document, first_document + len(entries))),
            "context": [json.dumps(entry["context"], sort_keys=True) for entry in entries],
            **{
                name: [entry[name] for entry in entries]
                for name in ("url", "method", "sha256", "body_bytes", "status", "content_type", "fetched_at")
            },
        },
    )


def _skips(connection: duckdb.DuckDBPyConnection, skipped: Sequence[Skipped], run_no: int) -> None:
    counts = Counter(row.reason for row in skipped)
    examples = {row.reason: row.row for row in reversed(skipped)}
    connection.execute(
        "insert into skipped_row select $run_no, unnest($reason::varchar[]), unnest($count::integer[]),"
        " unnest($example::varchar[])",
        {
            "run_no": run_no,
            "reason": list(counts),
            "count": list(counts.values()),
            "example": [
                json.dumps(examples[reason], default=str, ensure_ascii=False)[:EXAMPLE_CHARACTERS]
                for reason in counts
            ],
        },
    )


def _run_row(connection: duckdb.DuckDBPyConnection, batch: Batch, run_no: int, appended: _Appended) -> None:
    manifest, error = batch.manifest, batch.error
    connection.execute(
        "insert into scrape_run by name select $run_no as run_no, $run_id as run_id, $source as source,"
        " $started_at as started_at, $observed_at as observed_at, $outcome as outcome,"
        " $is_complete as is_complete, $error_kind as error_kind, $error_message as error_message,"
        " $error_url as error_url, $offer_count as offer_count, $change_count as change_count,"
        " $skipped_count as skipped_count, $parser_version as parser_version, $disputed_count as disputed_count",
        {
            "run_no": run_no,
            "run_id": manifest.run_id,
            "source": manifest.source,
            "started_at": manifest.started_at,
            "observed_at": manifest.observed_at,
            "outcome": batch.outcome,
            "is_complete": manifest.is_complete and batch.outcome == "accepted",
            "error_kind": error.kind if error else None,
            "error_message": error.message if error else None,
            "error_url": error.url if error else None,
            "offer_count": batch.offer_count or len(batch.offers),
            "change_count": appended.changes,
            "skipped_count": len(batch.skipped),
            "parser_version": batch.parser_version,
            "disputed_count": appended.weighed.disputed if appended.weighed else None,
        },
    )
