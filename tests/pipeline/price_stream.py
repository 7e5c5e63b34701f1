"""Archives of runs as they come: prices that drift, stock, absences, slips, and facts beside them."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import (
    Availability,
    ExchangeRate,
    Fact,
    MarketSample,
    Offer,
    Skipped,
    StoragePrice,
)
from gpuledger.core.store.archive import FetchFailure, Manifest, run_id
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.scrapers.source import Source

START = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = {"storage": StoragePrice, "rate": ExchangeRate, "sample": MarketSample}


def parse(document: Document) -> Iterator[Fact]:
    listed = document.json()
    for row in listed["offers"]:
        yield Offer(
            provider=listed["provider"],
            sku=row["sku"],
            region=row["region"],
            gpu_label=row["gpu"],
            gpu_count=Decimal(row["count"]),
            purchase_option=row["option"],
            vcpus=Decimal(row["vcpus"]),
            price=Price(amount=Decimal(row["amount"]), unit=Unit(row["unit"]), currency=listed["currency"]),
            availability=Availability(row["stock"]),
        )
    for reason in listed["skipped"]:
        yield Skipped(reason, {"reason": reason})
    for kind, fact in listed["facts"]:
        yield KINDS[kind].model_validate(fact)


def source(name: str, provider: str, least: int) -> Source:
    return Source(
        name=name,
        provider=provider,
        homepage="https://prices.example/",
        every=timedelta(hours=1),
        fresh_for=timedelta(hours=3),
        requests=(Request(url=f"https://prices.example/{name}"),),
        parse=parse,
        contract=Contract(min_offers=least, must_have=()),
        covers="a test",
        licence="none",
        seconds_between_requests=0,
    )


SOURCES = tuple(
    source(name, provider, least)
    for name, provider, least in (
        ("runpod", "runpod", 3),
        ("vultr", "vultr", 3),
        ("scaleway", "scaleway", 3),
        ("rates", "ecb", 0),
    )
)
CURRENCIES = {"scaleway": "EUR"}
CARDS = (("NVIDIA H100 80GB HBM3", 2.5), ("NVIDIA A100 80GB PCIe", 1.6), ("NVIDIA L4", 0.45))


def first_rows(rng: random.Random) -> list[dict[str, str]]:
    """Some machines: each card on demand and spot, two counts, three places."""
    rows: list[dict[str, str]] = []
    for label, usd in CARDS:
        for number in range(6):
            option = "spot" if number % 2 else "on_demand"
            amount = usd * (0.6 if number % 2 else 1) * rng.uniform(0.98, 1.02)
            rows.append(
                {
                    "sku": f"{label[7:11].strip()}-{number // 2}",
                    "gpu": label,
                    "count": rng.choice("128"),
                    "region": f"place-{number % 3}",
                    "option": option,
                    "vcpus": "16",
                    "amount": f"{amount:.3f}",
                    "unit": "gpu_hour",
                    "stock": "available",
                }
            )
    return rows


def moved(row: dict[str, str], factor: float) -> None:
    row["amount"] = f"{max(float(row['amount']) * factor, 0.01):.3f}"


def change(rows: list[dict[str, str]], rng: random.Random, what: str) -> None:
    """Let one thing happen to a list."""
    row = rng.choice(rows)
    if what == "drift":
        for each in rng.sample(rows, rng.randint(1, 4)):
            moved(each, rng.uniform(0.94, 1.06))
    elif what == "move":
        moved(row, rng.choice((0.6, 0.82, 0.88, 1.3, 1.5)))
    elif what == "slip":
        moved(row, rng.choice((0.1, 0.125, 2, 8, 10)))
    elif what == "stock":
        row["stock"] = rng.choice(list(Availability)).value
    elif what == "exchange":
        other = rng.choice(rows)
        row["amount"], other["amount"] = other["amount"], row["amount"]
    elif what == "all":
        factor = rng.choice((0.93, 1.08))
        for each in rows:
            moved(each, factor)
    elif what == "absence":
        for each in rng.sample(rows, rng.choice((1, 1, 2, 5))):
            each["gone"] = str(rng.randint(1, 3))
    elif what == "new":
        rows.append(row | {"sku": f"new-{rng.random():.4f}"})
    elif what == "shape":
        row["vcpus"] = rng.choice(("24", "32"))


CHANGES = ("drift",) * 8 + ("stock",) * 4 + ("none",) * 3 + ("absence", "move", "move", "shape", "new")
ODD = (*CHANGES, "exchange", "slip", "all")


def facts_of(name: str, rng: random.Random, at: datetime) -> list[tuple[str, dict[str, object]]]:
    if name == "rates":
        rate = {
            "currency": "EUR",
            "usd_per_unit": f"{rng.uniform(1.05, 1.12):.4f}",
            "rate_date": f"{at:%Y-%m-%d}",
        }
        return [("rate", rate)]
    if name == "runpod":
        return [
            (
                "storage",
                {
                    "provider": name,
                    "sku": "disk",
                    "kind": "block",
                    "amount_per_gb_month": rng.choice("11112"),
                },
            )
        ]
    if name == "vultr" and rng.random() < 0.3:
        figures = dict.fromkeys(("min", "p10", "p25", "median"), "0.5")
        sample = {
            "provider": name,
            "gpu_label": "L4",
            "gpu_count": "1",
            "region": "x",
            "purchase_option": "spot",
        }
        return [
            (
                "sample",
                sample | {"offers": 3} | {f"{key}_usd_per_gpu_hour": value for key, value in figures.items()},
            )
        ]
    return []


def write_archive(ledger: LedgerWriter, seed: int, runs: int, changes: tuple[str, ...]) -> None:
    rng = random.Random(seed)
    rows = {each.name: first_rows(rng) for each in SOURCES if each.name != "rates"}
    at, done = START, dict[str, datetime]()
    for number in range(runs):
        # in turn; the rates first, and once a day
        each = SOURCES[3] if number % 12 == 0 else SOURCES[number % 3]
        at += timedelta(minutes=rng.choice((0, 20, 20, 60, 600)), seconds=1)
        # a source's times only go forward
        at = max(at, done.get(each.name, at))
        # now and then the next run of another source has begun when this one ends
        observed_at = at + timedelta(seconds=rng.choice((2, 2, 2, 1500)))
        done[each.name] = observed_at + timedelta(seconds=1)
        listed = rows.get(each.name, [])
        if number > 4 and listed:
            change(listed, rng, rng.choice(changes))
        shown = [row for row in listed if int(row.get("gone", 0)) <= 0]
        for row in listed:
            row["gone"] = str(int(row.get("gone", 0)) - 1)
        failure = FetchFailure(kind="SourceError", message="no answer", url="u")
        put_run(
            ledger,
            each,
            at,
            observed_at,
            shown,
            skipped=["odd"] * rng.choice((0, 0, 2)),
            facts=facts_of(each.name, rng, at),
            is_broken=rng.random() < 0.04,
            failure=failure if rng.random() < 0.04 else None,
            is_complete=rng.random() > 0.08,
        )


def put_run(
    ledger: LedgerWriter,
    each: Source,
    at: datetime,
    observed_at: datetime,
    rows: list[dict[str, str]],
    *,
    skipped: Sequence[str] = (),
    facts: Sequence[object] = (),
    is_broken: bool = False,
    failure: FetchFailure | None = None,
    is_complete: bool = True,
) -> None:
    body = {
        "provider": each.provider,
        "currency": CURRENCIES.get(each.name, "USD"),
        "offers": [{key: value for key, value in row.items() if key != "gone"} for row in rows],
        "skipped": skipped,
        "facts": facts,
    }
    document = Document(
        source=each.name,
        request=each.requests[0],
        body=b"<html>" if is_broken else json.dumps(body).encode(),
        fetched_at=at + timedelta(seconds=1),
    )
    ledger.archive.write_manifest(
        Manifest(
            run_id=run_id(each.name, at),
            source=each.name,
            started_at=at,
            observed_at=observed_at,
            documents=(ledger.archive.put(document),),
            is_complete=is_complete,
            failure=failure,
        )
    )
