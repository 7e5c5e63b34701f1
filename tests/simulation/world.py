"""The market of one seed: a few providers whose prices move, come and go, and who sometimes answer wrongly.

The world knows which of its answers are true, so that the ledger can be held to it.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer, Skipped
from gpuledger.scrapers.source import DAILY, FOUR_TIMES_A_DAY, HOURLY, Source
from tests.conftest import Clock

PROVIDERS: dict[str, timedelta] = {
    "runpod": HOURLY,
    "lambda": HOURLY,
    "crusoe": FOUR_TIMES_A_DAY,
    "verda": HOURLY,
    "hyperstack": DAILY,
}
GPUS = {"NVIDIA H100 80GB HBM3": 2.8, "NVIDIA A100-SXM4-80GB": 1.6}
REGIONS = ("us-east", "eu-west")
FIRST_OFFERS = 4

Key = tuple[str, str]
"""Source and sku: every sku of the simulated market is an offer of its own."""


@dataclass(frozen=True)
class TrueOffer:
    """What a provider really sells."""

    sku: str
    gpu: str
    gpu_count: int
    region: str
    option: str
    usd: Decimal
    """Per GPU and hour."""
    stock: str = "available"

    def row(self) -> dict[str, Any]:
        return {
            "sku": self.sku,
            "gpu": self.gpu,
            "count": self.gpu_count,
            "region": self.region,
            "option": self.option,
            "usd": str(self.usd),
            "stock": self.stock,
        }


@dataclass(frozen=True)
class Answer:
    """What was sent, and what the world knows of it."""

    kind: str
    body: bytes
    status: int = 200
    etag: str = ""
    wrong: frozenset[tuple[str, Decimal]] = frozenset()
    """Sku and price that it states and that nobody asks."""


def parse(document: Document) -> Iterator[Fact]:
    content = document.json()
    if not isinstance(content, dict) or not isinstance(content.get("offers"), list):
        raise document.error("no list of offers")
    for row in content["offers"]:
        if not row["usd"] or Decimal(row["usd"]) <= 0:
            yield Skipped("no price", row)
            continue
        yield Offer(
            provider=content["provider"],
            sku=row["sku"],
            region=row["region"],
            gpu_label=row["gpu"],
            gpu_count=Decimal(row["count"]),
            purchase_option=row["option"],
            price=Price(amount=Decimal(row["usd"]), unit=Unit.GPU_HOUR),
            availability=Availability(row["stock"]),
        )


def source_of(provider: str) -> Source:
    return Source(
        name=provider,
        homepage=f"https://{provider}.example/",
        every=PROVIDERS[provider],
        requests=(Request(url=f"https://{provider}.example/list"),),
        parse=parse,
        contract=Contract(min_offers=2),
        covers="a simulation",
        licence="none",
        seconds_between_requests=0,
        max_body_mib=1,
    )


SOURCES = tuple(source_of(provider) for provider in PROVIDERS)


@dataclass
class Provider:
    """One provider, its offers as they are, and the answer that it gives next."""

    name: str
    chance: random.Random
    offers: dict[str, TrueOffer] = field(default_factory=dict)
    gone: list[TrueOffer] = field(default_factory=list)
    next_kind: str = "true"
    """What the next answer is; those after it are true."""
    number: int = 0

    def open_shop(self) -> None:
        """The first offers: two GPUs in two regions, one of them in eights, one of them spot."""
        for _ in range(FIRST_OFFERS):
            self.add()

    def add(self) -> None:
        self.number += 1
        gpu = self.chance.choice(list(GPUS))
        option = self.chance.choice(["on_demand", "on_demand", "spot"])
        like = [one for one in self.offers.values() if (one.gpu, one.option) == (gpu, option)]
        base = (
            float(self.chance.choice(like).usd)
            if like
            else GPUS[gpu] * (0.5 if option == "spot" else 1) * self.chance.uniform(0.9, 1.3)
        )
        sku = f"{self.name}-{self.number}"
        self.offers[sku] = TrueOffer(
            sku=sku,
            gpu=gpu,
            gpu_count=self.chance.choice([1, 1, 8]),
            region=self.chance.choice(REGIONS),
            option=option,
            usd=amount(base * self.chance.uniform(1.0, 1.2)),
        )

    def live(self, hours: float) -> None:
        """What happens in the market in that time."""
        for sku in list(self.offers):
            if self.chance.random() < min(0.25, 0.02 * hours):
                self._happens(sku)
        if self.chance.random() < min(0.2, 0.01 * hours) and len(self.offers) < 8:
            self.add()
        if self.gone and self.chance.random() < 0.1:
            back = self.gone.pop()
            self.offers[back.sku] = back

    def _happens(self, sku: str) -> None:
        offer = self.offers[sku]
        what = self.chance.choices(
            ("small", "large", "goes", "stock", "renamed"), (8, 3, 1 if len(self.offers) > 3 else 0, 3, 1)
        )[0]
        if what == "small":
            self.offers[sku] = replace(offer, usd=amount(float(offer.usd) * self.chance.uniform(0.85, 1.3)))
        elif what == "large":
            factor = self.chance.choice((self.chance.uniform(0.4, 0.7), self.chance.uniform(1.7, 2.6)))
            usd = float(offer.usd) * factor
            # no GPU of the world leaves the band of its kind
            if 0.4 < usd / GPUS[offer.gpu] < 2.5:
                self.offers[sku] = replace(offer, usd=amount(usd))
        elif what == "goes":
            self.gone.append(self.offers.pop(sku))
        elif what == "stock":
            self.offers[sku] = replace(offer, stock="sold_out" if offer.stock == "available" else "available")
        else:
            self.number += 1
            name = f"{self.name}-{self.number}"
            self.offers[name] = replace(self.offers.pop(sku), sku=name)

    def answer(self) -> Answer:
        kind, self.next_kind = self.next_kind, "true"
        rows = [offer.row() for offer in self.offers.values()]
        return ANSWERS[kind](self, rows)

    def body(self, rows: list[dict[str, Any]]) -> bytes:
        return json.dumps({"provider": self.name, "offers": rows}).encode()


def amount(usd: float) -> Decimal:
    return Decimal(usd).quantize(Decimal("0.0001"))


WRONG_FACTORS = (0.001, 0.01, 0.04, 0.1, 0.125, 0.2, 0.3, 4, 8, 12, 100)


def _true(provider: Provider, rows: list[dict[str, Any]]) -> Answer:
    body = provider.body(rows)
    return Answer("true", body, etag=f'"{sha256(body)[:12]}"' if provider.chance.random() < 0.5 else "")


def _poisoned(provider: Provider, rows: list[dict[str, Any]], share: float) -> Answer:
    factor = provider.chance.choice(WRONG_FACTORS)
    chosen = [row for row in rows if provider.chance.random() < share] or rows[:1]
    wrong = set()
    for row in chosen:
        usd = amount(float(row["usd"]) * factor)
        if usd <= 0:
            continue
        row["usd"] = str(usd)
        wrong.add((row["sku"], usd))
    return Answer("poisoned", provider.body(rows), wrong=frozenset(wrong))


def _ghost(provider: Provider, rows: list[dict[str, Any]]) -> Answer:
    """A new name for what is sold already, at a fraction of its price."""
    row = dict(provider.chance.choice(rows))
    provider.number += 1
    usd = amount(float(row["usd"]) * 0.2)
    row |= {"sku": f"{provider.name}-ghost-{provider.number}", "usd": str(usd)}
    rows.append(row)
    return Answer("ghost", provider.body(rows), wrong=frozenset({(row["sku"], usd)}))


def _without_prices(provider: Provider, rows: list[dict[str, Any]]) -> Answer:
    for row in rows:
        if provider.chance.random() < 0.4:
            row["usd"] = provider.chance.choice(["", "0", "0.000", "-1"])
    return Answer("without prices", provider.body(rows))


def _half(provider: Provider, rows: list[dict[str, Any]]) -> Answer:
    return Answer("half", provider.body(rows[: len(rows) // 2]))


def _truncated(provider: Provider, rows: list[dict[str, Any]]) -> Answer:
    body = provider.body(rows)
    return Answer("truncated", body[: provider.chance.randrange(len(body))])


def _renamed(provider: Provider, rows: list[dict[str, Any]]) -> Answer:
    """All skus under another name, for once."""
    for row in rows:
        row["sku"] += "-v2"
    return Answer("renamed", provider.body(rows))


def _status(status: int) -> Any:
    return lambda provider, rows: Answer(f"status {status}", b"busy", status=status)


ANSWERS: dict[str, Any] = {
    "true": _true,
    "some poisoned": lambda provider, rows: _poisoned(provider, rows, 0.3),
    "all poisoned": lambda provider, rows: _poisoned(provider, rows, 1.0),
    "ghost": _ghost,
    "without prices": _without_prices,
    "half": _half,
    "truncated": _truncated,
    "renamed": _renamed,
    "empty list": lambda provider, rows: Answer("empty list", provider.body([])),
    "not a list": lambda provider, rows: Answer("not a list", b'{"offers": 5}'),
    "empty": lambda provider, rows: Answer("empty", b""),
    **{f"status {status}": _status(status) for status in (429, 500, 503, 404)},
}
WRONG = [kind for kind in ANSWERS if kind != "true"]


@dataclass
class World:
    """The market, its clock, and every answer that was ever sent, by the hash of its bytes."""

    clock: Clock
    chance: random.Random
    providers: dict[str, Provider] = field(default_factory=dict)
    sent: dict[str, Answer] = field(default_factory=dict)
    true_prices: set[tuple[str, Decimal]] = field(default_factory=set)
    """Sku and price that somebody asked at some time."""
    wrong_prices: set[tuple[str, Decimal]] = field(default_factory=set)
    hours: float = 0
    may_err: Callable[[str], bool] = lambda name: True
    """Whether a provider may answer wrongly now: what it says twice in a row is to be believed."""

    def begin(self, count: int) -> None:
        for name in list(PROVIDERS)[:count]:
            self.providers[name] = Provider(name, self.chance)
            self.providers[name].open_shop()

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(source for source in SOURCES if source.name in self.providers)

    def forward(self, hours: float) -> None:
        self.clock.forward(hours=hours)
        self.hours += hours
        for provider in self.providers.values():
            provider.live(hours)

    def respond(self, request: httpx.Request) -> httpx.Response:
        """The transport: what the provider of that host answers."""
        provider = self.providers[request.url.host.removesuffix(".example")]
        if not self.may_err(provider.name):
            provider.next_kind = "true"
        self.true_prices |= {(one.sku, one.usd) for one in provider.offers.values()}
        answer = provider.answer()
        self.wrong_prices = (self.wrong_prices | answer.wrong) - self.true_prices
        self.sent[sha256(answer.body)] = answer
        if answer.etag and request.headers.get("if-none-match") == answer.etag:
            return httpx.Response(304, stream=httpx.ByteStream(b""), headers={"etag": answer.etag})
        headers = {"etag": answer.etag} if answer.etag else {}
        if answer.status == 429:
            headers["retry-after"] = "0"
        return httpx.Response(answer.status, stream=httpx.ByteStream(answer.body), headers=headers)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def rows_of(body: bytes) -> int | None:
    """How many rows an answer lists, for one that can be read."""
    try:
        return len(json.loads(body)["offers"])
    except (ValueError, KeyError, TypeError):
        return None
