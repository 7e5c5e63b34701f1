"""Plans side by side: the best quote of each, and by how much it is above the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from gpuledger.core.cost.quote_set import QuoteSet, costlier_line

BEST_KEYS = (
    *("usd_total", "wall_hours", "gpu_hours", "provider", "instance_type", "region", "purchase_option"),
    *("gpu_id", "gpus", "paid_gpus", "nodes", "usd_per_gpu_hour", "price_state", "quote_id"),
)


def compared(answers: Sequence[tuple[str, QuoteSet | str]]) -> list[dict[str, Any]]:
    """One row per plan in the order given; money as decimal strings.

    Args:
        answers: a plan's name with its ranking, or with the reason why there is none.
    """
    first = next((answer for _, answer in answers if isinstance(answer, QuoteSet)), None)
    return [_row(name, answer, first) for name, answer in answers]


def _row(name: str, answer: QuoteSet | str, first: QuoteSet | None) -> dict[str, Any]:
    more = ("usd_more", "wall_hours_more", "mostly", "mostly_usd_more")
    if isinstance(answer, str) or first is None:
        return {"plan": name, **dict.fromkeys((*BEST_KEYS, "lines", *more)), "error": answer}
    best, base = answer.quotes[0], first.quotes[0]
    line, usd = costlier_line(best.lines, base.lines)
    content = best.to_dict()
    hours = best.purchase.running_hours.mid - base.purchase.running_hours.mid
    return {
        "plan": name,
        **{key: content[key] for key in BEST_KEYS},
        "lines": {line["name"]: line["usd"] for line in content["lines"] if line["usd"] is not None},
        "usd_more": f"{best.total.mid - base.total.mid:.2f}",
        "wall_hours_more": float(hours),
        "mostly": line if usd else None,
        "mostly_usd_more": f"{usd:.2f}",
        "error": None,
    }


# A comparison as people read it: a line per quantity, a column per plan, the best of each marked, what
# differs first.

ComparedPlan = Mapping[str, Any]
HARDWARE = (
    "provider",
    "instance_type",
    "region",
    "purchase_option",
    "gpu_id",
    "paid_gpus",
    "price_state",
    "error",
)


def side_by_side(rows: Sequence[ComparedPlan]) -> list[dict[str, Any]]:
    """Lines with the keys `line`, each plan's column, and `best`: the columns that are least.

    Args:
        rows: as `compared` gives them.
    """
    columns = column_names(rows)
    lines = [
        _line("total, USD", columns, [_money(row, "mid") for row in rows]),
        _line("total low, USD", columns, [_money(row, "low") for row in rows]),
        _line("total high, USD", columns, [_money(row, "high") for row in rows]),
        _line("wall hours", columns, [_mid(row, "wall_hours") for row in rows]),
        _line("GPU-hours", columns, [_mid(row, "gpu_hours") for row in rows]),
        _line("USD per GPU-hour", columns, [_number(row.get("usd_per_gpu_hour")) for row in rows]),
    ]
    by_line = [cast("dict[str, Any]", row.get("lines") or {}) for row in rows]
    names = dict.fromkeys(name for own in by_line for name in own)
    lines += [_line(f"{name}, USD", columns, [_number(own.get(name)) for own in by_line]) for name in names]
    lines += [_line(name, columns, [row.get(name) for row in rows]) for name in HARDWARE]
    filled_lines = [line for line in lines if any(line[column] is not None for column in columns)]
    head, rest = filled_lines[:1], filled_lines[1:]
    return [*head, *sorted(rest, key=lambda line: len({str(line[column]) for column in columns}) < 2)]


def column_names(rows: Sequence[ComparedPlan]) -> list[str]:
    """The plans' names, those of the same name numbered."""
    names: list[str] = []
    for row in rows:
        name, count = row["plan"], 2
        while name in names:
            name, count = f"{row['plan']} ({count})", count + 1
        names.append(name)
    return names


def _line(title: str, columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    numbers = [value for value in values if isinstance(value, float)]
    is_ranked = len(numbers) > 1 and len(set(numbers)) > 1
    best = [name for name, value in zip(columns, values, strict=True) if is_ranked and value == min(numbers)]
    return {"line": title, **dict(zip(columns, values, strict=True)), "best": best}


def _money(row: ComparedPlan, case: str) -> float | None:
    return None if row.get("usd_total") is None else float(row["usd_total"][case])


def _mid(row: ComparedPlan, key: str) -> float | None:
    return None if row.get(key) is None else float(row[key]["mid"])


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
