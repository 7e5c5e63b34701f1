"""Values that a plan may hold: counts, amounts, shares and money within bounds, and three cases of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gpuledger.core.count import count_from, gb_from, hours_from
from gpuledger.core.money import decimal_from

MOST = 1e18
"""Of any count or amount: no data set, no network and no bill is larger."""
MOST_USD = Decimal(10**11)


def _number_by(read: Callable[[str], float]) -> BeforeValidator:
    """A number, or text as people write it; a boolean is none, however willing a parser is to convert it."""

    def number(value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("not a number")
        if isinstance(value, str):
            return read(value)
        if isinstance(value, int) and abs(value) > MOST:
            # converting or printing thousands of digits fails in ways of its own
            raise ValueError(f"a number of {value.bit_length()} bits; {MOST:g} at most")
        return value

    return BeforeValidator(number)


def _money(value: object) -> object:
    if isinstance(value, str):
        return decimal_from(value.strip().removeprefix("$").removesuffix("USD").strip())
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"a number of {value.bit_length()} bits; {MOST_USD:g} at most")
    return value


_Number = _number_by(count_from)
Count = Annotated[int, _Number, Field(gt=0, le=int(MOST))]
CountOrZero = Annotated[int, _Number, Field(ge=0, le=int(MOST))]
Amount = Annotated[float, _Number, Field(gt=0, le=MOST, allow_inf_nan=False)]
AmountOrZero = Annotated[float, _Number, Field(ge=0, le=MOST, allow_inf_nan=False)]
GB = Annotated[float, _number_by(gb_from), Field(ge=0, le=1e12, allow_inf_nan=False)]
"""A size: GB of 10^9 bytes, or text with its unit."""
Hours = Annotated[float, _number_by(hours_from), Field(gt=0, le=1e6, allow_inf_nan=False)]
"""A time: hours, or text with its unit."""
Share = Annotated[float, _Number, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveShare = Annotated[float, _Number, Field(gt=0, le=1, allow_inf_nan=False)]
USD = Annotated[Decimal, BeforeValidator(_money), Field(ge=0, le=MOST_USD, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of a plan: unknown keys are refused, and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Spread(Section):
    """Three cases of one quantity: one number, `[low, high]`, or a table low, mid, high."""

    low: AmountOrZero
    mid: AmountOrZero
    high: AmountOrZero

    @classmethod
    def number_in(cls, text: str) -> float:
        """A number written as text."""
        return count_from(text)

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, value: object) -> object:
        if isinstance(value, str):
            low, dots, high = value.partition("..")
            value = [cls.number_in(low), cls.number_in(high)] if dots else cls.number_in(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"low": value, "mid": value, "high": value}
        if isinstance(value, Sequence) and not isinstance(value, str):
            numbers = cast(Sequence[Any], value)
            if len(numbers) != 2:
                raise ValueError("a range has two numbers, low and high")
            ends = [cls.number_in(one) if isinstance(one, str) else one for one in numbers]
            if any(
                isinstance(one, bool) or not isinstance(one, int | float) or abs(one) > MOST for one in ends
            ):
                raise ValueError(f"a range has two numbers of at most {MOST:g}, low and high")
            return {"low": ends[0], "mid": (ends[0] + ends[1]) / 2, "high": ends[1]}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Spread:
        if not self.low <= self.mid <= self.high:
            raise ValueError(f"low {self.low:g}, mid {self.mid:g}, high {self.high:g} are not in order")
        return self


class HoursRange(Spread):
    """Quoted hours; text may have units."""

    @classmethod
    def number_in(cls, text: str) -> float:
        return hours_from(text)


class RunsRange(Spread):
    """Runs paid for each one that counts, at least 1."""

    low: Annotated[float, _Number, Field(ge=1, allow_inf_nan=False)]
