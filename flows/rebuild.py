"""A ledger built again from the archive, beside the one in use: in batches, resumable, and quick where a run shows what
the one before it had shown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.errors import StoreError
from gpuledger.core.files import delete
from gpuledger.core.offer import ExchangeRate, MarketSample
from gpuledger.core.store import sql
from gpuledger.core.store.archive import started_at
from gpuledger.core.store.clocks import is_ahead
from gpuledger.core.store.database import Home, joined, writing
from gpuledger.core.store.repeated import Repeated, record_repeated
from gpuledger.flows.ledger import LedgerWriter, RunReport
from gpuledger.flows.pipeline import open_ledger, read_run, record_one
from gpuledger.flows.validate import Parsed

REBUILT = "ledger.replay.duckdb"
BATCH = 250
"""Runs of one commit: what a replay that is killed has to do again."""
MOST_WAITING = 50_000
"""Facts of last runs that are kept to compare with; beyond, a run is recorded as if it were new."""

ProgressCallback = Callable[[int, int], None]
"""Called with the runs that are rebuilt, and those that the archive holds."""


def no_progress(done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class _Seen:
    """The last believable run of a source."""

    parsed: Parsed
    run_no: int
    """Of a run that left nothing to change; 0 where the next one like it may still change something, as when an offer
    is absent for the second time."""

    def repeats(self, parsed: Parsed) -> bool:
        """Whether a run says the same. Samples of a market and exchange rates are dated, so they never do; an
        operator's word lists no offer, and each is another."""
        before = self.parsed
        return (
            parsed.decision is None
            and parsed.error is None
            and parsed.manifest.failure is None
            and parsed.manifest.is_complete == before.manifest.is_complete
            and not any(isinstance(fact, (MarketSample, ExchangeRate)) for fact in parsed.side_facts)
            and parsed.offers == before.offers
            and parsed.side_facts == before.side_facts
            and parsed.skipped == before.skipped
            and parsed.contradictions == before.contradictions
        )


@dataclass
class Rebuild:
    """A rebuild that is under way; every call of `go_on` takes what came into the archive since."""

    ledger: LedgerWriter
    progress: ProgressCallback = no_progress
    unknown: set[str] = field(default_factory=set[str])
    _last: dict[str, _Seen] = field(default_factory=dict[str, "_Seen"])

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
            if done and left and left[0] < max(done):
                is_late = True
                left = []
            for start in range(0, len(left), BATCH):
                with joined(connection):
                    self._batch(rebuilt, connection, aliases, left[start : start + BATCH])
                self.progress(len(done) + min(start + BATCH, len(left)), len(done) + len(left))
        if is_late:
            # A run that came late belongs before others that are rebuilt already.
            self.discard()
            self.begin()
            self._last.clear()
            return self.go_on()
        return len(left)

    @property
    def _note(self) -> Path:
        return self.ledger.home.path / "ledger.replay.program"

    def _runs(self) -> list[str]:
        now = self.ledger.clock()
        return [run for run in self.ledger.archive.run_ids(None) if not is_ahead(started_at(run)[0], now)]

    def _batch(
        self, rebuilt: LedgerWriter, connection: duckdb.DuckDBPyConnection, aliases: Aliases, runs: list[str]
    ) -> None:
        waiting: list[Repeated] = []
        for run in runs:
            manifest = rebuilt.archive.manifest(run)
            parsed = read_run(rebuilt, manifest)
            if parsed is None:
                self.unknown.add(manifest.source)
                continue
            last = self._last.get(manifest.source)
            if last is not None and last.run_no and last.repeats(parsed):
                waiting.append(Repeated(manifest, last.run_no))
                continue
            record_repeated(connection, waiting)
            waiting.clear()
            report = record_one(connection, parsed, aliases)
            self._remember(connection, parsed, report)
        record_repeated(connection, waiting)

    def _remember(self, connection: duckdb.DuckDBPyConnection, parsed: Parsed, report: RunReport) -> None:
        name = parsed.source.name
        if report.outcome != "accepted":
            # It changed nothing, so the next believable run is compared with the one before it.
            return
        if parsed.source.is_dated_list or len(parsed.offers) > MOST_WAITING:
            self._last.pop(name, None)
            return
        run_no = 0
        if report.is_settled:
            row = sql.first(
                connection, "select run_no from scrape_run where run_id = $run", {"run": report.run_id}
            )
            run_no = row[0] if row else 0
        self._last[name] = _Seen(parsed, run_no)


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
