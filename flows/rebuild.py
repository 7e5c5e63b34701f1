"""A ledger built again from the archive, beside the one in use: in batches, resumable, and quick where a run needs no
evidence beside its own source."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.errors import StoreError
from gpuledger.core.files import delete
from gpuledger.core.offer import ExchangeRate
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest, started_at
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.clocks import is_ahead
from gpuledger.core.store.database import Home, joined, writing
from gpuledger.core.store.publish import complete
from gpuledger.core.store.run_stack import MOST_OFFERS, RunStack
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger
from gpuledger.flows.read_ahead import read_ahead, says_the_same
from gpuledger.flows.validate import Parsed, judge

REBUILT = "ledger.replay.duckdb"
BATCH = 250
"""Runs of one commit: what a replay that is killed has to do again."""
ProgressCallback = Callable[[int, int], None]
"""Called with the runs that are rebuilt, and those that the archive holds."""


def no_progress(done: int, total: int) -> None:
    """Shows nothing."""


@dataclass
class Rebuild:
    """A rebuild that is under way; every call of `go_on` takes what came into the archive since."""

    ledger: LedgerWriter
    progress: ProgressCallback = no_progress
    unknown: set[str] = field(default_factory=set[str])
    _last: dict[str, tuple[Parsed, Batch]] = field(default_factory=dict[str, "tuple[Parsed, Batch]"])
    """Of each source the last believable run, and what was made of it."""
    _rates: dict[str, Decimal] | None = None
    """The newest exchange rates; None: something may have changed them."""

    @property
    def home(self) -> Home:
        """Where the database is built."""
        return replace(self.ledger.home, database_name=REBUILT)

    def begin(self) -> None:
        """Start again, or go on where a replay by the same program was stopped.

        Raises:
            StoreError: the disk refused.
        """
        self.home.create()
        print_ = _print_of(self.ledger)
        with suppress(OSError):
            if self._note.read_text(encoding="ascii") == print_ and self.home.database.exists():
                return
        self.discard()
        try:
            self._note.write_text(print_, encoding="ascii")
        except OSError as error:
            raise StoreError(f"cannot write {self._note}: {error.strerror}") from error

    def discard(self) -> None:
        """Delete what is built so far.

        Raises:
            StoreError: the disk refused.
        """
        delete(self._note)
        self.home.remove_database()

    def go_on(self) -> int:
        """Take the archive's runs that are not rebuilt yet, in order; returns how many there were.

        Raises:
            CorruptError: the archive lacks or broke bytes.
        """
        rebuilt = replace(self.ledger, home=self.home)
        runs, is_late = self._runs(), False
        with writing(self.home) as connection:
            aliases = open_ledger(rebuilt, connection)
            # Runs are small: a second thread would only wait for the first.
            connection.execute("set threads = 1")
            done = {row[0] for row in connection.execute("select run_id from scrape_run").fetchall()}
            left = [run for run in runs if run not in done]
            stack = RunStack(connection, aliases)
            self._rates = None
            if done and left and left[0] < max(done):
                is_late = True
                left = []
            with closing(read_ahead(rebuilt, left)) as readings:
                for start in range(0, len(left), BATCH):
                    with joined(connection):
                        self._batch(connection, stack, islice(readings, BATCH))
                    self.progress(len(done) + min(start + BATCH, len(left)), len(done) + len(left))
        if is_late:
            # A run that came late belongs before others that are rebuilt already.
            self.discard()
            self.begin()
            self._last.clear()
            return self.go_on()
        return len(left)

    def complete(self) -> None:
        """Check what is built, and derive from it what readers read. Whoever publishes it in the writers' turn then has
        the days of the runs that came since left to derive, and not those of years."""
        rebuilt = replace(self.ledger, home=self.home)
        with writing(self.home) as connection:
            open_ledger(rebuilt, connection)
            complete(self.home, connection, now=self.ledger.clock())

    @property
    def _note(self) -> Path:
        return self.ledger.home.path / "ledger.replay.program"

    def _runs(self) -> list[str]:
        now = self.ledger.clock()
        runs = self.ledger.archive.run_ids(None)
        # Names are in the order of their times; to read those of a year one by one takes the turn of others for long.
        return runs[: bisect_left(runs, True, key=lambda run: is_ahead(started_at(run)[0], now))]

    def _batch(
        self,
        connection: duckdb.DuckDBPyConnection,
        stack: RunStack,
        readings: Iterable[tuple[Manifest, Parsed | None]],
    ) -> None:
        for manifest, parsed in readings:
            if parsed is None:
                self.unknown.add(manifest.source)
                continue
            batch = self._judged(connection, parsed, stack.aliases)
            stack.add(batch)
            if batch.kind == "archive" or any(isinstance(fact, ExchangeRate) for fact in batch.side_facts):
                self._rates = None
        stack.write()

    def _judged(self, connection: duckdb.DuckDBPyConnection, parsed: Parsed, aliases: Aliases) -> Batch:
        """What the contract makes of a run; the same as of the last one that said the same."""
        if self._rates is None:
            rows = sql.rows(connection, "queries/exchange_rate_latest")
            self._rates = {row["currency"]: row["usd_per_unit"] for row in rows}
            self._last.clear()
        name = parsed.source.name
        last = self._last.get(name)
        if last is not None and says_the_same(last[0], parsed):
            return replace(
                last[1],
                manifest=parsed.manifest,
                weighing=last[1].weighing
                and replace(last[1].weighing, started_at=parsed.manifest.started_at),
            )
        batch = judge(parsed, aliases=aliases, usd_per_unit=self._rates)
        if batch.outcome == "accepted" and batch.kind == "live" and len(parsed.offers) <= MOST_OFFERS:
            self._last[name] = parsed, batch
        return batch


def _print_of(ledger: LedgerWriter) -> str:
    """What the rebuilt ledger depends on beside the archive: the program's text, its seeds, the operator's aliases."""
    digest = hashlib.sha256(f"{sql.relations()} {duckdb.__version__}".encode())
    package = Path(__file__).resolve().parents[1]
    for folder in ("core", "flows", "scrapers", "sql"):
        for path in sorted((package / folder).rglob("*")):
            if path.suffix in {".py", ".sql", ".csv", ".toml", ".json"}:
                digest.update(path.read_bytes())
    digest.update(repr(ledger.alias_rows()).encode())
    digest.update(repr([source.name for source in ledger.sources]).encode())
    return digest.hexdigest()
