"""The Python API: offers, cheapest, price_history, estimate, connect.

    from gpuledger.library import estimate, offers
    offers(gpu_name="H100", min_gpu_count=8, spot=False)      # gpuhunt's keywords, unchanged
    estimate("llama-2-7b-qlora", as_of="2026-03-15").mid      # dollars, as `gpuledger quote` prints them

Each call reads the newest snapshot of a home directory, `GPULEDGER_HOME` unless `home` is given, and never
the network.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gpuledger.core import validity
from gpuledger.core.config import load_settings
from gpuledger.core.errors import UnknownGPUError, UsageError
from gpuledger.core.store.database import Home, home_of
from gpuledger.core.store.offers import LatestOffer, OfferQuery
from gpuledger.core.store.offers import offers as look_up
from gpuledger.core.store.publish import opened, reading

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.cheapest import Cheapest
    from gpuledger.core.cost.answer import QuoteSet
    from gpuledger.core.cost.market.own_terms import Overrides
    from gpuledger.core.plan import TrainingPlan

When = datetime | str | None
Names = str | Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class CatalogOffer:
    """One offer under gpuhunt's names: memory in GB, `price` in US dollars per hour for the whole
    instance."""

    provider: str
    instance_name: str
    location: str
    price: float
    cpu: int | None
    cpu_arch: str
    memory: float | None
    gpu_count: float
    gpu_name: str | None
    gpu_memory: float | None
    gpu_vendor: str | None
    spot: bool
    disk_size: float | None
    flags: list[str]
    provider_data: dict[str, Any]
    offer: LatestOffer
    """The offer with its exact decimals, observation and source."""
    price_state: str

    def to_dict(self) -> dict[str, Any]:
        """gpuhunt's columns, with the offer's id and the price's state."""
        row = {name: value for name, value in asdict(self).items() if name != "offer"}
        return row | {"offer_id": self.offer.offer_id, "observed_at": self.offer.last_seen_at}


class CatalogOffers(list[CatalogOffer]):
    """The offers found; a list that turns into tables."""

    def to_arrow(self) -> Any:
        """The rows as a `pyarrow.Table`."""
        import pyarrow

        return cast(Any, pyarrow).Table.from_pylist([row.to_dict() for row in self])

    def to_df(self) -> Any:
        """The rows as a pandas frame; pandas is not a dependency and must be there."""
        return self.to_arrow().to_pandas()


def offers(
    *,
    provider: Names = None,
    cpu_arch: str | None = None,
    min_cpu: float | None = None,
    max_cpu: float | None = None,
    min_memory: float | None = None,
    max_memory: float | None = None,
    min_gpu_count: float | None = None,
    max_gpu_count: float | None = None,
    gpu_vendor: str | None = None,
    gpu_name: Names = None,
    min_gpu_memory: float | None = None,
    max_gpu_memory: float | None = None,
    min_total_gpu_memory: float | None = None,
    max_total_gpu_memory: float | None = None,
    min_disk_size: float | None = None,
    max_disk_size: float | None = None,
    min_price: float | None = None,
    max_price: float | None = None,
    min_compute_capability: tuple[int, int] | None = None,
    max_compute_capability: tuple[int, int] | None = None,
    spot: bool | None = None,
    allowed_flags: Sequence[str] | None = None,
    as_of: When = None,
    allow_stale: bool = False,
    home: Path | str | None = None,
) -> CatalogOffers:
    """Offers on sale, cheapest first: gpuhunt's keywords, and a past time. The filters of `GET /v1/offers`.

    Names are matched without case, one or several. Stale and lapsed prices are left out unless `allow_stale`; a
    bound leaves out what is not known. `allowed_flags` is accepted and filters nothing, as offers here carry no
    flags.

    Raises:
        UnknownGPUError: no accelerator of that name.
        EmptyLedgerError: nothing was published in that home yet.
    """
    at, past = _times(as_of)
    states = (
        validity.ALL_STATES
        if allow_stale
        else [s for s in validity.ALL_STATES if s not in ("stale", "lapsed")]
    )
    names, unknown = _gpu_names(gpu_name)
    query = OfferQuery(
        gpu_names=names,
        providers=_names(provider),
        vendors=_names(gpu_vendor),
        cpu_arch=None if cpu_arch is None else cpu_arch.lower(),
        min_cpu=min_cpu,
        max_cpu=max_cpu,
        min_memory=min_memory,
        max_memory=max_memory,
        min_gpu_count=min_gpu_count,
        max_gpu_count=max_gpu_count,
        min_gpu_memory=min_gpu_memory,
        max_gpu_memory=max_gpu_memory,
        min_total_gpu_memory=min_total_gpu_memory,
        max_total_gpu_memory=max_total_gpu_memory,
        min_disk_size=min_disk_size,
        max_disk_size=max_disk_size,
        min_price=_money(min_price),
        max_price=_money(max_price),
        min_compute_capability=_version(min_compute_capability),
        max_compute_capability=_version(max_compute_capability),
        spot=spot,
        states=states,
    )
    with _snapshot(home) as connection:
        found = look_up(connection, query, at=at, as_of=past)
    if not found and unknown is not None:
        raise unknown
    rows = [_row(offer, at) for offer in found if offer.usd_per_hour is not None]
    return CatalogOffers(
        sorted(rows, key=lambda row: (validity.state_rank(row.price_state), row.price, row.provider))
    )


def cheapest(
    spec: str,
    *,
    provider: Names = None,
    region: str | None = None,
    tier: Names = None,
    purchase_options: Sequence[str] = ("on_demand",),
    as_of: When = None,
    allow_stale: bool = False,
    home: Path | str | None = None,
) -> Cheapest:
    """The cheapest offer of each provider per GPU-hour, as `gpuledger cheapest` gives it.

    Raises:
        UnknownGPUError: no accelerator of that name.
        UsageError: the SPEC cannot be understood.
        EmptyLedgerError: nothing was published in that home yet.
    """
    from gpuledger.core.cheapest import cheapest_by_provider
    from gpuledger.core.spec import parse_spec

    at, past = _times(as_of)
    understood = parse_spec(spec)
    query = OfferQuery(
        gpu_ids=understood.gpu_ids,
        min_gpu_count=understood.min_count,
        max_gpu_count=understood.max_count,
        providers=_names(provider),
        regions=() if region is None else (region,),
        tiers=_names(tier),
        purchase_options=purchase_options,
    )
    with _snapshot(home) as connection:
        found = look_up(connection, query, at=at, as_of=past)
    return cheapest_by_provider(found, at=at, allow_stale=allow_stale)


def price_history(
    spec: str,
    *,
    since: When = None,
    until: When = None,
    every: str | None = None,
    stat: str = "min",
    provider: Names = None,
    home: Path | str | None = None,
) -> list[dict[str, Any]]:
    """Prices over time: a row per offer and interval, or per step with `every` (`1d`).

    Raises:
        UnknownGPUError: no accelerator of that name.
        UsageError: the SPEC, the step or the statistic cannot be understood.
        EmptyLedgerError: nothing was published in that home yet.
    """
    from gpuledger.core.spec import parse_spec
    from gpuledger.core.store.history import interval, price_intervals, price_series

    query = OfferQuery(gpu_ids=parse_spec(spec).gpu_ids, providers=_names(provider))
    first, last = _instant(since), _instant(until)
    with _snapshot(home) as connection:
        if every is None:
            return price_intervals(connection, query, since=first, until=last, now=datetime.now(UTC))
        step = interval(every)
        end = last or datetime.now(UTC)
        return price_series(connection, query, since=first, until=end, every=step, stat=stat)


def estimate(
    plan: TrainingPlan | Mapping[str, Any] | str,
    *,
    as_of: When = None,
    overrides: Overrides | str | None = None,
    home: Path | str | None = None,
    **options: Any,
) -> QuoteSet:
    """What the plan costs: `.low .mid .high .lines .receipt .excluded` of the best quote, and all
    `.quotes`.

    Args:
        plan: a plan, its keys, or the name of a preset.
        overrides: read already, or the text of an `overrides.toml`; none without.
        options: fields of `gpuledger.core.cost.question.QuoteOptions`, such as `deadline_hours` or `limit`.

    Raises:
        InvalidPlanError: the plan is wrong or says too little.
        DoesNotFitError: the plan fits on nothing on sale.
        NoOfferError: nothing is left; says what removed how many.
        UsageError: an option that does not exist.
        EmptyLedgerError: nothing was published in that home yet.
    """
    from gpuledger.core.cost.market.own_terms import Overrides, read_overrides
    from gpuledger.core.cost.market.snapshot import LedgerMarket
    from gpuledger.core.cost.question import QuoteOptions, market_filter
    from gpuledger.core.cost.quote import quote
    from gpuledger.core.plan import plan_from_mapping, preset_plan

    if isinstance(plan, str):
        plan = preset_plan(plan)
    elif isinstance(plan, Mapping):
        plan = plan_from_mapping(plan)
    own = read_overrides(overrides, "overrides") if isinstance(overrides, str) else overrides
    try:
        asked = QuoteOptions(overrides=own or Overrides(), **options)
    except TypeError as error:
        raise UsageError(f"estimate: {error}") from error
    now, past = datetime.now(UTC), _instant(as_of)
    with _snapshot(home) as connection:
        wanted = market_filter(plan, asked)
        market = LedgerMarket(connection, wanted, as_of=past, at=past or now, allow_stale=asked.allow_stale)
        return quote(plan, market, as_of=past, now=now, options=asked)


def connect(*, read_only: bool = True, home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """The newest snapshot as a DuckDB connection. There is no writing from here; close it when done.

    Raises:
        UsageError: asked for writing.
        EmptyLedgerError: nothing was published in that home yet.
    """
    if not read_only:
        raise UsageError("connect: read_only=False: only `gpuledger refresh` and `import` write the ledger")
    return opened(_home(home))


@contextmanager
def _snapshot(home: Path | str | None) -> Generator[duckdb.DuckDBPyConnection]:
    with reading(_home(home)) as connection:
        yield connection


def _home(home: Path | str | None) -> Home:
    return home_of(load_settings(os.environ, home=None if home is None else Path(home)))


def _instant(value: When) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(f"as_of: {value!r} is no date or time, as in 2026-03-15") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _times(as_of: When) -> tuple[datetime, datetime | None]:
    past = _instant(as_of)
    return past or datetime.now(UTC), past


def _names(value: Names) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _gpu_names(names: Names) -> tuple[list[str], UnknownGPUError | None]:
    """The names and the accelerators that they mean as a SPEC; the error of those that mean none. A provider's own
    label is no SPEC and may match all the same."""
    from gpuledger.core.spec import parse_spec

    found: list[str] = []
    unknown: UnknownGPUError | None = None
    for name in _names(names):
        found.append(name)
        try:
            found += parse_spec(name).gpu_ids
        except UnknownGPUError as error:
            unknown = error
    return found, unknown


def _money(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _version(value: tuple[int, int] | None) -> float | None:
    return None if value is None else float(f"{value[0]}.{value[1]}")


def _row(offer: LatestOffer, at: datetime) -> CatalogOffer:
    return CatalogOffer(
        provider=offer.provider,
        instance_name=offer.instance_type,
        location=offer.region,
        price=float(offer.usd_per_hour or 0),
        cpu=None if offer.vcpus is None else int(offer.vcpus),
        cpu_arch=offer.cpu_arch or "x86",
        memory=_number(offer.memory_gib),
        gpu_count=float(offer.gpu_count),
        gpu_name=offer.gpu_name or offer.gpu_label,
        gpu_memory=_number(offer.gpu_memory_gib),
        gpu_vendor=offer.gpu_vendor,
        spot=offer.purchase_option == "spot",
        disk_size=_number(offer.local_storage_gb),
        flags=[],
        provider_data={},
        offer=offer,
        price_state=offer.price_state(at),
    )


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
