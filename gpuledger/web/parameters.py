"""Query parameters: gpuhunt's names where it has one, the command line's otherwise. Unknown ones are
refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gpuledger.core.errors import UsageError
from gpuledger.core.money import decimal_from
from gpuledger.core.spec import Spec, parse_spec
from gpuledger.core.store.offers import OfferQuery
from gpuledger.core.validity import ALL_STATES, LAPSED

MOST_ROWS = 1000
MOST_VALUES = 200
"""Of one parameter that may be repeated."""


def _split(value: object) -> object:
    """`aws,gcp` and `provider=aws&provider=gcp` mean the same."""
    if not isinstance(value, list):
        return value
    texts = cast("list[object]", value)
    return [piece.strip() for text in texts for piece in str(text).split(",") if piece.strip()]


Texts = Annotated[
    list[Annotated[str, Field(max_length=200)]], BeforeValidator(_split), Field(max_length=MOST_VALUES)
]
Size = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Option = Literal["on_demand", "spot", "reserved", "capacity_block"]
Options = Annotated[list[Option], BeforeValidator(_split)]
Instant = Annotated[str, Field(max_length=40, examples=["2026-03-15", "2026-03-15T12:00:00Z"])]
Money = Annotated[str, Field(max_length=20, examples=["2.50"])]
SpecText = Annotated[str, Field(max_length=200, examples=["H100-SXM:8"])]


class Parameters(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv", "parquet"] | None = Field(
        None, description="Wins over Accept; for links that people click."
    )


class Choice(Parameters):
    """Which offers, as the command line chooses them."""

    gpu: SpecText | None = Field(None, description="SPEC: [vendor:]NAME[:MEMORY][:COUNT].")
    provider: Texts = Field([], description="Provider ids; repeat or part by commas.")
    region: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Region code, ISO country or continent (eu)."
    )
    tier: Texts = Field([], description="secure or community.")
    purchase_option: Options = Field([], description="How capacity is bought.")
    spot: bool | None = Field(None, description="true: only spot; false: no spot.")
    as_of: Instant | None = Field(None, description="A past date or time; UTC without an offset.")
    limit: int = Field(100, ge=1, le=MOST_ROWS, description="At most so many rows.")

    def spec(self) -> Spec | None:
        """The accelerators asked for."""
        return None if self.gpu is None else parse_spec(self.gpu)

    def options(self) -> list[str] | None:
        """The purchase options asked for; `None` is all."""
        if self.spot is True:
            return ["spot"]
        chosen: list[str] = list(self.purchase_option)
        if self.spot is False:
            chosen = [
                option for option in chosen or ["on_demand", "reserved", "capacity_block"] if option != "spot"
            ]
        return chosen or None

    def query(self, default_options: Sequence[str] = (), **more: Any) -> OfferQuery:
        """As `gpuledger.core.store.offers` wants it."""
        spec = self.spec()
        chosen: dict[str, Any] = {
            "gpu_ids": None if spec is None else spec.gpu_ids,
            "min_gpu_count": None if spec is None else spec.min_count,
            "max_gpu_count": None if spec is None else spec.max_count,
            "providers": [name.lower() for name in self.provider],
            "regions": [] if self.region is None else [self.region],
            "tiers": self.tier,
            "purchase_options": self.options() or default_options,
        }
        return OfferQuery(**(chosen | more))


class OfferParameters(Choice):
    """`/v1/offers`: the same choice, and gpuhunt's filters."""

    region: Texts = Field([], description="Region codes, ISO countries or continents (eu).")  # pyright: ignore[reportIncompatibleVariableOverride]
    gpu_name: Texts = Field([], description="Canonical name, its first word or the provider's label.")
    gpu_vendor: Texts = Field([], description="nvidia, amd, google, aws or intel.")
    source: Texts = Field([], description="Only from this source.")
    instance_type: Texts = Field([], description="Machine shape as the provider names it.")
    availability: Annotated[
        list[Literal["available", "limited", "sold_out", "unknown"]], BeforeValidator(_split)
    ] = Field([], description="Stock.")
    price_state: Annotated[
        list[Literal["fresh", "stale", "unlisted", "sold_out", "lapsed", "recorded"]], BeforeValidator(_split)
    ] = Field([], description="How far the price can be relied on; unless given, all but lapsed.")
    cpu_arch: Literal["x86", "arm"] | None = Field(None, description="Of the host.")
    min_cpu: Size | None = Field(None, description="Virtual CPUs.")
    max_cpu: Size | None = None
    min_memory: Size | None = Field(None, description="Host memory, GiB.")
    max_memory: Size | None = None
    min_gpu_count: Size | None = Field(None, description="Accelerators of one instance.")
    max_gpu_count: Size | None = None
    min_gpu_memory: Size | None = Field(None, description="Memory of one accelerator, GiB.")
    max_gpu_memory: Size | None = None
    min_total_gpu_memory: Size | None = Field(None, description="Memory of all accelerators, GiB.")
    max_total_gpu_memory: Size | None = None
    min_disk_size: Size | None = Field(None, description="Local disk, GB.")
    max_disk_size: Size | None = None
    min_price: Money | None = Field(None, description="US dollars per hour, whole instance.")
    max_price: Money | None = Field(None, description="US dollars per hour, whole instance.")
    max_usd_per_gpu_hour: Money | None = Field(None, description="US dollars per GPU-hour.")
    min_compute_capability: Size | None = Field(None, description="Of NVIDIA accelerators, as in 8.0.")
    max_compute_capability: Size | None = None
    allowed_flags: Texts = Field([], description="Taken and without effect: no offer here carries a flag.")
    order_by: Literal[
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
    ] = Field("best", description="best: by price_state, then per GPU-hour, as ties of all others.")
    order_dir: Literal["asc", "desc"] = "asc"
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="next_cursor of the page before; filters as there."
    )

    def page_query(self, *, skip_rows: int = 0) -> OfferQuery:
        """The same choice with gpuhunt's filters, one page of it."""
        spec = self.spec()
        counts = [value for value in (self.min_gpu_count, spec and spec.min_count) if value is not None]
        most = [value for value in (self.max_gpu_count, spec and spec.max_count) if value is not None]
        return self.query(
            gpu_names=self.gpu_name,
            vendors=self.gpu_vendor,
            regions=self.region,
            sources=self.source,
            instance_types=self.instance_type,
            availabilities=self.availability,
            states=self.price_state or [state for state in ALL_STATES if state != LAPSED],
            cpu_arch=self.cpu_arch,
            min_cpu=self.min_cpu,
            max_cpu=self.max_cpu,
            min_memory=self.min_memory,
            max_memory=self.max_memory,
            min_gpu_count=max(counts, default=None),
            max_gpu_count=min(most, default=None),
            min_gpu_memory=self.min_gpu_memory,
            max_gpu_memory=self.max_gpu_memory,
            min_total_gpu_memory=self.min_total_gpu_memory,
            max_total_gpu_memory=self.max_total_gpu_memory,
            min_disk_size=self.min_disk_size,
            max_disk_size=self.max_disk_size,
            min_price=dollars(self.min_price, "min_price"),
            max_price=dollars(self.max_price, "max_price"),
            max_usd_per_gpu_hour=dollars(self.max_usd_per_gpu_hour, "max_usd_per_gpu_hour"),
            min_compute_capability=self.min_compute_capability,
            max_compute_capability=self.max_compute_capability,
            order_by=self.order_by,
            descending=self.order_dir == "desc",
            skip_rows=skip_rows,
            max_rows=self.limit,
        )

    def question(self) -> dict[str, Any]:
        """What must stay the same from page to page."""
        return self.model_dump(exclude={"cursor", "limit", "format"})


class CheapestParameters(Choice):
    """`/v1/offers/cheapest`: one row per provider, on-demand unless asked otherwise."""

    allow_stale: bool = Field(False, description="Let prices past their target win.")


class HistoryParameters(Choice):
    """`/v1/history`: intervals, or samples with `every`."""

    since: Instant | None = Field(None, alias="from", description="First date or time.")
    until: Instant | None = Field(None, alias="to", description="Last date or time.")
    every: Annotated[str, Field(max_length=10, examples=["1d"])] | None = Field(
        None, description="Sample so often: 1h, 1d, 1w, 1mo."
    )
    stat: Literal["min", "median"] = "min"
    limit: int = Field(MOST_ROWS, ge=1, le=100_000, description="At most so many rows.")


def instant(text: str | None, name: str) -> datetime | None:
    """A date or time from a parameter; UTC without an offset.

    Raises:
        UsageError: not ISO 8601, or so far away that no calendar has it.
    """
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name}: {text!r} is no date or time, as in 2026-03-15 or 2026-03-15T12:00Z"
        ) from None
    # DuckDB and PostgreSQL know dates that Python does not, but no market is that old
    if not 1970 <= value.year <= 2262:
        raise UsageError(f"{name}: {text!r} lies outside the years 1970 to 2262")
    return value


def dollars(text: str | None, name: str) -> Decimal | None:
    """An amount from a parameter.

    Raises:
        UsageError: not a plain decimal number, negative, or more than the ledger can hold.
    """
    if text is None:
        return None
    try:
        value = decimal_from(text)
    except ValueError:
        raise UsageError(f"{name}: {text!r} is no amount, as in 2.50") from None
    if not 0 <= value < 10**11:
        raise UsageError(f"{name}: {text} is no price")
    return value
