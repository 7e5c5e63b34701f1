"""What a provider publishes: offers with their price, and the other facts that an adapter may yield."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from gpuledger.core.money import HOURS_PER_MONTH, LEAST_PRICE, MOST_PRICE, Price, Unit


class PurchaseOption(StrEnum):
    """How capacity is bought."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"
    CAPACITY_BLOCK = "capacity_block"


class Availability(StrEnum):
    """Stock, observed apart from the price."""

    AVAILABLE = "available"
    LIMITED = "limited"
    SOLD_OUT = "sold_out"
    UNKNOWN = "unknown"


LEAST_SIZE = Decimal("0.0001")
"""The smallest count, memory or disk that the ledger keeps apart from zero."""

# What the columns of the ledger hold: a larger figure would end the whole refresh, not its own row.
_Size = Annotated[Decimal, Field(ge=LEAST_SIZE, le=99_999_999, allow_inf_nan=False)]
_LargeSize = Annotated[Decimal, Field(ge=LEAST_SIZE, le=9_999_999_999, allow_inf_nan=False)]
_Order = Annotated[int, Field(gt=0, le=999_999)]
_Whole = Annotated[int, Field(gt=0, le=2**31 - 1)]
_Volume = Annotated[Decimal, Field(ge=0, le=99_999_999_999_999, allow_inf_nan=False)]
_Rate = Annotated[Decimal, Field(ge=0, le=999_999_999, allow_inf_nan=False)]
_Amount = Annotated[Decimal, Field(ge=LEAST_PRICE, lt=MOST_PRICE, allow_inf_nan=False)]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=1000, str_strip_whitespace=True)


class OfferKey(_Fact):
    """Identity of an offer: all its stable terms, never an amount, a currency or a date."""

    provider: str = Field(pattern=r"^[a-z0-9_]+$")
    """The cloud that runs the machine; `via` names the aggregator that resells it."""
    via: str | None = None
    sku: str = Field(min_length=1)
    """The provider's own product code."""
    region: str = Field(default="global", min_length=1)
    zone: str | None = None
    tier: str | None = None
    """`secure` or `community` where a provider tells them apart; else a managed product (`sagemaker`)."""
    gpu_label: str = Field(min_length=1)
    """The provider's words for the accelerator, verbatim."""
    gpu_count: Decimal = Field(ge=LEAST_SIZE, le=4096, allow_inf_nan=False)
    """Accelerators in one instance; a fraction for slices."""
    purchase_option: PurchaseOption
    term_months: Decimal | None = Field(default=None, ge=LEAST_PRICE, le=999)
    """Length of the commitment; a week is 7 * 24 / 730 of a month."""
    payment: str | None = None
    """`no_upfront`, `partial_upfront` or `all_upfront` where a commitment has a choice."""
    operating_system: str | None = None
    """Only where it changes the price."""

    @property
    def offer_id(self) -> str:
        """16 hex digits of BLAKE2b over the normalised terms, see `identity`."""
        return identity(
            self.provider,
            self.via,
            self.sku,
            self.region,
            self.zone,
            self.tier,
            self.gpu_label,
            self.gpu_count,
            self.purchase_option.value,
            self.term_months,
            self.payment,
            self.operating_system,
        )


TERMS = (
    "provider",
    "via",
    "sku",
    "region",
    "zone",
    "tier",
    "gpu_label",
    "gpu_count",
    "purchase_option",
    "term_months",
    "payment",
    "operating_system",
)
"""What an offer is identified by, in the order of `identity`."""

_INVISIBLE = frozenset(map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0)))
"""Characters that show nothing and are no format characters (Default_Ignorable_Code_Point, Unicode 16)."""

_VARIATIONS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))


@lru_cache(maxsize=65_536)
def normalised(term: str) -> str:
    """An identifier as it is compared: NFKC, without characters that show nothing, one space between words, case
    folded. `NVIDIA\u00a0H100` and `nvidia h100` are one."""
    if not term.isascii():
        # Once more after folding: it may bring composed forms back (Unicode 16, section 3.13).
        term = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", term).casefold())
        term = "".join(character for character in term if not _shows_nothing(character))
    return " ".join(term.casefold().split())


def _shows_nothing(character: str) -> bool:
    return (
        unicodedata.category(character) == "Cf"
        or character in _INVISIBLE
        or any(ord(character) in span for span in _VARIATIONS)
    )


@lru_cache(maxsize=4096)
def _number(value: Decimal, resolution: str) -> str:
    return format(value.quantize(Decimal(resolution)).normalize(), "f")


@lru_cache(maxsize=16_384)
def identity(*terms: str | Decimal | None) -> str:
    """16 hex digits of BLAKE2b over `TERMS`, each with its length, so that no two keys run together. Words are
    normalised and numbers rounded as the store rounds them, so that the store's own rows give the same id."""
    return identity_of("".join(term_text(place, term) for place, term in enumerate(terms)))


def term_text(place: int, term: str | Decimal | None) -> str:
    """One of `TERMS`, by its place, as `identity` writes it."""
    if term is None:
        return "-"
    is_number = isinstance(term, Decimal)
    text = _number(term, "0.0001" if place == _COUNT else "0.000001") if is_number else normalised(term)
    return f"{len(text)}:{text}"


def identity_of(text: str) -> str:
    """The id of all terms, written one after another."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_COUNT = TERMS.index("gpu_count")


class Offer(OfferKey):
    """A purchasable thing as published: identity, shape, stock and price."""

    price: Price
    upfront_amount: _Amount | None = None
    """Paid once at the start of a commitment, for the whole instance, in the price's currency."""
    instance_type: str = ""
    """The machine shape's name; the sku where the provider has no other name."""
    gpu_memory_gib: _Size | None = None
    """Memory of one accelerator as the provider states it."""
    vcpus: _Size | None = None
    memory_gib: _LargeSize | None = None
    local_storage_gb: _LargeSize | None = None
    network: str | None = None
    """Fabric between nodes as published, e.g. `infiniband 3200 Gb/s`; never inferred."""
    max_gpus: _Order | None = None
    """Most accelerators that one order may have, where published."""
    min_gpus: _Order | None = None
    """Least accelerators that one order must have, where published."""
    billing_increment_seconds: _Whole | None = None
    minimum_billing_seconds: _Whole | None = None
    availability: Availability = Availability.UNKNOWN
    effective_at: AwareDatetime | None = None
    """From when the provider says that the price holds."""
    observed_at: AwareDatetime | None = None
    """Only for lists that date their own rows; otherwise the document's `fetched_at` counts."""

    @property
    def amount_per_hour(self) -> Decimal:
        """For the whole instance in the price's currency, an upfront payment spread over the term."""
        term_hours = (self.term_months or Decimal(1)) * HOURS_PER_MONTH
        amount = self.price.amount
        hourly = {
            Unit.HOUR: amount,
            Unit.GPU_HOUR: amount * self.gpu_count,
            Unit.MONTH: amount / HOURS_PER_MONTH,
            Unit.TERM: amount / term_hours,
        }[self.price.unit]
        return hourly + (self.upfront_amount or 0) / term_hours

    @model_validator(mode="after")
    def _price_fits(self) -> Offer:
        is_usual = self.price.amount < USUAL_AMOUNT and (self.upfront_amount or 0) < USUAL_UPFRONT
        if is_usual and self.gpu_count >= USUAL_SHARE and (self.term_months or 1) >= USUAL_SHARE:
            return self
        whole = self.amount_per_hour
        per_gpu = whole / self.gpu_count
        if max(whole, per_gpu) >= MOST_PER_HOUR:
            raise ValueError(
                f"{whole:.3g} an hour and {per_gpu:.3g} per GPU-hour, the ledger holds {MOST_PER_HOUR:,}"
            )
        return self


# Prices of an instance and of its GPU are quotients and products, which must fit their columns too.
MOST_PER_HOUR = 100_000_000
"""The dearest hour that the ledger holds, in any currency."""
USUAL_AMOUNT = 10_000
USUAL_UPFRONT = 10_000_000
USUAL_SHARE = Decimal("0.1")
"""Of a GPU, and of a month: with amounts below the two before, no price comes near to `MOST_PER_HOUR`."""


class Withdrawn(OfferKey):
    """A dated list's word that an offer was no longer there at a time."""

    observed_at: AwareDatetime


class StoragePrice(_Fact):
    """A list price for keeping a GB for a month."""

    provider: str
    sku: str
    region: str = "global"
    kind: str = Field(pattern=r"^(block|file|object|archive|local)$")
    amount_per_gb_month: _Rate
    currency: str = "USD"
    from_gb: _Volume = Decimal(0)
    """Lower bound of the volume tier this price is for."""


class TransferPrice(_Fact):
    """A list price for moving a GB; zero is a fact here (free egress), unlike for an offer."""

    provider: str
    sku: str
    region: str = "global"
    direction: str = Field(pattern=r"^(egress|ingress|inter_region|inter_zone)$")
    destination: str = "internet"
    amount_per_gb: _Rate
    currency: str = "USD"
    from_gb: _Volume = Decimal(0)
    """Lower bound of the monthly volume tier this price is for."""


class ExchangeRate(_Fact):
    """How many US dollars one unit of a currency was worth on a day."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    usd_per_unit: Decimal = Field(ge=Decimal("1e-9"), le=999_999_999, allow_inf_nan=False)
    rate_date: date


class InterruptionBand(_Fact):
    """How often spot capacity of an instance type was reclaimed in the past month, as published in bands."""

    provider: str
    instance_type: str
    region: str
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class MarketSample(_Fact):
    """Distribution of a marketplace's offers of one GPU, count and region at one time, per GPU-hour."""

    provider: str
    gpu_label: str
    gpu_count: Decimal = Field(ge=LEAST_SIZE, le=4096, allow_inf_nan=False)
    region: str
    purchase_option: PurchaseOption
    offers: _Whole
    min_usd_per_gpu_hour: _Amount
    p10_usd_per_gpu_hour: _Amount
    p25_usd_per_gpu_hour: _Amount
    median_usd_per_gpu_hour: _Amount


@dataclass(frozen=True)
class Skipped:
    """A row that an adapter did not turn into an offer. `reason` is a stable phrase without values, so
    that skips can be counted by it; `row` is what was seen."""

    reason: str
    row: Any


Fact = (
    Offer
    | Withdrawn
    | StoragePrice
    | TransferPrice
    | ExchangeRate
    | InterruptionBand
    | MarketSample
    | Skipped
)


def observed_at(offer: Offer, fetched_at: datetime) -> datetime:
    """When this offer was seen: its own date where a list dates its rows, else the fetch."""
    return offer.observed_at or fetched_at
