"""A gate for a plan: does it keep budget and deadline, can it be true, and what changed since prices were locked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.decisions.lint import lint_plan
from gpuledger.core.cost.quote_set import QuoteSet
from gpuledger.core.count import hours_text
from gpuledger.core.plan import TrainingPlan

RULES = {
    "budget": "The cheapest quote stays within the budget",
    "deadline": "The cheapest quote ends before the deadline",
    "lint": "The plan agrees with memory, arithmetic and physics",
    "price": "The price is one that was seen lately",
    "offer": "Some offer on sale can run the plan",
}


def checked(
    plan: TrainingPlan, now: QuoteSet, at_locked_prices: QuoteSet | None, agreed: QuoteSet | None
) -> dict[str, Any]:
    """The verdict, with a finding for each rule that is broken.

    Args:
        now: at the ledger's prices.
        at_locked_prices: the plan as it is now at the prices of the lock; `None` without a lock.
        agreed: the plan of the lock at its prices; `None` where the lock holds no plan.
    """
    findings = list(_findings(plan, now))
    best = now.quotes[0]
    return {
        "plan": now.plan,
        "passes": not any(finding["level"] == "error" for finding in findings),
        "usd_total": best.total.to_dict(),
        "wall_hours": float(best.purchase.running_hours.mid),
        "quote_id": best.quote_id,
        "findings": findings,
        "change": None
        if at_locked_prices is None
        else _change(now, at_locked_prices, agreed or at_locked_prices),
    }


def unanswered(plan: str, reason: str) -> dict[str, Any]:
    """The verdict on a plan that no offer can run."""
    finding = {"rule": "offer", "level": "error", "message": reason.removeprefix(f"{plan}: ")}
    empty = dict.fromkeys(("usd_total", "wall_hours", "quote_id"))
    return {"plan": plan, "passes": False, **empty, "findings": [finding], "change": None}


def _findings(plan: TrainingPlan, now: QuoteSet) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, verdict, unit in (("budget", now.budget, "USD"), ("deadline", now.deadline, "h")):
        if verdict is not None and not verdict.passes:
            amounts = (verdict.value, verdict.value - verdict.limit, verdict.limit)
            value, over, limit = (
                f"{amount:,.2f} USD" if unit == "USD" else hours_text(float(amount)) for amount in amounts
            )
            text = f"{value} are {over} over the {name} of {limit}"
            rows.append({"rule": name, "level": "error", "message": text})
        elif verdict is not None and not verdict.is_certain:
            high = f"{verdict.high:,.2f} USD" if unit == "USD" else hours_text(float(verdict.high))
            text = f"the middle estimate keeps the {name}, the upper end of its range, {high}, does not"
            rows.append({"rule": name, "level": "note", "message": text})
    for finding in lint_plan(plan):
        if finding.severity != "ok" and finding.check != "plan":
            rows.append(
                {"rule": "lint", "level": finding.severity, "message": f"{finding.check}: {finding.message}"}
            )
    best = now.quotes[0]
    if best.price_state not in ("fresh", "recorded"):
        text = f"the price is {best.price_state}, last seen {best.price_age_hours / 24:.0f} days ago"
        rows.append({"rule": "price", "level": "note", "message": text})
    return rows


def _change(now: QuoteSet, at_locked_prices: QuoteSet, agreed: QuoteSet) -> dict[str, Any]:
    """The difference to what was agreed, parted: first the plan changes at the old prices, then the prices."""
    by_price, by_plan = now.mid - at_locked_prices.mid, at_locked_prices.mid - agreed.mid
    lines = {line.name: line.usd.mid for line in now.lines if line.usd is not None}
    former = {line.name: line.usd.mid for line in agreed.lines if line.usd is not None}
    return {
        "since": agreed.as_of.isoformat(),
        "usd_then": f"{agreed.mid:.2f}",
        "usd_now": f"{now.mid:.2f}",
        "usd_more": f"{now.mid - agreed.mid:.2f}",
        "share_more": _share(now.mid - agreed.mid, agreed.mid),
        "share_by_price": _share(by_price, agreed.mid),
        "share_by_plan": _share(by_plan, agreed.mid),
        "lines": [
            {
                "name": name,
                "usd_then": f"{former.get(name, Decimal(0)):.2f}",
                "usd_now": f"{lines.get(name, Decimal(0)):.2f}",
            }
            for name in {**former, **lines}
            if former.get(name, 0) or lines.get(name, 0)
        ],
    }


def _share(part: Decimal, whole: Decimal) -> float | None:
    return round(float(part / whole), 6) if whole else None


def sentence(change: Mapping[str, Any]) -> str:
    """`+12 % since March 2026, of which price 9, plan 3`."""
    if change["share_more"] is None:
        return f"{change['usd_more']} USD more since {change['since'][:10]}"
    whole, price, plan = (
        100 * (change[key] or 0) for key in ("share_more", "share_by_price", "share_by_plan")
    )
    return f"{whole:+.0f} % since {change['since'][:10]}, of which price {price:+.0f}, plan {plan:+.0f}"


def markdown(answer: Mapping[str, Any]) -> str:
    """The verdict for a comment on a pull request."""
    mark = "passes" if answer["passes"] else "**fails**"
    lines = [f"### {answer['plan']}: {mark}", ""]
    if answer["usd_total"] is not None:
        lines += [in_dollars(answer), ""]
    change = answer["change"]
    if change is not None:
        lines += [sentence(change) + ".", "", "| line | then, USD | now, USD |", "|---|---:|---:|"]
        lines += [f"| {row['name']} | {row['usd_then']} | {row['usd_now']} |" for row in change["lines"]]
        lines += [f"| total | {change['usd_then']} | {change['usd_now']} |", ""]
    lines += [f"- {row['level']}, {row['rule']}: {row['message']}" for row in answer["findings"]]
    return "\n".join(lines).rstrip() + "\n"


def in_dollars(answer: Mapping[str, Any]) -> str:
    """`1.51 USD (0.88 to 2.29), 4 h 19 min`."""
    usd = answer["usd_total"]
    return f"{usd['mid']} USD ({usd['low']} to {usd['high']}), {hours_text(answer['wall_hours'])}"


def workflow_commands(answer: Mapping[str, Any], path: str) -> str:
    """Workflow commands that a forge shows beside the file: `::error file=plan.toml::text`."""
    words = {"error": "error", "warning": "warning", "note": "notice"}
    rows = [
        f"::{words[row['level']]} file={path}::{_escaped(row['rule'] + ': ' + row['message'])}"
        for row in answer["findings"]
    ]
    return "".join(f"{row}\n" for row in rows)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif(answers: Sequence[tuple[Mapping[str, Any], str]], version: str) -> str:
    """SARIF 2.1.0 (OASIS, 27 March 2020): one result for each finding.

    Args:
        answers: with the path of each plan.
    """
    results = [
        {
            "ruleId": row["rule"],
            "level": row["level"],
            "message": {"text": row["message"]},
            "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": 1}}}
            ],
        }
        for answer, path in answers
        for row in answer["findings"]
    ]
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in RULES.items()]
    driver = {"name": "gpuledger", "version": version, "rules": rules}
    content = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(content, indent=2) + "\n"
