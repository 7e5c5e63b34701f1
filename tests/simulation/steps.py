"""What processes do on the simulated machine: each step is the program's own function, under a plan of faults."""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import httpx

from gpuledger.core.config import FetchSettings
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import (
    CorruptError,
    EmptyLedgerError,
    GPULedgerError,
    OutdatedError,
    StoreBusyError,
    StoreError,
)
from gpuledger.core.store import sql
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import POINTER, current, open_snapshot, publish
from gpuledger.flows.backup import back_up, restore
from gpuledger.flows.compact import compact_ledger
from gpuledger.flows.imports import import_documents
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import fetch_source, open_ledger, read_run, record_runs, refresh_sources
from gpuledger.flows.publish import publish_news
from gpuledger.flows.replay import replay
from gpuledger.scrapers.archives import changes
from gpuledger.scrapers.http.fetch import Fetcher
from tests.simulation.invariants import Books, BrokenError, must
from tests.simulation.rim import REAL, Plan, Rim
from tests.simulation.world import WRONG, World

DISK_ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
LONGEST_SILENCE = timedelta(minutes=16)
"""After so long a run that nobody recorded is taken by the next writer."""


@dataclass
class Machine:
    """One home, its market, and the processes that work there."""

    world: World
    rim: Rim
    books: Books
    ledger: LedgerWriter
    fetcher: Fetcher
    chance: random.Random
    trace: list[str] = field(default_factory=list)
    is_broken: bool = False
    """The database was damaged, and the next writer puts the newest snapshot in its place."""
    backups: list[Path] = field(default_factory=list)
    imported: int = 0
    state: tuple[object, ...] = (None, None, None)

    # --- what a process may do ---

    def fetch(self) -> None:
        fetch_source(self.ledger, self._source(), self.fetcher)

    def refresh(self) -> None:
        count = self.chance.choice([1, 1, 2])
        chosen = self.chance.sample(list(self.ledger.sources[:-1]), min(count, len(self.ledger.sources) - 1))
        refresh_sources(self.ledger, chosen, self.fetcher)

    def refresh_quietly(self) -> None:
        """Fetched and recorded; somebody else publishes."""
        manifest, _ = fetch_source(self.ledger, self._source(), self.fetcher)
        parsed = read_run(self.ledger, manifest)
        record_runs(self.ledger, [parsed] if parsed else [], do_publish=False)

    def record(self) -> None:
        record_runs(self.ledger, [], do_publish=False)

    def publish(self) -> None:
        publish_news(self.ledger)

    def publish_anyway(self) -> None:
        with turn(self.ledger.home):
            publish(self.ledger.home, now=self.ledger.clock())

    def replay(self) -> None:
        report = replay(self.ledger, keep=self.chance.random() < 0.5)
        self.trace.append(f"    replayed {report.runs} runs, {report.intervals} intervals")

    def compact(self) -> None:
        compact_ledger(
            self.ledger, keep_documents=timedelta(days=36500), keep_snapshots=self.chance.choice([None, 1, 2])
        )

    def bring_list(self) -> None:
        """An imported list of dated prices, of a provider that no live source reads."""
        self.imported += 1
        now = self.ledger.clock()
        rows = ["observed_at,provider,instance_type,region,price,gpu_label,gpu_count"]
        for number in range(3):
            day = now - timedelta(days=self.chance.randint(1, 30))
            usd = round(20 + 10 * self.chance.random(), 2)
            rows.append(f"{day:%Y-%m-%d},aws,p5.48xlarge,us-east-{1 + number % 2},{usd},H100,8")
        document = Document(
            source=changes.SOURCE.name,
            request=Request(url=f"file:list-{self.imported}.csv"),
            body="\n".join(rows).encode(),
            fetched_at=now,
        )
        import_documents(self.ledger, changes.SOURCE, iter([document]), count=1)

    def upgrade(self) -> None:
        """The first command of another release: reference data, labels and views are made anew."""
        with turn(self.ledger.home), writing(self.ledger.home) as connection:
            connection.execute(
                "update ledger_setting set value = 'of an older release' where name = 'reference'"
            )
        with turn(self.ledger.home), writing(self.ledger.home) as connection:
            open_ledger(self.ledger, connection)

    def back_up(self) -> None:
        target = self.rim.root / "backup"
        back_up(self.ledger, target)
        if target not in self.backups:
            self.backups.append(target)

    def restore(self) -> None:
        """The backup into a home of its own. Its command compares content, so it only has to end well."""
        target = Home(self.rim.root / "restored")
        REAL_RMTREE(target.path, ignore_errors=True)
        source = self.rim.root / "backup"
        if (source / "backup.json").exists():
            record_runs(self.ledger, [], sources=[one.name for one in self.ledger.sources], do_publish=False)
            back_up(self.ledger, source)
            restore(source, replace(self.ledger, home=target))

    def read(self) -> None:
        """A reader never waits, and never meets a lock or a half-made snapshot."""
        try:
            connection = open_snapshot(self.ledger.home)
        except (EmptyLedgerError, OutdatedError):
            return
        try:
            self.books.check_reader(connection, self.ledger.clock())
        finally:
            connection.close()

    def _source(self):
        return self.chance.choice(self.ledger.sources[:-1])

    # --- what goes wrong beside them ---

    def damage(self) -> None:
        """A database that a kill tore, or that somebody deleted."""
        database = self.ledger.home.database
        if not list(self.ledger.home.snapshots.glob("prices-*.duckdb")):
            return
        content = bytearray(database.read_bytes())
        how = self.chance.choice(["torn", "gone", "emptied", "cut"])
        if how == "gone":
            database.unlink()
        else:
            place = 12288 + 4096
            if how == "torn":
                content[place : place + 16384] = self.chance.randbytes(16384)
            with REAL["open"](database, "wb") as file:
                file.write(
                    {"torn": bytes(content), "emptied": b"", "cut": bytes(content[: len(content) // 2])}[how]
                )
        self.trace.append(f"    {how}")
        self.is_broken = True


REAL_RMTREE = shutil.rmtree

STEPS: dict[str, tuple[Callable[[Machine], None], float]] = {
    "fetch": (Machine.fetch, 3),
    "refresh": (Machine.refresh, 6),
    "refresh quietly": (Machine.refresh_quietly, 6),
    "record": (Machine.record, 2),
    "publish": (Machine.publish, 2),
    "publish anyway": (Machine.publish_anyway, 0.5),
    "replay": (Machine.replay, 0.4),
    "compact": (Machine.compact, 0.7),
    "import": (Machine.bring_list, 0.7),
    "upgrade": (Machine.upgrade, 0.4),
    "back up": (Machine.back_up, 0.5),
    "restore": (Machine.restore, 0.2),
    "read": (Machine.read, 1),
    "damage": (Machine.damage, 0.3),
}
NEVER_DISTURBED = {"read", "damage"}
OTHERS = ("read", "read", "refresh", "refresh quietly", "back up", "compact", "publish")
EXPECTED_OPERATIONS = {"fetch": 14, "record": 30, "publish": 60, "back up": 40, "read": 8, "compact": 10}


def take_step(machine: Machine) -> None:
    """One process, with or without a fault, and everything that has to hold afterwards."""
    chance, world = machine.chance, machine.world
    world.forward(chance.choice([0.01, 0.3, 1, 1, 1, 1, 2, 2, 6, 24]))
    for provider in world.providers.values():
        if chance.random() < 0.12:
            provider.next_kind = chance.choice(WRONG)
    name = chance.choices(list(STEPS), [weight for _, weight in STEPS.values()])[0]
    plan, fault = _plan(machine, name)
    machine.trace.append(f"  {world.clock():%d %H:%M} {name}{fault}")
    run_step(machine, name, plan)


def run_step(machine: Machine, name: str, plan: Plan) -> None:
    """As `take_step`, of a step that was chosen."""
    rim, ended = machine.rim, ""
    try:
        with rim.step(plan):
            STEPS[name][0](machine)
    except StoreBusyError as error:
        ended = f"busy: {error}"
        must(False, f"{name} met a lock: {error}")
    except GPULedgerError as error:
        ended = f"{type(error).__name__}: {error}"
        is_disturbed = plan.fail_at or plan.most_bytes is not None or machine.is_broken
        must(is_disturbed and isinstance(error, StoreError | CorruptError), f"{name} failed: {ended}")
    except (duckdb.Error, OSError) as error:
        raise BrokenError(f"{name} ended in a traceback: {type(error).__name__}: {error}") from error
    if rim.is_dead:
        ended = f"killed at {rim.last}"
    if ended:
        machine.trace.append(f"    {ended[:300]}")
    check(machine)


def _plan(machine: Machine, name: str) -> tuple[Plan, str]:
    chance = machine.chance
    if name in NEVER_DISTURBED or chance.random() < 0.45:
        return Plan(), ""
    most = EXPECTED_OPERATIONS.get(name, 110)
    at = chance.randint(1, most)
    what = chance.choices(["kill", "power", "error", "full", "other"], [5, 2, 3, 1.5, 3])[0]
    if what == "kill":
        return Plan(kill_at=at), f", killed at {at}"
    if what == "power":
        return Plan(kill_at=at, is_power_cut=True), f", power cut at {at}"
    if what == "error":
        code, fails = chance.choice(DISK_ERRORS), chance.choice([1, 1, 3, 1000])
        return Plan(
            fail_at=chance.randint(1, 40), fail_with=code, fails=fails
        ), f", {errno.errorcode[code]} {fails} times"
    if what == "full":
        size = machine.ledger.home.database.stat().st_size if machine.ledger.home.database.exists() else 0
        limit = chance.choice([1, 1024, 65536, size // 2, size, size + 65536])
        return Plan(most_bytes=limit), f", no file beyond {limit} bytes"
    other = chance.choice(OTHERS)
    return Plan(other_at=at, other=lambda: _other(machine, other)), f", {other} goes first at {at}"


def _other(machine: Machine, name: str) -> None:
    """A second process in the middle of the first; where that one holds the turn, it gives up waiting."""
    machine.trace.append(f"    meanwhile {name}")
    try:
        STEPS[name][0](machine)
    except StoreBusyError as error:
        must(name != "read", f"a reader met a lock: {error}")


def check(machine: Machine, *, thoroughly: bool = False) -> None:
    """Everything that must hold now. What did not change on the disk is not looked at again."""
    home, books, chance = machine.ledger.home, machine.books, machine.chance
    if machine.is_broken:
        heal(machine)
    books.archived()
    if (home.snapshots / POINTER).exists():
        must(current(home).exists(), f"readers are sent to {current(home).name}, which is not there")
    before, machine.state = machine.state, _state(home)
    if machine.state == before:
        return
    is_published = machine.state[-1] != before[-1] and machine.state[-1] is not None
    if is_published and (thoroughly or chance.random() < 0.6):
        with _opened(machine, home.database if machine.rim.is_dead else current(home)) as connection:
            books.check_log(connection)
            if not machine.rim.is_dead:
                books.check_reader(connection, machine.ledger.clock())
                if thoroughly or chance.random() < 0.1:
                    books.check_intervals(connection)
    elif home.database.exists():
        with _opened(machine, home.database) as connection:
            if _is_migrated(connection):
                books.check_log(connection)
    # to open what a killed writer left writes its log into it
    machine.state = _state(home)


@contextmanager
def _opened(machine: Machine, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = REAL["connect"](str(path), read_only=path != machine.ledger.home.database, config=CHECKED)
    try:
        sql.prepare(connection)
        yield connection
    finally:
        connection.close()


CHECKED = {"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}


def _state(home: Home) -> tuple[object, ...]:
    """What a step may have changed: the database, its log, and the pointer."""
    paths = (home.database, home.database.with_name(home.database.name + ".wal"), home.snapshots / POINTER)
    return tuple(
        (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) if path.exists() else None
        for path in paths
    )


def _is_migrated(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(
        connection.execute("select 1 from duckdb_views() where view_name = 'disputed_latest'").fetchall()
    )


def heal(machine: Machine) -> None:
    """After damage: the next writer, or the one after it, has the newest snapshot and what the archive has since."""
    machine.world.clock.forward(seconds=LONGEST_SILENCE.total_seconds())
    for attempt in range(3):
        try:
            record_runs(machine.ledger, [], do_publish=False)
            break
        except StoreError as error:
            must(attempt < 2, f"a damaged database is not restored: {error}")
    machine.is_broken = False


def settle(machine: Machine) -> None:
    """The end of a seed: a source answers truly, all that was fetched is recorded, and the archive gives the ledger."""
    world = machine.world
    world.forward(1.1)
    must_all = machine.chance.sample(machine.ledger.sources[:-1], 1)
    for provider in world.providers.values():
        provider.next_kind = "true"
    machine.trace.append("  settle")
    try:
        cycle = refresh_sources(machine.ledger, must_all, machine.fetcher)
    except GPULedgerError as error:
        raise BrokenError(f"the last refresh failed: {type(error).__name__}: {error}") from error
    wrong = [run for run in cycle.runs if run.outcome != "accepted" and run.run_id not in machine.books.runs]
    fetched = {run.source for run in cycle.runs if run.outcome == "accepted"}
    must(fetched >= {source.name for source in must_all}, f"a true answer was not accepted: {wrong}")
    must(cycle.snapshot is not None, "nothing was published")
    check(machine, thoroughly=True)
    archived = set(machine.books.archived())
    missing = archived - set(machine.books.runs)
    must(not missing, f"archived and never recorded: {sorted(missing)[:3]}")
    if machine.chance.random() < 0.25:
        report = replay(machine.ledger, keep=False)
        must(
            (report.added, report.removed) == (0, 0), f"a replay gives another history: {report.examples[:2]}"
        )


def transport(world: World) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(world.respond))


def fetcher_of(world: World, client: httpx.Client) -> Fetcher:
    return Fetcher(
        client=client,
        settings=FetchSettings(attempts=2, wait_seconds=0, timeout_seconds=5),
        environ={},
        urls={},
        clock=world.clock,
    )


def last_was_true(ledger: LedgerWriter, world: World) -> Callable[[str], bool]:
    """Whether the newest archived answer of a source was true: what it says twice in a row is to be believed."""

    def may_err(name: str) -> bool:
        runs = sorted((ledger.home.archive / "runs").glob(f"*/*/*Z-{name}.json"))
        for path in reversed(runs):
            documents = json.loads(path.read_bytes())["documents"]
            if documents:
                answer = world.sent.get(documents[-1]["sha256"])
                return answer is None or answer.kind == "true"
        return False

    return may_err
