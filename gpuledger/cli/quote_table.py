"""A ranking as a person reads it in a terminal: a row for each quote, and remarks beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gpuledger import formats

if TYPE_CHECKING:
    from gpuledger.core.cost.quote_set import QuoteSet

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
        lines.append(
            f"Cheapest per hour: {other['gpu_id']} at {other['provider']}, {other['usd_per_gpu_hour']} USD; "
            f"{other['usd_total']['mid']} in all, mostly by {flip['line']} (+{flip['usd_more']})."
        )
    for name in ("deadline", "budget"):
        verdict = content[name]
        if verdict is not None:
            unit = "hours" if name == "deadline" else "usd"
            word = "pass" if verdict["passes"] else "fail"
            lines.append(f"{name}: {word}, slack {verdict[f'slack_{unit}']} {unit}")
    excluded = "; ".join(f"{row['count']} x {row['reason']}" for row in content["excluded"])
    if excluded:
        lines.append(f"Left out: {excluded}")
    lines.append(f"Not included: {', '.join(content['not_included'])}")
    lines += [f"Overruled: {text}" for text in content["overruled"]]
    lines += [f"Assumed: {text}" for text in content["assumptions"]]
    lines += [f"Warning: {text}" for text in content["warnings"]]
    lines += [f"Published: {_published(one)}" for one in content["evidence"]]
    return lines


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
