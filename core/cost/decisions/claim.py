"""Claims of articles checked by arithmetic: what was stated against what its own numbers imply."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gpuledger.core import seeds
from gpuledger.core.errors import UsageError
from gpuledger.core.gpu import gpus
from gpuledger.core.plan import Costs, TrainingPlan
from gpuledger.core.spec import parse_spec

HOLDS, IMPRECISE, CONTRADICTED = "holds", "imprecise", "contradicted"

# a rounded figure may be half a percent off; up to an eighth it is rounding in the writer's favour
EXACT, NEAR = 0.005, 0.125
StatedRange = tuple[float, float]
Keys = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CheckedClaim:
    """A claim with what its numbers imply."""

    claim_id: int
    source: str
    statement: str
    stated: StatedRange
    implied: StatedRange
    unit: str
    verdict: str
    note: str

    @property
    def finding(self) -> str:
        """One line: stated, implied, and how far apart."""
        text = f"stated {_shown(self.stated)} {self.unit}, implied {_shown(self.implied)} {self.unit}"
        factor = apart(self.stated, self.implied)
        apart_text = f", {factor:,.3g} times apart" if 1 < factor < math.inf else ""
        return f"{text}{apart_text}: {self.note}" if self.note else f"{text}{apart_text}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "claim": self.claim_id,
            "source": self.source,
            "verdict": self.verdict,
            "statement": self.statement,
            "finding": self.finding,
            "stated": list(self.stated),
            "implied": list(self.implied),
            "unit": self.unit,
        }


def checked_claims(text: str | None = None, origin: str = "claims") -> list[CheckedClaim]:
    """The claims in `text` (the shipped ones without), each checked.

    Raises:
        UsageError: not TOML, an unknown check, or a key that is missing or no number.
    """
    try:
        content = tomllib.loads(seeds.text("claim.toml") if text is None else text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin}: not TOML: {error}") from error
    rows = content.get("claim")
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{origin}: no [[claim]] in it")
    tables = cast(list[Any], rows)
    if not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{origin}: write [[claim]], not claim =")
    return [_checked(table, f"{origin}: claim {position}") for position, table in enumerate(tables, start=1)]


def _checked(row: Keys, place: str) -> CheckedClaim:
    try:
        check = CHECKS.get(row["check"])
        if check is None:
            raise UsageError(f"{place}: unknown check {row['check']!r}; known are {', '.join(CHECKS)}")
        stated, implied = _interval(row["stated"]), check(row)
        return CheckedClaim(
            claim_id=int(row["id"]),
            source=str(row.get("source", "")),
            statement=str(row["statement"]),
            stated=stated,
            implied=implied,
            unit=str(row.get("unit", "")),
            verdict=verdict(stated, implied),
            note=str(row.get("note", "")),
        )
    except KeyError as error:
        raise UsageError(f"{place}: key {error.args[0]!r} is missing") from error
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{place}: {error}") from error


def verdict(stated: StatedRange, implied: StatedRange) -> str:
    """Holds: all that is implied was stated. Imprecise: they overlap, or are two near numbers. Else
    contradicted."""
    slack = EXACT * max(abs(end) for end in (*stated, *implied))
    if stated[0] - slack <= implied[0] and implied[1] <= stated[1] + slack:
        return HOLDS
    if implied[0] <= stated[1] and stated[0] <= implied[1]:
        return IMPRECISE
    numbers = stated[0] == stated[1] and implied[0] == implied[1]
    off = abs(stated[0] - implied[0]) / max(abs(stated[0]), abs(implied[0]))
    return IMPRECISE if numbers and off <= NEAR else CONTRADICTED


def apart(stated: StatedRange, implied: StatedRange) -> float:
    """Factor between the nearest ends; 1 where they overlap, infinite across zero."""
    if implied[0] <= stated[1] and stated[0] <= implied[1]:
        return 1.0
    low, high = (stated[1], implied[0]) if stated[1] < implied[0] else (implied[1], stated[0])
    return high / low if low > 0 else math.inf


def _interval(value: Any) -> StatedRange:
    if isinstance(value, Sequence) and not isinstance(value, str):
        low, high = (float(end) for end in cast(Sequence[float], value))
        return (low, high) if low <= high else (high, low)
    return float(value), float(value)


def training_hours(keys: Keys) -> StatedRange:
    """6 x parameters x tokens over what the hardware computes in an hour (Kaplan et al. 2020, section
    2.1)."""
    operations = 6 * float(keys["parameters"]) * float(keys["tokens"])
    hours = operations / (float(keys["tflops"]) * 1e12 * float(keys["efficiency"])) / 3600
    return hours, hours


def _product(keys: Keys) -> StatedRange:
    intervals = [_interval(factor) for factor in keys["factors"]]
    return math.prod(low for low, _ in intervals), math.prod(high for _, high in intervals)


def _quotients(keys: Keys) -> StatedRange:
    values = [float(over) / float(under) for over, under in keys["pairs"]]
    return min(values), max(values)


def _change_percent(keys: Keys) -> StatedRange:
    change = (float(keys["after"]) / float(keys["before"]) - 1) * 100
    return change, change


def _sum(keys: Keys) -> StatedRange:
    intervals = [_interval(part) for part in keys["parts"]]
    return sum(low for low, _ in intervals), sum(high for _, high in intervals)


def _share_percent(keys: Keys) -> StatedRange:
    share = float(keys["part"]) / sum(float(part) for part in keys["parts"]) * 100
    return share, share


def _as_stated(keys: Keys) -> StatedRange:
    return _interval(keys["implied"])


def _distinct_keys(keys: Keys) -> StatedRange:
    """How many different keys of a plan the words mean."""
    existing = {*TrainingPlan.model_fields, *(f"costs.{name}" for name in Costs.model_fields)}
    count = float(len(existing.intersection(keys["keys"])))
    return count, count


def _gpu_memory_gib(keys: Keys) -> StatedRange:
    sizes = [gpus()[gpu_id].memory_gib or 0.0 for gpu_id in parse_spec(str(keys["gpu"])).gpu_ids]
    return min(sizes), max(sizes)


CHECKS: Mapping[str, Callable[[Keys], StatedRange]] = {
    "training_hours": training_hours,
    "product": _product,
    "quotients": _quotients,
    "change_percent": _change_percent,
    "sum": _sum,
    "share_percent": _share_percent,
    "given": _as_stated,
    "distinct_keys": _distinct_keys,
    "gpu_memory_gib": _gpu_memory_gib,
}


def _shown(interval: StatedRange) -> str:
    low, high = (f"{end:,.0f}" if abs(end) >= 1000 else f"{end:,.4g}" for end in interval)
    return low if low == high else f"{low} to {high}"
