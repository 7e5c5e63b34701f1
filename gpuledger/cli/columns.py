"""What people see of each result in a terminal: titles, how a value is written, and what leaves first where
the terminal is narrow. Programs get every field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpuledger import formats
from gpuledger.cli.table import Column

if TYPE_CHECKING:
    from gpuledger.core.cost.quote_set import QuoteSet


def _price(value: Decimal | None) -> str:
    return "" if value is None else formats.dollars(value)


def _named(values: Sequence[str]) -> str:
    return ", ".join(values)


def _day(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"


def _mid(value: Mapping[str, Any]) -> str:
    return f"{value['mid']:,.1f}" if value["mid"] >= 1 else f"{value['mid']:.2g}"


def _time(value: Mapping[str, Any]) -> str:
    return formats.hours(value["mid"])


def _mid_usd(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else f"{Decimal(value['mid']):,.2f}"


def _hours(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else _time(value)


def _total(value: Mapping[str, Any]) -> str:
    return f"{value['total']:,.1f}"


def _least(value: Mapping[str, Any]) -> str:
    """What would do of that memory, with everything recomputed and one sequence a pass."""
    return f"{value['least']:.1f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _hundredths(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _millionths(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _survival(value: str | None) -> str:
    """`67 % of 54`, or `too few`, of a sentence on the share of prices that held longer than that age."""
    words = (value or "").split()
    return " ".join(words[:2] if words[:1] == ["too"] else words[:4])


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _signed_percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f} %"


OFFER_COLUMNS = (
    Column("GPU", "gpu_id", lambda value: value or "(unmapped)"),
    Column("QTY", "gpu_count", formats.number, is_number=True),
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=1),
    Column("GPU MEM", "gpu_memory_gib", formats.number, is_number=True, shed=6),
    Column("vCPU", "vcpus", formats.number, is_number=True, shed=7),
    Column("$/GPU/H", "usd_per_gpu_hour", formats.dollars, is_number=True),
    Column("$/H", "usd_per_hour", formats.dollars, is_number=True, shed=4),
    Column("OPTION", "option"),
    Column("TIER", "tier", shed=3),
    Column("REGION", "region", shed=2),
    Column("STOCK", "availability", shed=5),
    Column("AGE", "age", formats.age, is_number=True),
    Column("STATE", "price_state"),
    Column("STILL HELD", "survival", _survival, is_number=True, shed=2),
)
OVERVIEW_COLUMNS = (
    Column("GPU", "gpu_id"),
    Column("MEM GIB", "memory_gib", formats.number, is_number=True, shed=3),
    Column("ON DEMAND", "usd_per_gpu_hour_on_demand", _price, is_number=True),
    Column("AT", "provider_on_demand"),
    Column("MEDIAN", "median_usd_per_gpu_hour_on_demand", _price, is_number=True),
    Column("SPOT", "usd_per_gpu_hour_spot", _price, is_number=True),
    Column("SPOT AT", "provider_spot", shed=4),
    Column("RESERVED", "usd_per_gpu_hour_reserved", _price, is_number=True, shed=2),
    Column("PROVIDERS", "providers", is_number=True),
    Column("30 DAYS", "index_change_of_30_days", _signed_percent, is_number=True),
    Column("$/PFLOP/H", "usd_per_peak_petaflop_hour", _price, is_number=True, shed=1),
    Column("STATE", "price_state"),
)
GPU_COLUMNS = (
    Column("GPU", "gpu_id"),
    Column("NAME", "name", shed=2),
    Column("VENDOR", "vendor", shed=4),
    Column("FORM", "form_factor", shed=3),
    Column("MEM GIB", "memory_gib", formats.number, is_number=True),
    Column("BF16 TFLOP/S", "bf16_tflops", formats.number, is_number=True, shed=1),
    Column("OFFERS", "offers", is_number=True),
    Column("PROVIDERS", "providers", is_number=True),
    Column("ON-DEMAND $/GPU/H", "usd_per_gpu_hour_on_demand", _price, is_number=True),
    Column("SPOT $/GPU/H", "usd_per_gpu_hour_spot", _price, is_number=True),
)
PROVIDER_COLUMNS = (
    Column("PROVIDER", "provider"),
    Column("OFFERS", "offers", is_number=True),
    Column("GPUS", "gpus", is_number=True),
    Column("REGIONS", "regions", is_number=True),
    Column("OPTIONS", "purchase_options", _named, shed=1),
    Column("SOURCES", "sources", _named),
    Column("LAST SEEN", "last_seen_at", _day),
)
HISTORY_COLUMNS = (
    Column("SINCE", "valid_from", _day),
    Column("UNTIL", "valid_to", _day),
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=1),
    Column("GPU", "gpu_id", shed=4),
    Column("QTY", "gpu_count", formats.number, is_number=True),
    Column("OPTION", "purchase_option"),
    Column("TERM MO", "term_months", formats.number, is_number=True, shed=2),
    Column("TIER", "tier", shed=3),
    Column("REGION", "region", shed=5),
    Column("$/GPU/H", "usd_per_gpu_hour", formats.dollars, is_number=True),
    Column("SOURCE", "source", shed=6),
)
INDEX_COLUMNS = (
    Column("DAY", "price_date"),
    Column("GPU", "gpu_id"),
    Column("INDEX", "price_index", _hundredths, is_number=True),
    Column("LOW", "low", _hundredths, is_number=True, shed=5),
    Column("HIGH", "high", _hundredths, is_number=True, shed=5),
    Column("$/GPU/H", "usd_per_gpu_hour", _price, is_number=True),
    Column("FLOOR", "floor_usd_per_gpu_hour", _price, is_number=True, shed=2),
    Column("WHOSE", "floor_provider", shed=2),
    Column("PROVIDERS", "providers", is_number=True, shed=3),
    Column("OFFERS", "matched_offers", is_number=True, shed=4),
    Column("CHAIN", "chain", is_number=True, shed=6),
    Column("STATE", "state"),
    Column("WHY", "reason", shed=1),
)
INDEX_CHECK_COLUMNS = (
    Column("DAY", "price_date"),
    Column("GPU", "gpu_id"),
    Column("PROVIDER", "provider", lambda value: value or "(index)"),
    Column("STORED", "stored", _millionths, is_number=True),
    Column("RECOMPUTED", "recomputed", _millionths, is_number=True),
    Column("OFFERS", "stored_offers", is_number=True, shed=2),
    Column("RECOMPUTED OFFERS", "recomputed_offers", is_number=True, shed=3),
    Column("STATE", "state"),
    Column("DETAIL", "detail", shed=1),
)
QUOTE_COLUMNS = (
    Column("#", "rank", is_number=True),
    Column("USD", "usd_mid", is_number=True),
    Column("LOW..HIGH", "usd_range", is_number=True),
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=6),
    Column("N", "nodes", is_number=True, shed=7),
    Column("GPU", "gpus_of"),
    Column("OPTION", "option"),
    Column("TIER", "tier", shed=3),
    Column("REGION", "region", shed=4),
    Column("$/GPU/H", "usd_per_gpu_hour", is_number=True, shed=5),
    Column("HOURS", "hours", is_number=True),
    Column("STATE", "price_state"),
    Column("AGE", "age", is_number=True, shed=1),
    Column("STILL HELD", "survival", _survival, is_number=True, shed=5),
    Column("QUOTE", "quote_id", shed=2),
)
PRESET_COLUMNS = (
    Column("NAME", "name"),
    Column("METHOD", "method"),
    Column("MODEL", "model"),
    Column("TOKENS", "training_tokens", formats.count, is_number=True),
    Column("SEQUENCE", "sequence_length", formats.number, is_number=True),
)
OVER_COLUMNS = (
    Column("AS OF", "as_of", _day),
    Column("USD", "usd_total", _mid_usd, is_number=True),
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=2),
    Column("N", "gpus", is_number=True),
    Column("GPU", "gpu_id"),
    Column("OPTION", "purchase_option"),
    Column("REGION", "region", shed=3),
    Column("$/GPU/H", "usd_per_gpu_hour", is_number=True, shed=4),
    Column("HOURS", "wall_hours", _hours, is_number=True, shed=1),
    Column("STATE", "price_state"),
    Column("CAUSE", "cause"),
    Column("NO QUOTE", "reason"),
)
FRONTIER_COLUMNS = (
    Column("USD", "usd_total", is_number=True),
    Column("HOURS", "wall_hours", is_number=True),
    Column("LOSSES", "expected_interruptions", is_number=True),
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=1),
    Column("N", "nodes", is_number=True),
    Column("GPU", "gpus_of"),
    Column("OPTION", "purchase_option"),
    Column("TIER", "tier", shed=2),
    Column("REGION", "region", shed=3),
    Column("$/GPU/H", "usd_per_gpu_hour", is_number=True, shed=4),
)
MANY_COLUMNS = (
    Column("PLAN", "plan"),
    Column("USD", "usd_mid", is_number=True),
    Column("LOW..HIGH", "usd_range", is_number=True),
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=2),
    Column("GPU", "gpus_of"),
    Column("OPTION", "option"),
    Column("HOURS", "hours", is_number=True),
    Column("QUOTE", "quote_id", shed=1),
    Column("ERROR", "error"),
)
RESERVE_COLUMNS = (
    Column("PROVIDER", "provider"),
    Column("GPU", "gpu_id"),
    Column("GPUS", "gpu_count", formats.number, is_number=True, shed=2),
    Column("TERM MO", "term_months", formats.number, is_number=True),
    Column("RESERVED $/GPU/H", "usd_per_gpu_hour_reserved", formats.dollars, is_number=True),
    Column("ON-DEMAND $/GPU/H", "usd_per_gpu_hour_on_demand", formats.dollars, is_number=True),
    Column("OFF", "share_off", _percent, is_number=True),
    Column("PAYS FROM USE OF", "break_even_utilisation", _percent, is_number=True),
    Column("STATE", "price_state_reserved", shed=1),
)
SPREAD_COLUMNS = (
    Column("GROUP", "group"),
    Column("STATE", "price_state"),
    Column("OFFERS", "offers", is_number=True),
    Column("LEAST $/GPU/H", "min_usd_per_gpu_hour", formats.dollars, is_number=True),
    Column("MEDIAN $/GPU/H", "median_usd_per_gpu_hour", formats.dollars, is_number=True),
    Column("MOST $/GPU/H", "max_usd_per_gpu_hour", formats.dollars, is_number=True),
)
CHAIN_COLUMNS = (Column("LINK", "link"), Column("WHAT", "what"), Column("STATE", "state"))
ESTIMATE_COLUMNS = (
    Column("PLAN", "plan", shed=3),
    Column("GPU", "gpu_id"),
    Column("GPUS", "gpus", is_number=True),
    Column("NODES", "nodes", is_number=True, shed=2),
    Column("HOURS", "wall_hours", _time, is_number=True),
    Column("GPU-HOURS", "gpu_hours", _mid, is_number=True),
    Column("TOKENS/S", "tokens_per_second", _whole, is_number=True, shed=1),
    Column("MFU", "mfu", _percent, is_number=True),
    Column("GIB PER GPU", "memory_gib", _total, is_number=True),
    Column("AT LEAST", "memory_gib", _least, is_number=True, shed=2),
    Column("FITS", "fits", lambda value: "yes" if value else "no"),
)
LIMIT_COLUMNS = (
    Column("MOST SEQUENCES", "largest_micro_batch", is_number=True),
    Column("LONGEST", "longest_sequence", is_number=True),
)
SOURCE_COLUMNS = (
    Column("SOURCE", "source"),
    Column("PROVIDER", "provider", shed=2),
    Column("EVERY H", "every_hours", formats.number, is_number=True),
    Column("FRESH H", "fresh_for_hours", formats.number, is_number=True),
    Column("KEYS", "keys", _named, shed=1),
    Column("WHAT", "covers"),
)
CLAIM_COLUMNS = (
    Column("CLAIM", "claim", is_number=True),
    Column("SOURCE", "source", shed=1),
    Column("VERDICT", "verdict"),
    Column("FINDING", "finding"),
)


# A ranking as a person reads it in a terminal: a row for each quote, and remarks beside them.

NOT_GIVEN = "not given: costs."
"""How the basis of a line begins that the plan says nothing about; the key follows."""


def quote_row(row: dict[str, Any]) -> dict[str, Any]:
    term = f" {row['term_months']} mo" if row["term_months"] else ""
    usd = row["usd_total"]
    # nobody reads the cents of an interval that is thousands wide
    cents = 2 if float(usd["mid"]) < 10_000 else 0
    return row | {
        "usd_mid": f"{float(usd['mid']):,.2f}",
        "usd_range": f"{float(usd['low']):,.{cents}f}..{float(usd['high']):,.{cents}f}",
        "gpus_of": f"{row['paid_gpus']} x {row['gpu_id']}",
        "option": f"{row['purchase_option']}{term}",
        "hours": formats.hours(row["wall_hours"]["mid"]),
        "age": formats.age(timedelta(hours=row["price_age_hours"])),
    }


def remarks(answer: QuoteSet) -> list[str]:
    """What a person should know beside the ranking."""
    content = answer.to_dict()
    lines = ["", f"Lines of {answer.quotes[0].quote_id}:"]
    keys: list[str] = []
    for line in content["quotes"][0]["lines"]:
        if line["usd"] is None and line["basis"].startswith(NOT_GIVEN):
            keys.append(line["basis"].removeprefix(NOT_GIVEN))
            continue
        usd = "unknown" if line["usd"] is None else f"{float(line['usd']):,.2f}"
        lines.append(f"  {line['name']:<24}{usd:>12}  {formats.clean(line['basis'])}")
    if keys:
        lines.append(f"Not given, so not counted: costs.{{{', '.join(dict.fromkeys(keys))}}}")
    other, flip = content["cheapest_per_gpu_hour"], content["flipped_by"]
    if other is not None and flip is not None and _is_worth_saying(content):
        in_all, more = float(other["usd_total"]["mid"]), float(flip["usd_more"])
        lines.append(
            f"Cheapest per hour: {other['gpu_id']} at {other['provider']}, {other['usd_per_gpu_hour']} USD; "
            f"{in_all:,.2f} in all, mostly by {flip['line']} (+{more:,.2f})."
        )
    for name in ("deadline", "budget"):
        verdict = content[name]
        if verdict is not None:
            lines.append(f"{name}: {_verdict(name, verdict)}")
    excluded = "; ".join(f"{row['count']} x {row['reason']}" for row in content["excluded"])
    if excluded:
        lines.append(f"Left out: {excluded}")
    lines.append(f"Not included: {', '.join(content['not_included'])}")
    lines += [f"Overruled: {text}" for text in content["overruled"]]
    lines += [f"Assumed: {text}" for text in content["assumptions"]]
    lines += [f"Warning: {text}" for text in content["warnings"]]
    lines += [f"Published: {_published(one)}" for one in content["evidence"]]
    return lines


def _verdict(name: str, verdict: dict[str, Any]) -> str:
    """`pass, 4 d 5 h to spare`, `fail, 13.46 USD too much`, or a pass that the range does not bear out."""
    slack = float(verdict["slack_hours" if name == "deadline" else "slack_usd"])
    far = formats.hours(abs(slack)) if name == "deadline" else f"{abs(slack):,.2f} USD"
    if not verdict["passes"]:
        return f"fail, {far} too {'long' if name == 'deadline' else 'much'}"
    high = verdict["high_hours" if name == "deadline" else "high_usd"]
    end = formats.hours(float(high)) if name == "deadline" else f"{float(high):,.2f} USD"
    return f"pass, {far} to spare" + ("" if verdict["is_certain"] else f"; may take up to {end}, which fails")


def _is_worth_saying(content: dict[str, Any]) -> bool:
    """Whether the offer that is cheapest per hour is a real alternative: it costs more in all, by an amount that one
    sees, and no commitment of a whole term is to blame."""
    best, flip = content["quotes"][0], content["flipped_by"]
    more, total = float(flip["usd_total_more"]), float(best["usd_total"]["mid"])
    return flip["line"] != "unused_commitment" and more >= 0.01 and 0.01 * total < more < 10 * max(total, 1.0)


def _published(one: dict[str, Any]) -> str:
    """One published run and what is computed of it."""
    unit = one["measure"].replace("_", " ")
    return (
        f"{one['run']} on {one['gpus']} x {one['gpu_id']} reached {one['reached']:,.4g} {unit}, "
        f"computed {one['computed']:,.4g} ({one['computed'] / one['reached'] - 1:+.0%}), distance {one['distance']:g}."
    )
