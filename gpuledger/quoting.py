"""From flags to an answer of the cost engine: the composition that the commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuledger.cli import context
from gpuledger.core.errors import CorruptError, GPULedgerError, UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from gpuledger.core.cost.answer import QuoteSet
    from gpuledger.core.cost.lock import Lock
    from gpuledger.core.cost.market.offers import Market
    from gpuledger.core.cost.market.own_terms import Overrides
    from gpuledger.core.cost.question import QuoteOptions
    from gpuledger.core.estimate.measurements import Measurement
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.core.store.database import Home


def overrides(home: Home, environ: Mapping[str, str]) -> Overrides:
    """The user's own terms: `GPULEDGER_OVERRIDES`, else `overrides.toml` of the home; none without a file.

    Raises:
        ConfigError: the file is wrong.
        UsageError: the file that the variable names cannot be read.
    """
    from gpuledger.core.cost.market.own_terms import Overrides, read_overrides

    named = environ.get("GPULEDGER_OVERRIDES")
    path = Path(named) if named else home.path / "overrides.toml"
    try:
        return read_overrides(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        if named:
            raise UsageError(f"GPULEDGER_OVERRIDES: cannot read {path}: {error}") from error
        return Overrides()


def own_terms() -> Overrides:
    """`overrides` of the process and its home."""
    return overrides(context.home(), os.environ)


def measurements() -> tuple[Measurement, ...]:
    """The user's own measured runs, as `calibrate` kept them."""
    path = measured_path()
    if not path.exists():
        return ()
    from gpuledger.core.estimate.measurements import read

    return tuple(read(path))


def measured_path() -> Path:
    """Where measured runs are kept."""
    return context.home().path / "measured.json"


@contextmanager
def market(
    plan: TrainingPlan, asked: QuoteOptions, *, as_of: datetime | None, now: datetime
) -> Generator[Market]:
    """The newest snapshot as the market of that question."""
    from gpuledger.core.cost.market.snapshot import LedgerMarket
    from gpuledger.core.cost.question import market_filter

    with context.snapshot() as connection:
        yield LedgerMarket(
            connection,
            market_filter(plan, asked),
            as_of=as_of,
            at=as_of or now,
            allow_stale=asked.allow_stale,
        )


def answer(plan: TrainingPlan, asked: QuoteOptions, *, as_of: datetime | None, now: datetime) -> QuoteSet:
    """The ranking from the newest snapshot."""
    from gpuledger.core.cost.quote import quote

    with market(plan, asked, as_of=as_of, now=now) as prices:
        return quote(plan, prices, as_of=as_of, now=now, options=asked)


def batch(
    plans: Sequence[TrainingPlan], asked: QuoteOptions, *, as_of: datetime | None, now: datetime
) -> Iterator[dict[str, Any]]:
    """The ranking of each plan, or its error, from the newest snapshot; several processes for many plans."""
    from gpuledger.core.cost.batch import Batch
    from gpuledger.core.cost.market.side_prices import SOURCES, Surroundings
    from gpuledger.core.store import sql
    from gpuledger.core.store.offers import OfferQuery, offers, snapshot_number

    with context.snapshot() as connection:
        around = {
            name: sql.rows(connection, f"queries/{query}", {"as_of": as_of})
            for name, query in SOURCES.items()
        }
        prepared = Batch(
            offers=offers(connection, OfferQuery(), as_of=as_of),
            now=now,
            as_of=as_of,
            options=asked,
            surroundings=Surroundings(**around),
            snapshot=snapshot_number(connection),
        )
    # the snapshot is closed before processes are forked: DuckDB's threads do not survive that
    yield from prepared.answers(plans, workers=os.cpu_count() or 1)


def locked_answer(
    plan: TrainingPlan, asked: QuoteOptions, path: Path, *, as_of: datetime | None, now: datetime
) -> QuoteSet:
    """The ranking from the lock file; where there is none yet, from the snapshot, and the lock is written.

    Both answers are computed from the lock, so that the first is the same bytes as all later ones.
    """
    from gpuledger.core.cost.lock import lock_of, read_lock, written
    from gpuledger.core.cost.quote import quote
    from gpuledger.core.store.quotes import write_whole

    if not path.exists():
        with market(plan, asked, as_of=as_of, now=now) as prices:
            first = quote(plan, prices, as_of=as_of, now=now, options=asked)
            text = written(lock_of(first, prices.surroundings, asked, as_of=as_of, now=now))
        write_whole(path, text.encode())
    try:
        lock = read_lock(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--lock: cannot read {path}: {error}") from error
    return answer_from_lock(plan, asked, lock)


def answer_from_lock(plan: TrainingPlan, asked: QuoteOptions, lock: Lock) -> QuoteSet:
    """The ranking from locked prices, as of the time of the lock."""
    from gpuledger.core.cost.question import market_filter
    from gpuledger.core.cost.quote import quote

    if lock.has_other_constants():
        context.say("the lock was written with other constants: prices are the same, hours may differ")
    same = lock.asked(asked)
    prices = lock.market(market_filter(plan, same), allow_stale=same.allow_stale)
    return quote(plan, prices, as_of=lock.as_of, now=lock.now, options=same)


def keep(found: QuoteSet) -> None:
    """Keep the quotes for `explain`. A home that cannot be written costs the explanation, not the quote."""
    from gpuledger.core.store.quotes import keep_quote

    home = context.home()
    try:
        for quote in found.quotes:
            keep_quote(home, quote.quote_id, {"plan": found.plan, **quote.to_dict()})
    except GPULedgerError as error:
        context.say(f"not kept for explain: {error}")


def explained(
    home: Home, quote_id: str, reading: Callable[[], AbstractContextManager[DuckDBPyConnection]]
) -> dict[str, Any]:
    """The chain of a kept quote.

    Args:
        reading: opens the snapshot that is asked whether the price stands there as it was; without one the chain
            says that it does not know.

    Raises:
        NoOfferError: no quote of that id was kept.
        CorruptError: the snapshot cannot be read.
    """
    from gpuledger.core.cost.explain import explanation
    from gpuledger.core.store import sql
    from gpuledger.core.store.archive import Archive
    from gpuledger.core.store.quotes import kept_quote

    def in_ledger(source: str, offer_id: str, changed_at_us: int) -> Mapping[str, Any] | None:
        named = {"source": source, "offer_id": offer_id, "changed_at_us": changed_at_us}
        try:
            with reading() as connection:
                rows = sql.rows(connection, "queries/explain_price", named)
        except CorruptError:
            raise
        except GPULedgerError:
            return None
        return rows[0] if rows else None

    return explanation(kept_quote(home, quote_id), Archive(home.archive).body, in_ledger)
