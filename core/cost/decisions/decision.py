"""Decisions around a training plan: build or buy, own or rent, reserve or not, and what a trend means.

Money is `Decimal`; shares and factors given by people are `Decimal` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from gpuledger.core.cost.amount import ZERO, cents
from gpuledger.core.cost.assumption import default_value
from gpuledger.core.count import decimal_text
from gpuledger.core.errors import UsageError
from gpuledger.core.money import HOURS_PER_MONTH

# S2 of the founding articles: under 10 million calls a month buying is cheaper, and parity within 20
# percent
BUY_BELOW_CALLS = 10_000_000
# S2: hosting of a model of about 100B, US dollars a year
HOSTING_USD_PER_YEAR = (Decimal(50_000), Decimal(500_000))
# S0: what a vendor takes for a custom model
VENDOR_MODEL_USD = (Decimal(2_000_000), Decimal(3_000_000))


@dataclass(frozen=True, kw_only=True)
class BuildOrBuy:
    """Own model against an API."""

    build_usd: Decimal
    """Once: training and all that belongs to it."""
    hosting_usd_per_month: Decimal
    own_usd_per_call: Decimal
    api_usd_per_call: Decimal
    api_training_usd: Decimal
    months: Decimal
    calls_per_month: Decimal

    @property
    def build_total_usd(self) -> Decimal:
        run = self.own_usd_per_call * self.calls_per_month + self.hosting_usd_per_month
        return cents(self.build_usd + run * self.months)

    @property
    def buy_total_usd(self) -> Decimal:
        return cents(self.api_training_usd + self.api_usd_per_call * self.calls_per_month * self.months)

    @property
    def break_even_calls_per_month(self) -> Decimal | None:
        """Calls a month from which building costs less; `None` where it never does.

        Fixed costs a month over what a call saves.
        """
        saved = self.api_usd_per_call - self.own_usd_per_call
        fixed = (self.build_usd - self.api_training_usd) / self.months + self.hosting_usd_per_month
        if fixed <= 0:
            return ZERO
        return None if saved <= 0 else (fixed / saved).to_integral_value(ROUND_CEILING)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        calls = self.break_even_calls_per_month
        return {
            "build_usd_total": f"{self.build_total_usd:.2f}",
            "buy_usd_total": f"{self.buy_total_usd:.2f}",
            "decision": "build" if self.build_total_usd < self.buy_total_usd else "buy",
            "calls_per_month": decimal_text(self.calls_per_month),
            "break_even_calls_per_month": decimal_text(calls),
            "months": decimal_text(self.months),
            "usd_per_call_own": decimal_text(self.own_usd_per_call),
            "usd_per_call_api": decimal_text(self.api_usd_per_call),
        }


def api_usd(tokens: Decimal, usd_per_thousand_tokens: Decimal, epochs: Decimal = Decimal(1)) -> Decimal:
    """What an API takes for so many tokens, so often."""
    return cents(tokens * epochs / 1000 * usd_per_thousand_tokens)


@dataclass(frozen=True, kw_only=True)
class OwnOrRent:
    """Buying machines against renting them."""

    capex_usd: Decimal
    gpus: int
    rent_usd_per_gpu_hour: Decimal
    utilisation: Decimal = Decimal(1)
    """Share of its hours in which the cluster works; rent is paid for those alone."""
    running_usd_per_month: Decimal = ZERO
    """Power, space, repair, people."""

    @property
    def rent_usd_per_month(self) -> Decimal:
        return cents(self.gpus * HOURS_PER_MONTH * self.utilisation * self.rent_usd_per_gpu_hour)

    @property
    def break_even_months(self) -> Decimal | None:
        """Months after which owning has cost less; `None` where running costs exceed the rent."""
        saved = self.rent_usd_per_month - self.running_usd_per_month
        return None if saved <= 0 else self.capex_usd / saved

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        months = self.break_even_months
        return {
            "capex_usd": f"{self.capex_usd:.2f}",
            "rent_usd_per_month": f"{self.rent_usd_per_month:.2f}",
            "running_usd_per_month": f"{self.running_usd_per_month:.2f}",
            "break_even_months": None if months is None else f"{months:.2f}",
            "decision": "rent"
            if months is None
            else f"own from month {months.to_integral_value(ROUND_CEILING)} on",
        }


def power_usd_per_month(
    gpus: int, *, watts_per_gpu: Decimal, usd_per_kwh: Decimal, utilisation: Decimal
) -> Decimal:
    """Electricity of a month of 730 hours: watts x power usage effectiveness x price of a kWh, while it works."""
    hourly = watts_per_gpu / 1000 * default_value("power_usage_effectiveness") * usd_per_kwh
    return hourly * gpus * HOURS_PER_MONTH * utilisation


def break_even_utilisation(reserved_usd_per_hour: Decimal, on_demand_usd_per_hour: Decimal) -> Decimal:
    """Share of the hours of a commitment that must be used before it costs less than on-demand.

    Raises:
        UsageError: no on-demand price.
    """
    if on_demand_usd_per_hour <= 0:
        raise UsageError(f"on-demand price: must be above 0, got {on_demand_usd_per_hour}")
    return reserved_usd_per_hour / on_demand_usd_per_hour


def commitments(offers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each provider, machine, place and term the cheapest reserved price against the cheapest on-demand one of the
    same machine, the lowest break-even utilisation first. A machine is an instance type with its count of accelerators.

    Args:
        offers: rows with `provider`, `gpu_id`, `instance_type`, `gpu_count`, `region`, `tier`, `purchase_option`,
            `term_months`, `usd_per_gpu_hour` and `price_state`.
    """
    cheapest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in sorted((r for r in offers if r["usd_per_gpu_hour"]), key=lambda r: r["usd_per_gpu_hour"]):
        machine = row["gpu_id"], row["instance_type"], row["gpu_count"]
        key = (row["provider"], *machine, row["region"], row["tier"], row["term_months"])
        cheapest.setdefault((row["purchase_option"], *key), row)
    rows: list[dict[str, Any]] = []
    for (option, *key), reserved in cheapest.items():
        hourly = cheapest.get(("on_demand", *key[:-1], None))
        if option != "reserved" or hourly is None:
            continue
        prices = reserved["usd_per_gpu_hour"], hourly["usd_per_gpu_hour"]
        rows.append(
            {
                **{
                    name: reserved[name]
                    for name in (
                        "provider",
                        "gpu_id",
                        "instance_type",
                        "gpu_count",
                        "region",
                        "tier",
                        "term_months",
                    )
                },
                "usd_per_gpu_hour_reserved": prices[0],
                "usd_per_gpu_hour_on_demand": prices[1],
                "share_off": round(share_off(prices[1], prices[0]), 4),
                "break_even_utilisation": round(break_even_utilisation(*prices), 4),
                "price_state_reserved": reserved["price_state"],
                "price_state_on_demand": hourly["price_state"],
            }
        )
    return sorted(rows, key=lambda row: (row["break_even_utilisation"], row["provider"], row["region"]))


def price_for_work(usd_per_gpu_hour: Decimal, effective_flops_per_second: float) -> Decimal:
    """US dollars for a petaFLOP/s sustained through an hour: price by what the hardware does, not by the
    hour."""
    return usd_per_gpu_hour / (Decimal(repr(effective_flops_per_second)) / Decimal(10**15))


def share_off(before: Decimal, after: Decimal) -> Decimal:
    """Share by which `after` is below `before`, 0 to 1."""
    return 1 - after / before
