"""The read side: what is on sale now or at a past time, and which labels no alias explains.

Nothing here may import pydantic, numpy or pyarrow: a lookup has to answer before they have loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args

import duckdb

from gpuledger.core import validity
from gpuledger.core.alias import Alias, Aliases
from gpuledger.core.errors import UsageError
from gpuledger.core.store import sql
from gpuledger.core.store.past_offers import OWN_TABLE, is_kept, set_past

# What is on sale, now or at a past time, under one name for the queries that choose from it.


def set_on_sale(
    connection: duckdb.DuckDBPyConnection,
    *,
    at: datetime | None,
    as_of: datetime | None,
    gpu_ids: Sequence[str] | None = None,
) -> None:
    """Make the temporary view `on_sale` of this connection: the columns of `offer_latest`, `row_no` and
    `place_no` (sql/queries/on_sale.sql), and `price_state` at the time `at`.

    Args:
        gpu_ids: accelerators that are asked about; of a past time no others are read then.
    """
    connection.execute("set variable question_at = $at::timestamptz", {"at": at})
    if as_of is None:
        connection.execute(sql.text("queries/on_sale"))
        return
    table = set_past(connection, as_of=as_of, gpu_ids=None if gpu_ids is None else list(gpu_ids))
    view = sql.text("queries/on_sale_then")
    connection.execute(view.replace(OWN_TABLE, table))


Order = Literal[
    "best",
    "usd_per_gpu_hour",
    "usd_per_hour",
    "gpu_count",
    "gpu_memory_gib",
    "vcpus",
    "memory_gib",
    "last_seen_at",
    "gpu_id",
    "provider",
    "instance_type",
    "region",
    "availability",
    "usd_per_peak_petaflop_hour",
    "usd_per_gib_hour",
]
ORDERS: tuple[str, ...] = get_args(Order)
"""What offers may be ordered by. `best`: what can be relied on first (`gpuledger.core.validity.STATES`), then the
cheapest per GPU-hour, to which ties of all other orders go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LatestOffer:
    """One offer on sale at a time, with its price and where that is from. Money in US dollars unless named
    `amount`; `usd_per_hour` is the whole instance and is null without an exchange rate."""

    price_id: str
    offer_id: str
    source: str
    source_kind: str
    provider: str
    via: str | None
    sku: str
    instance_type: str
    region: str
    zone: str | None
    country: str | None
    continent: str | None
    tier: str | None
    gpu_label: str
    gpu_id: str | None
    gpu_name: str | None
    gpu_vendor: str | None = None
    gpu_count: Decimal
    gpu_memory_gib: Decimal | None
    vcpus: Decimal | None
    memory_gib: Decimal | None
    local_storage_gb: Decimal | None = None
    cpu_arch: str | None = None
    """`x86` or `arm`: the host's."""
    network: str | None
    min_gpus: int | None
    max_gpus: int | None
    billing_increment_seconds: int | None
    minimum_billing_seconds: int | None
    purchase_option: str
    term_months: Decimal | None
    payment: str | None
    operating_system: str | None
    availability: str
    is_unlisted: bool
    is_recorded: bool = False
    """About a past moment: a later observation, or a change list, confirms the price."""
    amount: Decimal
    upfront_amount: Decimal | None
    currency: str
    unit: str
    upfront_usd: Decimal | None
    usd_per_hour: Decimal | None
    usd_per_gpu_hour: Decimal | None
    effective_at: datetime | None
    valid_from: datetime
    last_seen_at: datetime
    fresh_until: datetime
    lapses_at: datetime | None = None
    """From when on the price is history only; `None`: never."""
    check_source: str | None = None
    """The live source that would see the price anew."""
    is_disputed: bool = False
    """Whether the source claims something else now, which the ledger contradicts."""
    disputed_usd_per_gpu_hour: Decimal | None = None
    dispute: str | None = None
    """What contradicts the claim, in one line."""
    document_sha256: str | None
    source_url: str | None
    parser_version: int | None

    def price_state(self, instant: datetime) -> str:
        """One of `gpuledger.core.validity.STATES`, or `recorded`."""
        return validity.price_state(
            instant,
            is_recorded=self.is_recorded,
            fresh_until=self.fresh_until,
            lapses_at=self.lapses_at,
            is_unlisted=self.is_unlisted,
            availability=self.availability,
        )

    def age(self, instant: datetime) -> timedelta:
        """How long before `instant` the price was last seen; never negative."""
        return max(instant - self.last_seen_at, timedelta(0))

    @property
    def least_gpus(self) -> int:
        """Fewest accelerators that one can order of it; an instance is not divisible."""
        return max(int(-(-self.gpu_count // 1)), self.min_gpus or 1)


@dataclass(frozen=True, kw_only=True)
class OfferQuery:
    """Which offers, in which order; `None` and empty do not filter. Sizes in GiB (disks in GB), `min_price`
    and `max_price` in US dollars per hour for the whole instance."""

    gpu_ids: Sequence[str] | None = None
    gpu_names: Sequence[str] = ()
    """Canonical name, its first word (`h100`), or the provider's own label, in any case."""
    vendors: Sequence[str] = ()
    providers: Sequence[str] = ()
    regions: Sequence[str] = ()
    """Region codes, ISO countries, or continents (`eu`), in any case."""
    tiers: Sequence[str] = ()
    purchase_options: Sequence[str] = ()
    sources: Sequence[str] = ()
    instance_types: Sequence[str] = ()
    availabilities: Sequence[str] = ()
    states: Sequence[str] = ()
    """Of `gpuledger.core.validity.ALL_STATES`; empty means all of them, lapsed prices too."""
    spot: bool | None = None
    cpu_arch: str | None = None
    min_cpu: float | None = None
    max_cpu: float | None = None
    min_memory: float | None = None
    max_memory: float | None = None
    min_gpu_count: float | None = None
    """Accelerators of one order: an instance's, or as many as an offer that is sold per GPU sells at once."""
    max_gpu_count: float | None = None
    min_gpu_memory: float | None = None
    max_gpu_memory: float | None = None
    min_total_gpu_memory: float | None = None
    max_total_gpu_memory: float | None = None
    min_disk_size: float | None = None
    max_disk_size: float | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    max_usd_per_gpu_hour: Decimal | None = None
    min_compute_capability: float | None = None
    max_compute_capability: float | None = None
    best_per_provider: bool = False
    """Of each accelerator, provider and purchase option the best offer alone."""
    order_by: str = "best"
    descending: bool = False
    skip_rows: int = 0
    max_rows: int | None = None


@dataclass(frozen=True)
class OfferPage:
    """Some of the offers that match, and how many match."""

    offers: list[LatestOffer]
    total: int
    derived: list[dict[str, Any]]
    """Of each offer the values of `DERIVED`, which follow from its price and the data sheet."""


DERIVED = ("usd_per_peak_petaflop_hour", "usd_per_gib_hour", "spot_saving")
"""US dollars per hour of the dense bf16 petaFLOP/s of the data sheet and per GiB of its memory; the share by which a
spot price is below the provider's cheapest on-demand price of the accelerator."""


_LISTS = (
    *("gpu_ids", "gpu_names", "vendors", "providers", "regions", "tiers", "purchase_options", "sources"),
    *("instance_types", "availabilities", "states"),
)
_EXACT = ("gpu_ids", "tiers", "purchase_options", "sources", "availabilities", "states")


def offer_page(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    at: datetime | None,
    as_of: datetime | None = None,
    least_lapsed_since: datetime | None = None,
) -> OfferPage:
    """Offers on sale now or at a past time, with how many match in all.

    Args:
        at: the time that decides the state of a price; `None` only where `query.states` is empty.
        least_lapsed_since: of lapsed prices only the cheapest of each purchase option that was seen since.

    Raises:
        UsageError: an order that is not one of `ORDERS`, or a state that does not exist.
    """
    parameters = offer_parameters(query) | {"least_lapsed_since": least_lapsed_since}
    set_on_sale(connection, at=at, as_of=as_of, gpu_ids=query.gpu_ids)
    rows = sql.rows(connection, "queries/offers", parameters)
    total = rows[0]["total"] if rows else 0
    derived = [{name: row.pop(name) for name in DERIVED} for row in rows]
    for row in rows:
        del row["total"]
    return OfferPage([LatestOffer(**row) for row in rows], total, derived)


def offer_parameters(query: OfferQuery) -> dict[str, Any]:
    """The parameters of sql/queries/offers.sql.

    Raises:
        UsageError: an order that is not one of `ORDERS`, or a state that does not exist.
    """
    if query.order_by not in ORDERS:
        raise UsageError(f"order_by: {query.order_by!r} is none of {', '.join(ORDERS)}")
    unknown = [state for state in query.states if state not in validity.ALL_STATES]
    if unknown:
        raise UsageError(f"price_state: {unknown[0]!r} is none of {', '.join(validity.ALL_STATES)}")
    parameters: dict[str, Any] = {entry.name: getattr(query, entry.name) for entry in fields(query)}
    for name in _LISTS:
        parameters[name] = _joined(name, parameters[name])
    return parameters | {"least_lapsed_since": None}


def offers(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    at: datetime | None = None,
    as_of: datetime | None = None,
) -> list[LatestOffer]:
    """The offers of `page`."""
    return offer_page(connection, query, at=at, as_of=as_of).offers


class Unplaced(NamedTuple):
    """How many offers a question for places leaves out that may be there."""

    nowhere: int
    """Nobody knows where they are."""
    countryless: int
    """Their continent is known, and a country of it was asked for."""


_PLACED = ("gpu_ids", "providers", "regions", "tiers", "purchase_options")


def without_place(connection: duckdb.DuckDBPyConnection, query: OfferQuery) -> Unplaced:
    """How many offers of its accelerators, providers, tiers and ways to buy a question for regions leaves out though
    they may be there; to be asked after `page`, on the same connection."""
    if not query.regions:
        return Unplaced(0, 0)
    named = {name: _joined(name, getattr(query, name)) for name in _PLACED}
    (row,) = sql.rows(connection, "queries/offers_without_place", named)
    return Unplaced(row["offers"], row["countryless"])


def without_place_ever(connection: duckdb.DuckDBPyConnection, query: OfferQuery) -> Unplaced:
    """The same of a question about history, among all offers that were ever seen."""
    if not query.regions:
        return Unplaced(0, 0)
    named: dict[str, Any] = {name: list(getattr(query, name) or ()) or None for name in _PLACED}
    named["gpu_ids"] = None if query.gpu_ids is None else list(query.gpu_ids)
    named |= {
        "regions": [region.lower() for region in query.regions],
        "min_count": query.min_gpu_count,
        "max_count": query.max_gpu_count,
    }
    (row,) = sql.rows(connection, "queries/history_without_place", named)
    return Unplaced(row["offers"], row["countryless"])


_FACET_LISTS = ("gpu_ids", "providers", "regions", "tiers", "purchase_options", "states")
_FACET_BOUNDS = ("min_gpu_count", "max_gpu_count", "min_gpu_memory", "max_usd_per_gpu_hour")


def facets(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    at: datetime,
    as_of: datetime | None = None,
) -> list[dict[str, Any]]:
    """Rows of sql/queries/offer_facets.sql; the filters beside accelerators, providers, places, tiers, purchase
    options, states, counts, memory and price per GPU-hour do not count."""
    set_on_sale(connection, at=at, as_of=as_of)
    parameters: dict[str, Any] = {name: _joined(name, getattr(query, name)) for name in _FACET_LISTS}
    parameters |= {name: getattr(query, name) for name in _FACET_BOUNDS}
    return sql.rows(connection, "queries/offer_facets", parameters)


def overview(
    connection: duckdb.DuckDBPyConnection, *, at: datetime, as_of: datetime | None = None
) -> list[dict[str, Any]]:
    """Rows of sql/queries/overview.sql."""
    if as_of is None or is_kept(connection, as_of):
        set_on_sale(connection, at=at, as_of=as_of)
    else:
        # its one answer is what others ask for again, and a seventh of the columns is in it
        connection.execute("set variable question_at = $at::timestamptz", {"at": at})
        connection.execute("set variable as_of = $as_of::timestamptz", {"as_of": as_of})
        connection.execute(sql.text("queries/on_sale_once"))
    return sql.rows(connection, "queries/overview", {"as_of": as_of})


def _joined(name: str, values: Sequence[str] | None) -> str | None:
    """One text: binding a list costs far more than splitting it (see sql/queries/quote_offer.sql)."""
    if values is None or (not values and name != "gpu_ids"):
        return None
    for value in values:
        if "," in value:
            raise UsageError(f"{name}: {value!r} holds a comma; give several values one by one")
    return ",".join(value if name in _EXACT else value.lower() for value in values)


def snapshot_number(connection: duckdb.DuckDBPyConnection) -> int:
    """Number of the snapshot that this connection reads."""
    row = sql.first(connection, "select number from snapshot")
    return row[0] if row else 0


# Labels that no alias explains, each with the reason.


def unmapped_labels(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """One row per provider, label and memory without an accelerator, most offers first; `reason` says why: the name
    is not known, the stated memory is another card's, or it is a part of a card."""
    rows = sql.rows(connection, "queries/unmapped")
    if not rows:
        return []
    alias_rows = connection.execute(
        "select provider, gpu_label, gpu_memory_gib, gpu_id from gpu_alias"
    ).fetchall()
    aliases = Aliases(Alias(*row) for row in alias_rows)
    return [row | {"reason": _reason(row, aliases)} for row in rows]


def _reason(row: dict[str, Any], aliases: Aliases) -> str:
    if row["provider"] == "azure" and row["gpu_label"].startswith("Standard_"):
        return "a size whose accelerators are not in the seeds"
    return aliases.meaning(row["provider"], row["gpu_label"], row["gpu_memory_gib"]).reason
