"""What the address of a page holds beside its own question: the day, the currency; and the same question elsewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlencode

from starlette.requests import Request

from gpuledger.core.errors import UsageError
from gpuledger.ledger import Ledger
from gpuledger.web.page.snapshot_cache import SnapshotCache
from gpuledger.web.prefix import prefixed

SYMBOLS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "CNY": "CN¥",
    "CHF": "CHF ",
    "CAD": "CA$",
}
OFFERED = ("USD", "EUR", "GBP", "JPY", "INR", "CNY", "CHF", "CAD")
"""Currencies of the choice on the page, where the ledger has their rate; an address may name any other."""
CENT = Decimal("0.01")
STANDING_NAMES = ("as_of", "currency")
"""Of an address what every other page keeps."""


@dataclass(frozen=True)
class Currency:
    """What amounts are shown in; the ledger counts in US dollars."""

    code: str
    usd_per_unit: Decimal
    offered: tuple[str, ...]

    @property
    def symbol(self) -> str:
        """In front of an amount."""
        return SYMBOLS.get(self.code, f"{self.code} ")

    def amount_of(self, usd: Decimal | str | float) -> Decimal:
        """An amount of US dollars in this currency."""
        return Decimal(str(usd)) / self.usd_per_unit

    def price(self, usd: Decimal | str | float | None) -> str:
        """A price per hour: two decimals from 0.10 on, four below."""
        if usd is None:
            return ""
        amount = self.amount_of(usd)
        return f"{amount:,.2f}" if abs(amount) >= Decimal("0.1") else f"{amount:,.4f}"

    def total(self, usd: Decimal | str | float | None) -> str:
        """A total: cents below ten thousand."""
        if usd is None:
            return "not given"
        amount = self.amount_of(usd)
        if abs(amount) < 10_000:
            return f"{amount.quantize(CENT, ROUND_HALF_UP):,.2f}"
        return f"{amount:,.0f}"


DOLLARS = Currency("USD", Decimal(1), ("USD",))


@dataclass(frozen=True)
class PageState:
    """The parts of an address that all pages share."""

    path: str
    """Without the prefix of a proxy."""
    inputs: Mapping[str, str]
    currency: Currency = DOLLARS

    @property
    def as_of(self) -> str:
        """The past time that is asked of; empty is now."""
        return self.inputs.get("as_of", "").strip()

    def to(self, path: str, **more: Any) -> str:
        """Another page with the same day and currency."""
        stored = {name: self.inputs[name] for name in STANDING_NAMES if self.inputs.get(name)}
        return address(path, {**stored, **more})

    def here(self, **more: Any) -> str:
        """This page with other values in its address; empty ones go."""
        return address(self.path, {**self.inputs, **more})


_NEAREST = re.compile(r"(no provider|no region|no preset|unknown GPU) .*?did you mean (.+?)\?")
_FIELD_OF = {"no provider": "provider", "no region": "region", "no preset": "model", "unknown GPU": "gpu"}
MOST_NEAREST = 5


def nearest_links(error: Exception, state: PageState, **more: str) -> list[tuple[str, str]]:
    """The names that an error suggests, each with the address of the same question by that name; none where the field
    that the name is of is not clear.

    Args:
        more: what else of the address changes.
    """
    match = _NEAREST.search(str(error))
    if match is None:
        return []
    names = [name.strip() for name in re.split(r",| or ", match[2]) if name.strip()]
    return [(name, state.here(**{_FIELD_OF[match[1]]: name}, **more)) for name in names[:MOST_NEAREST]]


SEVERAL = ("gpu", "provider", "region", "tier", "purchase_option", "price_state")
"""Fields that a form may send several times."""


def inputs_of(request: Request) -> dict[str, str]:
    """The fields of an address; of one that is there several times all values parted by commas, or the last. A form
    without scripts sends its empty fields too: they are as good as not there."""
    query = request.query_params
    fields = {
        name: ",".join(text.strip() for text in query.getlist(name) if text.strip())
        if name in SEVERAL
        else query[name].strip()
        for name in query
    }
    return {name: text for name, text in fields.items() if not _is_absent(name, text)}


def _is_absent(name: str, value: Any) -> bool:
    """Whether a field of an address says nothing. A parameter of a query (`p_NAME`) does: empty is null."""
    return value in (None, "", [], ()) and not (value == "" and name.startswith("p_"))


def address(path: str, fields: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A path of this server as its clients ask for it, with a query of what is not empty."""
    path = prefixed(path)
    pairs = [
        (name, str(value))
        for name, value in fields.items()
        if not _is_absent(name, value) and name != "fragment"
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def currency_of(ledger: Ledger, cache: SnapshotCache, code: str) -> Currency:
    """The currency of an address.

    Raises:
        UsageError: the ledger has no rate of it.
    """
    rates: dict[str, Decimal] = cache.look_up(ledger, "rates", ledger.exchange_rates)
    rates = {**rates, "USD": Decimal(1)}
    offered = tuple(name for name in OFFERED if name in rates)
    chosen = (code or "USD").strip().upper()
    if chosen not in rates:
        raise UsageError(f"currency: {chosen[:12]!r} has no rate here; there are {', '.join(sorted(rates))}")
    return Currency(chosen, rates[chosen], offered)


@dataclass(frozen=True)
class Elsewhere:
    """The question of a page for a terminal, for a program and for SQL; empty where there is none."""

    command: str = ""
    rest: str = ""
    sql: str = ""
    body: str = ""
    """Of a request that is no GET."""

    @property
    def curl(self) -> str:
        """The REST request as a command; `$SERVER` stands for this server's address."""
        if not self.body:
            return f'curl "$SERVER{self.rest}"'
        return f'curl -X POST "$SERVER{self.rest}" -H "content-type: application/json" -d {shlex.quote(self.body)}'


NOWHERE = Elsewhere()


def command_line(*words: str, **flags: Any) -> str:
    """A command as one types it; several values repeat their flag, empty ones are left out."""
    parts = ["gpuledger", *words]
    for name, value in flags.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            parts.append(flag)
        elif isinstance(value, (list, tuple)):
            for one in cast("Sequence[object]", value):
                parts += [flag, str(one)]
        elif value not in (None, "", False):
            parts += [flag, str(value)]
    return shlex.join(parts)


def sql_text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def sql_time(value: datetime) -> str:
    """A time as SQL writes it."""
    return f"timestamptz '{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00'"
