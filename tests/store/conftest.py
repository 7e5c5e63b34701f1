"""Ledgers made from a few offers given in code: no network, no adapter."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gpuledger.core.alias import Alias, Aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer, Skipped
from gpuledger.core.store.archive import Archive, FetchFailure, Manifest, run_id
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.catalogue import hang_up
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import publish, reading
from gpuledger.core.store.record import Recorded, record
from gpuledger.core.store.shared.follow import catch_up, recording
from gpuledger.core.store.shared.lake import close
from gpuledger.core.store.staging import Located, SideFact
from tests.machines import assert_a_new_machine_sees_the_same
from tests.postgres import Server
from tests.template import start_migrated

T0 = datetime(2026, 10, 1, tzinfo=UTC)
ALIASES = (
    Alias("", "H100 SXM", None, "h100-sxm-80gb"),
    Alias("", "A100", Decimal(80), "a100-80gb"),
    Alias("", "L4", None, "l4-24gb"),
)


def source_row(name: str, kind: str = "live", provider: str = "runpod") -> SourceRow:
    return SourceRow(
        source=name,
        provider=provider,
        kind=kind,
        fresh_for_seconds=3 * 3600,
        every_seconds=3600,
        homepage="https://prices.example/",
        licence="none",
    )


def an_offer(sku: str, amount: Any = "2.5", **more: Any) -> Offer:
    """An offer of one H100 for so many dollars per hour, unless other terms are given."""
    price = {"unit": Unit.HOUR, "currency": "USD"} | {
        name: more.pop(name) for name in ("unit", "currency") if name in more
    }
    terms: dict[str, Any] = {
        "provider": "runpod",
        "sku": sku,
        "gpu_label": "NVIDIA H100 SXM",
        "gpu_count": Decimal(1),
        "purchase_option": "on_demand",
        "availability": "available",
        "price": Price(amount=Decimal(str(amount)), **price),
    }
    return Offer(**terms | more)


class Books:
    """A ledger that a test writes run by run, an hour apart."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.sources = (source_row("runpod"), source_row("other"), source_row("list", "archive"))
        self.aliases = ALIASES
        self.at = T0

    def run(self, *offers: Offer, **more: Any) -> Recorded:
        """Record what a source showed, see `batch`."""
        batch = self.batch(*offers, **more)
        aliases = Aliases(self.aliases)
        with (
            self.writing() as connection,
            recording(self.home, connection, aliases, batch.manifest.source) as share,
        ):
            return record(connection, batch, aliases, share=share)

    def batch(
        self,
        *offers: Offer,
        source: str = "runpod",
        at: datetime | None = None,
        side_facts: Sequence[SideFact] = (),
        skipped: Sequence[Skipped] = (),
        failure: FetchFailure | None = None,
        is_complete: bool = True,
    ) -> Batch:
        """One run of a source, its bytes in the archive; an hour passes first unless a time is given."""
        self.at = at or self.at + timedelta(hours=1)
        self.home.create()
        document = Document(
            source=source,
            request=Request(url=f"https://{source}.example/"),
            body=repr(offers).encode(),
            fetched_at=self.at,
        )
        manifest = Manifest(
            run_id=run_id(source, self.at),
            source=source,
            started_at=self.at,
            observed_at=self.at,
            documents=(Archive(self.home.archive).put(document),),
            is_complete=is_complete,
            failure=failure,
        )
        kind = next(row.kind for row in self.sources if row.source == source)
        return Batch(
            manifest=manifest,
            kind=kind,  # pyright: ignore[reportArgumentType]
            parser_version=1,
            offers=[Located(fact=offer, document_no=0) for offer in offers],
            side_facts=side_facts,
            skipped=skipped,
            outcome="failed" if failure else "accepted",
            error=failure,
        )

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The writer's database at this release."""
        if not self.home.database.exists():
            start_migrated(self.home, self.sources, self.aliases)
        with turn(self.home), writing(self.home) as connection:
            self.bring(connection, self.home)
            yield connection

    def bring(self, connection: duckdb.DuckDBPyConnection, home: Home) -> None:
        """To this release, and up to the shared log."""
        migrate(connection, sources=self.sources, aliases=self.aliases)
        catch_up(home, connection, Aliases(self.aliases))

    def publish(self) -> int:
        with turn(self.home):
            return publish(self.home, now=self.at)

    def ask(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Rows of the writer's database."""
        with self.writing() as connection:
            return connection.execute(query, parameters).fetchall()

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the newest snapshot."""
        with reading(self.home) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def home(either_home: Home) -> Home:
    """All of this folder is true of both stores."""
    return either_home


@pytest.fixture
def books(home: Home) -> Books:
    return Books(home)


@pytest.fixture(scope="module")
def connection(books: Books) -> Iterator[duckdb.DuckDBPyConnection]:
    """A ledger in memory, for modules whose `books` are of the module."""
    with duckdb.connect() as made:
        made.execute("set timezone = 'UTC'")
        migrate(made, sources=books.sources, aliases=books.aliases)
        yield made


@pytest.fixture
def lake_home(postgres: Server, tmp_path: Path) -> Iterator[Home]:
    """A home that follows an empty lake."""
    lake = postgres.empty_lake(tmp_path / "shared")
    yield Home(tmp_path / "home", lake=lake)
    close(lake)
    hang_up(lake)


@pytest.fixture
def machine(books: Books, tmp_path: Path) -> Callable[[str], Books]:
    """Another machine that follows the lake of `books`; its next run is an hour after the last one there."""

    def make(name: str) -> Books:
        other = Books(replace(books.home, path=tmp_path / name))
        other.at = books.at
        return other

    return make


@pytest.fixture
def seen_by_all(books: Books, tmp_path: Path) -> Iterator[None]:
    """In a shared store, what the test wrote is also what another machine sees."""
    yield
    if books.home.lake is not None:
        assert_a_new_machine_sees_the_same(books.home, tmp_path / "another", books.bring)


@pytest.fixture(scope="session")
def books_in(_postgres: Server | str) -> Callable[..., Books]:
    """For ledgers that several tests share."""

    def make(folder: Path, store: str = "duckdb") -> Books:
        if store == "duckdb":
            return Books(Home(folder / "home"))
        if isinstance(_postgres, str):
            pytest.skip(_postgres)
        return Books(Home(folder / "home", lake=_postgres.empty_lake(folder / "shared")))

    return make


@pytest.fixture(scope="session")
def _migrated() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection, sources=[source_row("runpod")], aliases=ALIASES)
        yield connection


@pytest.fixture
def migrated(_migrated: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A migrated ledger without a row, in memory; what a test changes is taken back."""
    _migrated.begin()
    yield _migrated
    _migrated.rollback()


@pytest.fixture(scope="session", name="an_offer")
def _an_offer() -> Callable[..., Offer]:
    return an_offer
