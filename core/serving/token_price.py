"""What APIs take for tokens, by day: `sql/seeds/token_price.csv` (of genai-prices, MIT) and `token_price_own.csv`.

A row without a date says what held before the first change that was seen; how long before is not known.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gpuledger.core import seeds
from gpuledger.core.count import decimal_text
from gpuledger.core.errors import UsageError

MILLION = Decimal(1_000_000)
FIRST_DAY = date(2020, 6, 11)
"""The first API that took money for tokens was announced then (https://openai.com/index/openai-api, 2020-06-11)."""


@dataclass(frozen=True, kw_only=True)
class TokenPrice:
    """One API's prices of a model, in US dollars per million tokens."""

    provider: str
    model: str
    valid_from: date | None
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal | None
    training_usd_per_mtok: Decimal | None
    source: str

    @property
    def api(self) -> str:
        """`provider/model`, as it is asked for."""
        return f"{self.provider}/{self.model}"

    def usd(
        self, input_tokens: Decimal, output_tokens: Decimal, cached_tokens: Decimal = Decimal(0)
    ) -> Decimal:
        """Of so many tokens, some of the input read from a cache where the API has a price for that."""
        cached = (
            self.input_usd_per_mtok
            if self.cached_input_usd_per_mtok is None
            else self.cached_input_usd_per_mtok
        )
        fresh = (input_tokens - cached_tokens) * self.input_usd_per_mtok
        return (fresh + cached_tokens * cached + output_tokens * self.output_usd_per_mtok) / MILLION

    @property
    def undated(self) -> str | None:
        """A sign that it is not known since when the price held."""
        if self.valid_from is not None:
            return None
        return f"the price of {self.api} has no date: since when it held is not known"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        return {
            "api": self.api,
            "provider": self.provider,
            "model": self.model,
            "valid_from": self.valid_from,
            **{
                name: decimal_text(getattr(self, name))
                for name in (
                    *("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok"),
                    "training_usd_per_mtok",
                )
            },
            "source": self.source,
        }


@lru_cache(maxsize=1)
def token_prices() -> tuple[TokenPrice, ...]:
    """All rows, by provider, model and day; training, which has days of its own, is added by `prices_on`."""
    out: list[TokenPrice] = []
    for row in seeds.rows("token_price"):
        out.append(
            TokenPrice(
                provider=row["provider"],
                model=row["model"],
                valid_from=date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
                input_usd_per_mtok=Decimal(row["input_usd_per_mtok"]),
                output_usd_per_mtok=Decimal(row["output_usd_per_mtok"]),
                cached_input_usd_per_mtok=_decimal(row["cached_input_usd_per_mtok"]),
                training_usd_per_mtok=None,
                source=row["source"],
            )
        )
    return tuple(sorted(out, key=lambda one: (one.api, one.valid_from or date.min)))


@lru_cache(maxsize=1)
def _training_prices() -> dict[str, list[tuple[date, Decimal]]]:
    """Days and US dollars per million tokens of fine-tuning by `provider/model`, the earliest first."""
    prices: dict[str, list[tuple[date, Decimal]]] = {}
    for row in sorted(seeds.rows("token_price_own"), key=lambda row: row["valid_from"]):
        price = date.fromisoformat(row["valid_from"]), Decimal(row["training_usd_per_mtok"])
        prices.setdefault(f"{row['provider']}/{row['model']}", []).append(price)
    return prices


def _training_usd(api: str, day: date) -> Decimal | None:
    """`None` before the first day of which a price is known."""
    in_force = [usd for since, usd in _training_prices().get(api, ()) if since <= day]
    return in_force[-1] if in_force else None


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def prices_on(day: date, words: str = "") -> list[TokenPrice]:
    """The price of every API in force on a day, of those whose `provider/model` has all the words; none before there
    were such prices."""
    if day < FIRST_DAY:
        return []
    terms = words.lower().split()
    newest: dict[str, TokenPrice] = {}
    for one in token_prices():
        if (one.valid_from is None or one.valid_from <= day) and all(w in one.api.lower() for w in terms):
            newest[one.api] = one
    return [replace(one, training_usd_per_mtok=_training_usd(one.api, day)) for one in newest.values()]


def token_price(api: str, day: date) -> TokenPrice:
    """The price of one API on a day, named `provider/model`, or the model alone where one provider has it.

    Raises:
        UsageError: no such API, or several of that name; says which there are.
    """
    if day < FIRST_DAY:
        raise UsageError(f"api: no API had a price of tokens on {day}; the first is of {FIRST_DAY}")
    on = prices_on(day)
    matches = [one for one in on if api.lower() == one.api.lower()] or [
        one for one in on if api.lower() == one.model.lower()
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"api: {api!r} is sold by several: {', '.join(one.api for one in matches)}")
    near = _nearest(api, [one.api for one in on])
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise UsageError(f"api: no price of {api!r} on {day}; `gpuledger token-prices` lists them{hint}")


def _nearest(api: str, names: Sequence[str]) -> list[str]:
    by_word = [name for name in names if api.lower() in name.lower()]
    return by_word[:3] or difflib.get_close_matches(api.lower(), names, n=3)
