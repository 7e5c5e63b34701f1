"""Query parameters: gpuhunt's names where it has one, the command line's otherwise. Unknown ones are refused.
A cursor is one of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from gpuledger.core.cheapest import Grouping
from gpuledger.core.cost.options import QuoteOption, question_options
from gpuledger.core.count import gib_from
from gpuledger.core.errors import UsageError
from gpuledger.core.plan_sections import PurchaseOptionName
from gpuledger.core.store.index_days import Segment
from gpuledger.core.store.offers import OfferQuery, Order
from gpuledger.core.validity import PriceState
from gpuledger.questions.choice import LISTED_STATES, cards_named, offer_query
from gpuledger.web.responses import FormatName

MOST_ROWS = 1000
MOST_VALUES = 200
"""Of one parameter that may be repeated."""


def _split(value: object) -> object:
    """`aws,gcp` and `provider=aws&provider=gcp` mean the same."""
    if not isinstance(value, list):
        return value
    texts = cast("list[object]", value)
    return [piece.strip() for text in texts for piece in str(text).split(",") if piece.strip()]


def _gib(value: object) -> object:
    """`80GB` is 80; what is no memory is left to be refused as no number."""
    try:
        return gib_from(value) if isinstance(value, str) else value
    except ValueError:
        return value


TextValues = Annotated[
    list[Annotated[str, Field(max_length=200)]], BeforeValidator(_split), Field(max_length=MOST_VALUES)
]
SizeValue = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
CardMemory = Annotated[SizeValue, BeforeValidator(_gib)]
Tokens = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
PurchaseOptions = Annotated[list[PurchaseOptionName], BeforeValidator(_split)]
Instant = Annotated[str, Field(max_length=40, examples=["2026-03-15", "2026-03-15T12:00:00Z"])]
Money = Annotated[str, Field(max_length=20, examples=["2.50"])]
SpecText = Annotated[str, Field(max_length=200, examples=["H100-SXM:8"])]


class Strict(BaseModel):
    """Parameters of one route; others are refused."""

    model_config = ConfigDict(extra="forbid")


class Parameters(Strict):
    """What every list takes."""

    format: FormatName | None = Field(None, description="Wins over Accept; for links that people click.")


class OfferChoice(Parameters):
    """Which offers, as the command line chooses them."""

    gpu: SpecText | None = Field(None, description="SPEC: [vendor:]NAME[:MEMORY][:COUNT]; all without.")
    provider: TextValues = Field([], description="Provider ids; repeat or part by commas.")
    region: TextValues = Field([], description="Region codes, ISO countries or continents (eu).")
    tier: TextValues = Field([], description="secure, community, or a product of a cloud: sagemaker ...")
    purchase_option: PurchaseOptions = Field([], description="How capacity is bought.")
    spot: bool | None = Field(None, description="true: only spot; false: no spot.")
    as_of: Instant | None = Field(None, description="A past date or time; UTC without an offset.")
    limit: int = Field(100, ge=1, le=MOST_ROWS, description="At most so many rows.")

    def options(self) -> list[str]:
        """The purchase options that are meant; empty is all."""
        if self.spot is True:
            return ["spot"]
        chosen: list[str] = list(self.purchase_option)
        if self.spot is False:
            chosen = [
                option for option in chosen or ["on_demand", "reserved", "capacity_block"] if option != "spot"
            ]
        return chosen

    def filters(self, default_options: Sequence[str] = ()) -> dict[str, Any]:
        """The filters that every question about offers takes, by the ledger's names."""
        return {
            "providers": self.provider,
            "regions": self.region,
            "tiers": self.tier,
            "purchase_options": self.options() or default_options,
        }


class OfferParameters(OfferChoice):
    """`/v1/offers`: the same choice, and gpuhunt's filters."""

    gpu_name: TextValues = Field(
        [], description="Names as gpuhunt has them, our ids, or the provider's label."
    )
    gpu_vendor: TextValues = Field([], description="nvidia, amd, google, aws or intel.")
    source: TextValues = Field([], description="Only from this source.")
    instance_type: TextValues = Field([], description="Machine shape as the provider names it.")
    availability: Annotated[
        list[Literal["available", "limited", "sold_out", "unknown"]], BeforeValidator(_split)
    ] = Field([], description="Stock.")
    price_state: Annotated[list[PriceState], BeforeValidator(_split)] = Field(
        [], description="How far the price can be relied on; unless given, all but lapsed."
    )
    cpu_arch: Literal["x86", "arm"] | None = Field(None, description="Of the host.")
    min_cpu: SizeValue | None = Field(None, description="Virtual CPUs.")
    max_cpu: SizeValue | None = None
    min_memory: SizeValue | None = Field(None, description="Host memory, GiB.")
    max_memory: SizeValue | None = None
    min_gpu_count: SizeValue | None = Field(None, description="Accelerators of one instance.")
    max_gpu_count: SizeValue | None = None
    min_gpu_memory: CardMemory | None = Field(None, description="Memory of one accelerator, GiB.")
    max_gpu_memory: CardMemory | None = None
    min_total_gpu_memory: CardMemory | None = Field(None, description="Memory of all accelerators, GiB.")
    max_total_gpu_memory: CardMemory | None = None
    min_disk_size: SizeValue | None = Field(None, description="Local disk, GB.")
    max_disk_size: SizeValue | None = None
    min_price: Money | None = Field(None, description="US dollars per hour, whole instance.")
    max_price: Money | None = Field(None, description="US dollars per hour, whole instance.")
    max_usd_per_gpu_hour: Money | None = Field(None, description="US dollars per GPU-hour.")
    min_compute_capability: SizeValue | None = Field(None, description="Of NVIDIA accelerators, as in 8.0.")
    max_compute_capability: SizeValue | None = None
    allowed_flags: TextValues = Field(
        [], description="Taken and without effect: no offer here carries a flag."
    )
    best_per_provider: bool = Field(
        False, description="Of each accelerator, provider and purchase option the best offer alone."
    )
    order_by: Order = Field(
        "best", description="best: by price_state, then per GPU-hour, as ties of all others."
    )
    order_dir: Literal["asc", "desc"] = "asc"
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="next_cursor of the page before; filters as there."
    )

    def page_query(self, *, skip_rows: int = 0) -> OfferQuery:
        """The offers that are meant, one page of them."""
        same = ("availability", "instance_type", "source", "gpu_name", "gpu_vendor", "price_state")
        own = {*OfferChoice.model_fields, *same, "allowed_flags", "order_dir", "cursor"}
        return offer_query(
            self.gpu,
            **self.filters(),
            gpu_names=cards_named(self.gpu_name)[0],
            vendors=self.gpu_vendor,
            sources=self.source,
            instance_types=self.instance_type,
            availabilities=self.availability,
            states=self.price_state or LISTED_STATES,
            descending=self.order_dir == "desc",
            skip_rows=skip_rows,
            limit=self.limit,
            **{name: getattr(self, name) for name in OfferParameters.model_fields if name not in own},
        )

    def question(self) -> dict[str, Any]:
        """What must stay the same from page to page."""
        return self.model_dump(exclude={"cursor", "limit", "format"})


class OverviewParameters(Parameters):
    """`/v1/overview`."""

    as_of: Instant | None = Field(None, description="A past date or time; UTC without an offset.")


class CheapestParameters(OfferChoice):
    """`/v1/offers/cheapest`: one row per provider, on-demand unless asked otherwise."""

    allow_stale: bool = Field(False, description="Let prices past their target win.")


class SpreadParameters(OfferChoice):
    """`/v1/offers/spread`: one row per group, on-demand unless asked otherwise."""

    by: Grouping = Field("provider", description="What makes a group.")


class ReserveParameters(Parameters):
    """`/v1/offers/reserve`."""

    gpu: SpecText = Field(description="SPEC.")
    provider: TextValues = Field([], description="Only these providers.")
    region: TextValues = Field([], description="Region codes, ISO countries or continents (eu).")
    as_of: Instant | None = Field(None, description="A past date or time; UTC without an offset.")


class SpanParameters(Parameters):
    """From when to when."""

    since: Instant | None = Field(None, alias="from", description="First date or time.")
    until: Instant | None = Field(None, alias="to", description="Last date or time.")

    def span(self) -> dict[str, str | None]:
        """The same by the ledger's names."""
        return {"since": self.since, "until": self.until}


class HistoryParameters(OfferChoice, SpanParameters):
    """`/v1/history`: intervals, or samples with `every`."""

    every: Annotated[str, Field(max_length=10, examples=["1d"])] | None = Field(
        None, description="Sample so often: 1h, 1d, 1w, 1mo."
    )
    stat: Literal["min", "median"] = "min"
    limit: int = Field(MOST_ROWS, ge=1, le=100_000, description="At most so many rows.")


class ChangeParameters(OfferChoice, SpanParameters):
    """`/v1/changes`."""


class IndexParameters(SpanParameters):
    """`/v1/index`: one row per recorded day."""

    gpu: SpecText = Field(description="SPEC.")
    purchase_option: PurchaseOptionName = "on_demand"
    segment: Segment = "all"

    def series(self) -> dict[str, Any]:
        """Which index and which days, by the ledger's names."""
        return {"purchase_option": self.purchase_option, "segment": self.segment, **self.span()}


class IndexCheckParameters(IndexParameters):
    """`/v1/index/check`: a day computed anew."""

    day: Instant | None = Field(None, description="The day; without it all from `since` to `until`.")


class TimingParameters(Strict):
    """`/v1/timing`."""

    gpu: SpecText = Field(description="SPEC.")
    gpu_hours: SizeValue = Field(description="GPU-hours that the work takes.")
    by: Instant | None = Field(None, description="When it must be bought; bounds the waiting.")
    purchase_option: PurchaseOptionName = "on_demand"


def _field(option: QuoteOption) -> tuple[Any, Any]:
    """Type and declaration of an option of a quote as a parameter."""
    kinds: dict[str, Any] = {
        "text": Optional[SpecText],  # noqa: UP045
        "names": PurchaseOptions if option.choices else TextValues,
        "number": float | None,
        "usd": Optional[Money],  # noqa: UP045
        "hours": float | Optional[Money],  # noqa: UP045
        "gib": float | Optional[Money],  # noqa: UP045
        "count": int | None if option.default is None else int,
        "switch": bool,
    }
    default: Any = [] if option.kind == "names" else option.default
    bounds: dict[str, Any] = {}
    if option.kind in ("number", "count"):
        bounds = {"ge": option.least, "le": option.most}
    return kinds[option.kind], Field(default, description=option.help, **bounds)


class AsOfParameters(Strict):
    """Prices of when."""

    as_of: Instant | None = Field(None, description="Prices of a past time; UTC without an offset.")


_fields: dict[str, Any] = {option.name: _field(option) for option in question_options()}
QuoteParameters: type[AsOfParameters] = cast("Any", create_model)(
    "QuoteParameters", __base__=AsOfParameters, **_fields
)
"""What one may ask beside the plan: a parameter for each option of a quote."""


def options_of(parameters: AsOfParameters) -> dict[str, Any]:
    """The options that were given, and `as_of`, for the ledger."""
    return parameters.model_dump(exclude_none=True)


class EstimateParameters(Strict):
    """The hardware, if not the plan names it."""

    gpu: SpecText | None = Field(None, description="SPEC.")
    gpus: int | None = Field(None, ge=1, le=1_000_000, description="How many.")
    limits: bool = Field(False, description="Also the largest micro-batch and the longest sequence that fit.")
    no_evidence: bool = Field(False, description="Leave out the published runs nearest to the plan.")


# Cursors: where a page ended, on which snapshot, of which question. Opaque to callers.

MOST = 10**9


@dataclass(frozen=True)
class Cursor:
    """The next page of one question on one snapshot."""

    snapshot: int
    skip_rows: int
    question: str

    def text(self) -> str:
        """The cursor as it appears in an address."""
        packed = json.dumps([self.snapshot, self.skip_rows, self.question], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def question_checksum(question: object) -> str:
    """Eight digits that differ when the question does; a cursor of one must not page through another."""
    return hashlib.blake2b(repr(question).encode(), digest_size=4).hexdigest()


def read_cursor(text: str, question: str) -> Cursor:
    """The cursor in an address.

    Raises:
        UsageError: not one of ours, or of another question.
    """
    try:
        unpacked: object = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        unpacked = None
    parts = cast("list[object]", unpacked) if isinstance(unpacked, list) else []
    match parts:
        case [int(snapshot), int(skip_rows), str(parameters)] if (
            0 < snapshot < MOST and 0 <= skip_rows < MOST
        ):
            if parameters != question:
                raise UsageError("cursor: belongs to another question; send the same filters with it")
            return Cursor(snapshot, skip_rows, parameters)
        case _:
            raise UsageError(f"cursor: {text[:40]!r} is none of ours")
