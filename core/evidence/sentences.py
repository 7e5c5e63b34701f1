"""The evidence against a claim, in one line with figures."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite, log
from typing import Any

from gpuledger.core.evidence.claims import Reason
from gpuledger.core.evidence.limits import FACTORS
from gpuledger.core.purchase_option import option_text

ClaimFigures = Mapping[str, Any]
"""One claim with its figures, as in `gpuledger.core.store.claim_table`."""


def sentence(
    reason: Reason, row: ClaimFigures, *, rates: Mapping[str, float], doubt: str | None = None
) -> str:
    """What contradicts a claim.

    Args:
        rates: US dollars per unit by currency, to name a factor that is an exchange rate.
        doubt: what the contract found odd.
    """
    return f"{_head(row)}; {_tail(reason, row, rates, doubt)}"


def _head(row: ClaimFigures) -> str:
    option = option_text(str(row["purchase_option"]))
    what = f"{row['gpu']} x{row['gpu_count']:g} {row['instance_type']} in {row['region']}, {option}"
    if row["claim"] == "absence":
        return f"{what}: no longer listed, {_usd(row['believed_usd'])} until then"
    if not _is_number(row["believed_usd"]):
        return f"{what}: {_usd(row['usd'])}, never listed before"
    if not _is_number(row["usd"]):
        return f"{what}: an amount in {row['currency']} where {_usd(row['believed_usd'])} stood"
    change = row["usd"] / row["believed_usd"] - 1
    return f"{what}: {_usd(row['usd'])} where {_usd(row['believed_usd'])} stood ({change:+.0%})"


def _tail(reason: Reason, row: ClaimFigures, rates: Mapping[str, float], doubt: str | None) -> str:
    match reason:
        case Reason.NO_RATE:
            return f"no exchange rate of {row['currency']} is known"
        case Reason.UNIFORM:
            return uniform(row, rates)
        case Reason.CURRENCY:
            return f"its amount is in {row['currency']} now"
        case Reason.EXCHANGED:
            return "its new price is another offer's: they changed places, or one was read for the other"
        case Reason.RECOUNTED:
            return (
                f"the same price for the whole as with {row['recounted_count']:g} GPUs: the count or the unit was"
                " misread"
            )
        case Reason.STEP:
            return _alone(row)
        case Reason.DRIFT:
            return f"{_usd(row['usd_7'])} 7 days and {_usd(row['usd_30'])} 30 days ago"
        case Reason.UNDERCUT if not _below(row, "market_low"):
            if _is_number(row["kin_low"]):
                return f"the provider's other offers of it start at {_usd(row['kin_low'])}"
            return "nothing else is known to compare it with"
        case Reason.UNDERCUT | Reason.BELOW_MARKET:
            return f"every other provider asks {_usd(row['market_low'])} or more"
        case Reason.RELABELLED:
            return "the same machine was listed with another GPU until now"
        case Reason.RENAMED_GPU:
            return "another GPU went from there at the same price: one label was read for the other"
        case Reason.REPEATED:
            return (
                f"{row['repeated_alike']:.0f} of {row['repeated_of']:.0f} new ways to buy a GPU there start at"
                f" {row['repeated_factor']:.4g} of what they do in {row['repeated_region']}: a list once more, in"
                " another unit or currency"
            )
        case Reason.UNIT:
            count = f"{row['gpu_count']:g}"
            return f"it moved by just its {count} GPUs: the price of one was taken for that of all"
        case Reason.SUCCESSOR:
            return _successor(row)
        case Reason.BELOW_LIST:
            return f"the provider asks {_usd(row['list_usd'])} for it on demand"
        case Reason.OTHER_SOURCE:
            day = row["other_seen_at"].date().isoformat()
            return f"{row['other_source']} has {_usd(row['other_usd'])} for the same offer, seen {day}"
        case Reason.BELOW_KIN:
            return f"the provider's other offers of it start at {_usd(row['kin_low'])}"
        case Reason.ABOVE_KIN:
            return f"the provider's other offers of it end at {_usd(row['kin_high'])}"
        case Reason.BELOW_SIBLINGS:
            return f"the middle of {row['middle_offers']:.0f} offers of it in this answer is {_usd(row['middle_usd'])}"
        case Reason.CONTRACT:
            return doubt or "outside the contract of its source"
        case Reason.LIST_GONE:
            return _gone(row)
        case Reason.REPLACED:
            return "an offer like it appeared and is disputed itself"
        case Reason.NONE:
            return ""


def uniform(row: ClaimFigures, rates: Mapping[str, float]) -> str:
    """Of a batch whose prices moved by one factor."""
    factor = row["option_factor"]
    named = factor_name(factor, rates)
    meaning = f" ({named})" if named else ""
    return (
        f"{row['option_alike']:.0f} of {row['option_both']:.0f} prices of the answer moved by one factor,"
        f" {factor:.4g}{meaning}: a unit or a currency, not so many cuts"
    )


def factor_name(factor: float, rates: Mapping[str, float]) -> str | None:
    """What a factor stands for: a unit, or the rate of a currency."""
    for name, value in FACTORS.items():
        if abs(log(factor / value)) < 0.005:
            return name
    for currency, rate in sorted(rates.items()):
        if currency != "USD" and abs(log(rate)) > 0.02:
            for value, name in (
                (rate, f"US dollars for one {currency}"),
                (1 / rate, f"{currency} for one US dollar"),
            ):
                if abs(log(factor / value)) < 0.005:
                    return name
    return None


def _alone(row: ClaimFigures) -> str:
    alike, both = row["product_alike"] or 0, row["product_both"]
    parts = [
        f"{alike:.0f} of {both:.0f} prices of that machine moved so" if _is_number(both) and both > 1 else ""
    ]
    if _is_number(row["kin_low"]):
        parts.append(f"the provider's other offers of it are {_span(row['kin_low'], row['kin_high'])}")
    if _is_number(row["market_low"]):
        parts.append(f"other providers start at {_usd(row['market_low'])}")
    if _is_number(row["other_usd"]):
        parts.append(f"{row['other_source']} has {_usd(row['other_usd'])}")
    return ", ".join(filter(None, parts)) or "nothing else moved so"


def _successor(row: ClaimFigures) -> str:
    if _is_number(row["predecessor_usd"]):
        return f"it appeared where one like it went that cost {_usd(row['predecessor_usd'])}"
    return f"most of the list has new names, and in the middle another price ({exp(row['shift']) - 1:+.0%})"


def _below(row: ClaimFigures, name: str) -> bool:
    return _is_number(row["usd"]) and _is_number(row[name]) and row["usd"] < row[name]


def _gone(row: ClaimFigures) -> str:
    if row["open_state"] == "disputed" and row["open_claim"] != "absence":
        return "its price was disputed when it went"
    if _is_number(row["region_listed"]) and row["region_gone"] >= row["region_listed"] >= 3:
        return f"all {row['region_listed']:.0f} offers of {row['region']} went at once"
    if _is_number(row["gpu_listed"]) and row["gpu_gone"] >= row["gpu_listed"] >= 3:
        return f"all {row['gpu_listed']:.0f} offers of {row['gpu']} went at once"
    if _is_number(row["option_listed"]) and row["option_gone"] >= row["option_listed"] >= 3:
        option = option_text(str(row["purchase_option"]))
        return f"all {row['option_listed']:.0f} offers that are bought like it ({option}) went at once"
    return f"{row['all_gone']:.0f} of {row['all_listed']:.0f} offers of the source went at once"


def _span(low: float, high: float) -> str:
    return _usd(low) if high - low < 0.005 * low else f"{_usd(low, '')} to {_usd(high)}"


def _usd(value: float | None, unit: str = " USD per GPU-hour") -> str:
    return f"{value:.4g}{unit}" if _is_number(value) else "no price"


def _is_number(value: float | None) -> bool:
    return value is not None and isfinite(value)
