"""What people write, understood once for every door: times, money, counts, steps of time and plans. Each function
takes a value that is typed already as well, so that Python callers pass what they have.

Every error is one line that says what was seen, what is allowed, and under which name the door knows the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gpuledger.core.count import count_from, gib_from, hours_from, number_hint
from gpuledger.core.errors import InvalidPlanError, UsageError
from gpuledger.core.purchase_option import option_word

if TYPE_CHECKING:
    from gpuledger.core.cost.options import QuoteOptions
    from gpuledger.core.plan import TrainingPlan

FILE_ENDINGS = (".toml", ".json", ".jsonl", ".yaml", ".yml")
_Value = TypeVar("_Value")
When = datetime | date | str | None
"""A time: aware, or taken for UTC; a date is its first moment; text is ISO 8601."""
FIRST_YEAR, LAST_YEAR = 1970, 2262
"""DuckDB and PostgreSQL know dates that Python does not, but no market is that old or that far away."""
MOST_USD = Decimal(10**11)
"""The ledger's columns hold less."""


def instant(value: When, name: str) -> datetime | None:
    """A time in UTC.

    Raises:
        UsageError: not ISO 8601, or outside the years 1970 to 2262.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value.strip())
        else:
            read = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
        read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name}: {str(value)[:40]!r} is no date or time, as in 2026-03-15 or 2026-03-15T12:00Z"
        ) from None
    if not FIRST_YEAR <= read.year <= LAST_YEAR:
        raise UsageError(f"{name}: {str(value)[:40]!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return read


def past(value: When, name: str, now: datetime) -> datetime | None:
    """A time that prices are asked of: now or earlier. Nobody has observed the prices of a later one.

    Raises:
        UsageError: no time, or one in the future.
    """
    read = instant(value, name)
    if read is not None and read > now:
        raise UsageError(
            f"{name}: {read:%Y-%m-%dT%H:%MZ} is in the future, now is {now:%Y-%m-%dT%H:%MZ}; prices are known until now"
        )
    return read


def decimal(
    value: Decimal | int | float | str | None,
    name: str,
    *,
    above: Decimal | None = None,
    most: Decimal | None = None,
) -> Decimal | None:
    """A decimal number that is not negative, such as an amount of money; thousands commas only in threes.

    Args:
        above: a bound that the number must exceed; 0 is allowed without.
        most: the largest number allowed.

    Raises:
        UsageError: no number, or one out of bounds.
    """
    if value is None:
        return None
    from gpuledger.core.money import decimal_from

    try:
        read = value if isinstance(value, Decimal) else decimal_from(str(value))
    except ValueError:
        raise _no_amount(value, name) from None
    if not read.is_finite() or read < 0 or (above is not None and read <= above):
        raise UsageError(
            f"{name}: {str(value)[:40]} must be {'0 or more' if above is None else f'above {above}'}"
        )
    if most is not None and read > most:
        raise UsageError(f"{name}: {str(value)[:40]} must be {most:g} at most")
    return read


def dollars(
    value: Decimal | int | float | str | None,
    name: str,
    *,
    above: Decimal | None = None,
    is_total: bool = False,
) -> Decimal | None:
    """An amount of US dollars, at most what the ledger can hold.

    Args:
        is_total: a sum such as a budget, and no rate: `1.250` is refused, which has two meanings.

    Raises:
        UsageError: no amount, or one out of bounds.
    """
    if isinstance(value, str):
        from gpuledger.core.count import MAY_BE
        from gpuledger.core.money import dollars_from, total_from

        try:
            value = (total_from if is_total else dollars_from)(value)
        except ValueError as error:
            if MAY_BE in str(error):
                raise UsageError(f"{name}: {error}") from None
            raise _no_amount(value, name) from None
    return decimal(value, name, above=above, most=MOST_USD - Decimal("0.01"))


def _no_amount(value: object, name: str) -> UsageError:
    seen = str(value)[:40]
    dollars = (
        "; amounts are US dollars"
        if re.search(r"[€£¥₹]|\b(?:eur|gbp|chf|jpy|cny|inr|cad)\b", seen, re.I)
        else ""
    )
    return UsageError(f"{name}: {seen!r} is no amount, as in 2.50 or 1250{dollars or number_hint(seen)}")


def required(value: _Value | None, name: str) -> _Value:
    """A value that must be given.

    Raises:
        UsageError: it is not.
    """
    if value is None:
        raise UsageError(f"{name} is missing")
    return value


def count(value: float | str | None, name: str, *, most: float = 1e18) -> float | None:
    """A count above zero: `20M`, `1.4T`, `2e12` or a number.

    Raises:
        UsageError: no count, zero or too large.
    """
    if value is None:
        return None
    try:
        read = count_from(value) if isinstance(value, str) else float(value)
    except ValueError:
        raise UsageError(
            f"{name}: {str(value)[:40]!r} is no number, as in 4096, 2e9 or 1.4T{number_hint(str(value))}"
        ) from None
    if not 0 < read < most:
        raise UsageError(f"{name}: {str(value)[:40]} must be more than 0 and less than {most:g}")
    return read


def names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """One name, several, or several parted by commas; empty ones are left out."""
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else list(value)
    return tuple(piece.strip() for text in texts for piece in text.split(",") if piece.strip())


def options(values: Mapping[str, Any], **own: Any) -> QuoteOptions:
    """What is asked of a quote beside the plan, under the options' names in Python or at REST. `None`, empty text and
    empty lists are not given; zero is a value.

    Args:
        own: `overrides` and `measurements`.

    Raises:
        UsageError: no such option, or a value that is out of bounds; names it.
    """
    from gpuledger.core.cost.options import QuoteOptions, quote_options

    existing = {name: option for option in quote_options() for name in (option.field, option.name)}
    read: dict[str, Any] = {}
    for name, value in values.items():
        option = existing.get(name)
        if option is None:
            raise UsageError(f"{name}: no such option; there are {', '.join(sorted(existing))}")
        if not _is_empty(value):
            read[option.field] = _READERS[option.kind](value, name)
            if option.choices:
                read[option.field] = tuple(map(option_word, read[option.field]))
    return QuoteOptions(**read, **own)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], ())


def _number(value: Any, name: str) -> float:
    try:
        return count_from(value) if isinstance(value, str) else float(value)
    except (ValueError, TypeError):
        raise UsageError(
            f"{name}: {str(value)[:40]!r} is no number, as in 12 or 2.5{number_hint(str(value))}"
        ) from None


def _whole(value: Any, name: str) -> int:
    try:
        read = count_from(value, name) if isinstance(value, str) else float(value)
    except (ValueError, TypeError, OverflowError):
        read = math.nan
    if not read.is_integer():
        raise UsageError(
            f"{name}: {str(value)[:40]!r} is no whole number, as in 8 or 64{number_hint(str(value))}"
        )
    return int(read)


def _measure(read: Callable[[str], float], what: str) -> Callable[[Any, str], float]:
    def number(value: Any, name: str) -> float:
        try:
            return read(value) if isinstance(value, str) else float(value)
        except (ValueError, TypeError, OverflowError):
            raise UsageError(f"{name}: {str(value)[:40]!r} is no {what}{number_hint(str(value))}") from None

    return number


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "text": lambda value, name: str(value),
    "names": lambda value, name: names(value),
    "number": _number,
    "usd": lambda value, name: dollars(value, name, is_total=True),
    "count": _whole,
    "hours": _measure(hours_from, "time, as in 72, 3 d or 90 min"),
    "gib": _measure(gib_from, "memory, as in 24 or 80GB"),
    "switch": lambda value, name: bool(value),
}


def plan(inputs: TrainingPlan | Mapping[str, Any] | Path | str) -> TrainingPlan:
    """The plan that is meant: a plan, its keys, `{"preset": NAME}`, a preset's name, TOML or JSON text, or a
    file's path.

    Raises:
        InvalidPlanError: a key is unknown, missing or out of bounds, or no preset has that name.
    """
    from gpuledger.core.plan import TrainingPlan, plan_from_mapping, preset_plan, read_plan

    if isinstance(inputs, TrainingPlan):
        return inputs
    if isinstance(inputs, str):
        if inputs.lstrip().startswith("{"):
            return read_plan(inputs, syntax="json")
        if "=" in inputs or "\n" in inputs:
            return read_plan(inputs, syntax="toml")
        if inputs.endswith(FILE_ENDINGS):
            raise InvalidPlanError(
                "plan", f"{inputs[:80]!r} is the name of a file; give its text, in Python its pathlib.Path"
            )
        return preset_plan(inputs)
    if isinstance(inputs, Path):
        return _of_file(inputs)
    if not isinstance(inputs, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - what callers pass
        seen = type(inputs).__name__
        raise InvalidPlanError(
            "plan", f"takes a plan, its keys, a preset's name, TOML or JSON text, not {seen}"
        )
    if set(inputs) == {"preset"}:
        return preset_plan(str(inputs["preset"]))
    return plan_from_mapping(inputs)


def _of_file(path: Path) -> TrainingPlan:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"plan: cannot read {path}: {error}") from error
    return one(plans(text, str(path), path.parent), str(path))


def plan_with(
    inputs: TrainingPlan | Mapping[str, Any] | Path | str | None, values: Mapping[str, Any]
) -> TrainingPlan:
    """A plan with some of its keys in other words, or one made of those alone.

    Args:
        values: by the names of `PLAN_OPTIONS`.

    Raises:
        InvalidPlanError: a key is unknown, missing or out of bounds.
        UsageError: there is neither plan nor network.
    """
    from gpuledger.core.cost.options import changed
    from gpuledger.core.plan import plan_from_mapping, preset_plan, presets

    if not values and inputs is not None:
        return plan(inputs)
    base = None if inputs is None else plan(inputs)
    if base is None and set(values) == {"model"}:
        return preset_plan(str(values["model"]))
    is_preset = base is not None and base.name in presets() and base == preset_plan(base.name)
    keys = None if base is None else base.model_dump(mode="json", exclude_unset=True)
    return plan_from_mapping(changed(keys, values, is_preset=is_preset))


def plans(text: str, origin: str, folder: Path | None = None) -> list[TrainingPlan]:
    """The plans that a text holds; more than one only from JSON lines, where those without a name get `plan LINE`.

    Args:
        origin: where the text is from, for messages.
        folder: of the files that a plan may name; none are read without.

    Raises:
        InvalidPlanError: a plan is wrong; names the line where there are several.
        UsageError: there is none.
    """
    import json

    from gpuledger.core.plan import read_keys

    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        raise UsageError(f"PLAN: {origin} is empty")
    if not stripped.startswith(("{", "[{")):
        return [_plan_of(read_keys(text, syntax="toml"), folder)]
    try:
        whole = json.loads(stripped)
    except RecursionError as error:
        raise InvalidPlanError("syntax", "not json: nested too deeply") from error
    except ValueError:
        if len(stripped.splitlines()) == 1:
            return [_plan_of(read_keys(stripped, syntax="json"), folder)]
    else:
        return [_plan_of(whole, folder)]
    read: list[TrainingPlan] = []
    for number, line in enumerate(stripped.splitlines(), start=1):
        if line.strip():
            try:
                keys = read_keys(line, syntax="json")
                unnamed = isinstance(keys, dict) and "name" not in keys
                read.append(_plan_of({"name": f"plan {number}", **keys} if unnamed else keys, folder))
            except InvalidPlanError as error:
                place = f"{origin} line {number}"
                field = place if error.field == "plan" else f"{place}: {error.field}"
                raise InvalidPlanError(field, error.message) from error
    return read


def _plan_of(keys: Any, folder: Path | None) -> TrainingPlan:
    from gpuledger.core.plan import plan_from_mapping
    from gpuledger.plan_files import with_files

    if folder is None or not isinstance(keys, dict):
        return plan_from_mapping(keys)
    return plan_from_mapping(with_files(cast("dict[str, Any]", keys), folder))


def one(several: Sequence[TrainingPlan], origin: str) -> TrainingPlan:
    """The plan that a text holds alone.

    Raises:
        UsageError: it holds several.
    """
    if len(several) != 1:
        raise UsageError(f"PLAN: {origin} holds {len(several)} plans, this command takes one")
    return several[0]
