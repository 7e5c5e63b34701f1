"""Values that a plan may hold: counts, amounts, shares and money within bounds, and three cases of one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _only_numbers(value: object) -> object:
    """Text and booleans are not numbers here, however willing a parser is to convert them."""
    if isinstance(value, bool | str):
        raise ValueError("not a number")
    return value


_Number = BeforeValidator(_only_numbers)
Count = Annotated[int, _Number, Field(gt=0)]
CountOrZero = Annotated[int, _Number, Field(ge=0)]
Amount = Annotated[float, _Number, Field(gt=0, allow_inf_nan=False)]
AmountOrZero = Annotated[float, _Number, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, _Number, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveShare = Annotated[float, _Number, Field(gt=0, le=1, allow_inf_nan=False)]
USD = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of a plan: unknown keys are refused, and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Spread(Section):
    """Three cases of one quantity: one number, `[low, high]`, or a table low, mid, high."""

    low: AmountOrZero
    mid: AmountOrZero
    high: AmountOrZero

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"low": value, "mid": value, "high": value}
        if isinstance(value, Sequence) and not isinstance(value, str):
            numbers = cast(Sequence[float], value)
            if len(numbers) != 2:
                raise ValueError("a range has two numbers, low and high")
            return {"low": numbers[0], "mid": (numbers[0] + numbers[1]) / 2, "high": numbers[1]}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Spread:
        if not self.low <= self.mid <= self.high:
            raise ValueError(f"low {self.low:g}, mid {self.mid:g}, high {self.high:g} are not in order")
        return self


class HoursRange(Spread):
    """Quoted hours."""


class RunsRange(Spread):
    """Runs paid for each one that counts, at least 1."""

    low: Annotated[float, _Number, Field(ge=1, allow_inf_nan=False)]
