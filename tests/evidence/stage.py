"""A ledger that knows every source by its captures, and answers of one source that differ from them.

Documents are recorded as any refresh records them, without a network: what a run says is the capture, changed by the
function that the document's context names. So the archive holds all that a replay needs.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.document import Document
from gpuledger.core.money import Price
from gpuledger.core.offer import Fact, Offer
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import LEDGER, Home
from gpuledger.core.store.publish import describe_offers
from gpuledger.core.store.shared.follow import recording
from gpuledger.flows.pipeline import LedgerWriter, RunReport, open_ledger, read_run, record_one
from gpuledger.scrapers.registry import SOURCES, get
from gpuledger.scrapers.source import Source
from tools.captures import captures, read_capture

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
START = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)
LIKE = "change"
"""Key of the context that names how a document was changed."""

ONE_ANSWER = {
    "aws_bulk": ("ec2-us-east-1.csv", "savings-us-east-1.csv"),
    "aws_spot": ("spot.json",),
    "azure_retail": ("machines.json",),
    "coreweave": ("pricing_2026-09.html",),
    "digitalocean": ("gpu-droplets.html",),
    "gcp_page": ("pricing.yml",),
    "lambda_cloud": ("pricing.html",),
    "nebius": ("prices.html",),
    "oci_price_list": ("prices.json", "shapes.json"),
    "ovh": ("catalog-fr.json", "catalog-us.json"),
    "prime_intellect": ("gpus.json",),
    "runpod": ("prices.json",),
    "vultr": ("plans-metal.json", "plans.json"),
    "aws_on_demand": ("us-east-1.json",),
    "aws_capacity_blocks": ("pricing.html",),
    "hyperstack": ("gpu-pricing.html",),
}
"""Captures that are one answer of a source; of the others, all."""

Change = Callable[[list[Offer]], list[Offer]]
"""What an answer says instead of what it said."""

CHANGES: dict[str, Change] = {"": lambda offers: offers}


def named(name: str, change: Change) -> str:
    """Register a change, so that the archive can name it."""
    CHANGES[name] = change
    return name


@cache
def documents_of(source: str) -> tuple[Document, ...]:
    paths = captures(CAPTURES / source)
    names = ONE_ANSWER.get(source)
    return tuple(read_capture(source, path) for path in paths if names is None or path.name in names)


@cache
def facts_of(source: str) -> tuple[tuple[Document, Fact], ...]:
    """What the source's captures say, read once."""
    adapter, documents = get(source), documents_of(source)
    if adapter.parse_batch is not None:
        return tuple(adapter.parse_batch(documents))
    return tuple((document, fact) for document in documents for fact in adapter.parse(document))


def on_captures(source: Source) -> Source:
    """The source on its captures: what its contract cannot ask of a few rows is left out of it."""

    def read(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
        change = CHANGES[documents[0].request.context.get(LIKE, "")]
        facts = [fact for _, fact in facts_of(source.name)]
        for fact in change([fact for fact in facts if isinstance(fact, Offer)]):
            yield documents[0], fact
        for fact in facts:
            if not isinstance(fact, Offer):
                yield documents[0], fact

    return replace(source, contract=replace(source.contract, min_offers=0, must_have=()), parse_batch=read)


STAGED = tuple(on_captures(source) for source in SOURCES if source.requests)
WITHOUT_OFFERS = ("ecb", "scaleway_storage")
WITH_OFFERS = tuple(source.name for source in STAGED if source.name not in WITHOUT_OFFERS)


@dataclass
class Stage:
    """One ledger at one time, with its database open."""

    home: Home
    connection: duckdb.DuckDBPyConnection
    aliases: Aliases
    now: datetime = START

    @property
    def ledger(self) -> LedgerWriter:
        return ledger_in(self.home, lambda: self.now)

    def answers(self, source: str, change: str = "", *, at: datetime | None = None) -> RunReport:
        """Record what the source says now."""
        self.now = at or self.now
        parsed = read_run(self.ledger, self.archived(source, change))
        assert parsed is not None
        with recording(self.home, self.connection, self.aliases, source) as share:
            return record_one(self.connection, parsed, self.aliases, share)

    def archived(self, source: str, change: str) -> Manifest:
        archive = self.ledger.archive
        self.home.create()
        entries = []
        for document in documents_of(source):
            context = {**document.request.context, LIKE: change}
            request = replace(document.request, context=context)
            entries.append(archive.put(replace(document, request=request, fetched_at=self.now)))
        manifest = Manifest(
            run_id=run_id(source, self.now),
            source=source,
            started_at=self.now,
            observed_at=self.now,
            documents=tuple(entries),
        )
        archive.write_manifest(manifest)
        return manifest

    def rows(self, query: str, parameters: object = None) -> list[tuple]:
        if "offers_as_of" in query:
            describe_offers(self.connection)
        return self.connection.execute(query, parameters).fetchall()

    def believed(self, source: str) -> dict[str, tuple[Decimal, bool]]:
        """By offer, US dollars per GPU-hour and whether it is listed."""
        rows = self.rows(
            "select offer_id, usd_per_gpu_hour, not is_unlisted from offers_as_of(null::timestamptz)"
            " where source = $1",
            [source],
        )
        return {offer_id: (usd, is_listed) for offer_id, usd, is_listed in rows}

    def state(self, source: str) -> dict[str, tuple[object, bool]]:
        """By offer, the price that is believed of this source, whichever source is shown, and whether it is listed."""
        rows = self.rows(
            "select offer_id, {'amount': amount, 'upfront': upfront_amount, 'currency': currency, 'unit': unit},"
            " availability is distinct from 'unlisted' from offer_current where source = $1 and amount is not null",
            [source],
        )
        return {offer_id: (price, is_listed) for offer_id, price, is_listed in rows}

    def cheapest(self) -> dict[tuple[str, str], tuple[str, Decimal]]:
        """The cheapest listed offer by GPU and purchase option, of each provider and of the market."""
        rows = self.rows(
            "select who, gpu_id, purchase_option, arg_min(source || ':' || offer_id, (usd_per_gpu_hour, offer_id)),"
            " min(usd_per_gpu_hour) from ("
            " select unnest([provider, 'market']) as who, * from offers_as_of(null::timestamptz)"
            " where not is_unlisted and gpu_id is not null and usd_per_gpu_hour is not null) group by all"
        )
        return {(f"{who} {gpu}", option): (offer, usd) for who, gpu, option, offer, usd in rows}

    def disputes(self) -> list[dict[str, object]]:
        relation = self.connection.execute("select * from disputed_latest order by source, offer_id")
        names = [column[0] for column in relation.description or ()]
        return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def ledger_in(home: Home, clock: Callable[[], datetime]) -> LedgerWriter:
    return LedgerWriter(home=home, sources=STAGED, clock=clock)


@contextmanager
def stage_in(where: Path | Home, now: datetime = START) -> Iterator[Stage]:
    """The ledger in a folder or a home, made where there is none."""
    home = where if isinstance(where, Home) else Home(where)
    with turn(home), writing(home) as connection:
        yield Stage(home, connection, open_ledger(ledger_in(home, lambda: now), connection), now)


@contextmanager
def copy_of(base: Path, folder: Path) -> Iterator[Stage]:
    """The same ledger once more, to be spoilt; its archive begins anew."""
    folder.mkdir(parents=True)
    shutil.copyfile(base / LEDGER, folder / LEDGER)
    with stage_in(folder) as stage:
        # some dozens of rows are sooner read than shared out
        stage.connection.execute("set threads = 1")
        yield stage


def open_season(folder: Path) -> None:
    """A ledger in which every source was read two weeks ago, and once more an interval before the start."""
    first = START - timedelta(days=15)
    with stage_in(folder, first) as stage:
        for place, source in enumerate(STAGED):
            stage.answers(source.name, at=first + timedelta(seconds=place))
        for at, name in sorted((START - source.every, source.name) for source in STAGED):
            stage.answers(name, at=at)


def priced(offer: Offer, factor: Decimal | float | str) -> Offer:
    """The same offer at its price times a factor, rounded as the store rounds."""
    times = Decimal(str(factor))

    def amount(value: Decimal) -> Decimal:
        return max((value * times).quantize(Decimal("0.000001")), Decimal("0.000001"))

    upfront = None if offer.upfront_amount is None else amount(offer.upfront_amount)
    price = Price(amount=amount(offer.price.amount), currency=offer.price.currency, unit=offer.price.unit)
    return offer.model_copy(update={"price": price, "upfront_amount": upfront})
