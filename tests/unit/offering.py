"""Offers and quotes for tests of the cost engine: prices are passed in, or are those of the March 2026
list."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gpuledger.core.alias import seed_aliases
from gpuledger.core.cost.market.offers import ListMarket
from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.cost.quote_set import QuoteSet
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from gpuledger.core.store.offers import LatestOffer
from gpuledger.core.store.sql import FOLDER

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def offer(usd: str | None = "2.69", **terms: Any) -> LatestOffer:
    """An offer at so many US dollars per GPU-hour, fresh and in stock unless `terms` say otherwise."""
    count = Decimal(str(terms.get("gpu_count", 1)))
    per_gpu = None if usd is None else Decimal(usd)
    named = "-".join(
        str(terms.get(key, "")) for key in ("provider", "gpu_id", "region", "purchase_option", "sku")
    )
    known: dict[str, Any] = dict.fromkeys(LatestOffer.__slots__) | {
        "price_id": f"test:{named}-{usd}-{count}:1",
        "offer_id": f"{named}-{usd}-{count}",
        "source": "test",
        "source_kind": "live",
        "check_source": "test",
        "provider": "runpod",
        "sku": "sku",
        "instance_type": "machine",
        "region": "global",
        "gpu_label": "H100",
        "gpu_id": "h100-sxm-80gb",
        "purchase_option": "on_demand",
        "availability": "available",
        "is_unlisted": False,
        "currency": "USD",
        "unit": "gpu_hour",
        "valid_from": NOW - timedelta(days=14),
        "last_seen_at": NOW - timedelta(minutes=20),
        "fresh_until": NOW + timedelta(hours=2),
        "document_sha256": "ab" * 32,
        "source_url": "https://prices.example/list",
        "parser_version": 1,
    }
    money = {
        "amount": per_gpu or Decimal(1),
        "usd_per_gpu_hour": per_gpu,
        "usd_per_hour": None if per_gpu is None else per_gpu * count,
    }
    return LatestOffer(**(known | money | terms | {"gpu_count": count}))


def stale(found: LatestOffer) -> LatestOffer:
    """The same offer, last seen too long ago."""
    return replace(found, last_seen_at=NOW - timedelta(days=30), fresh_until=NOW - timedelta(days=29))


def quoted_plan(gpu: str = "h100-sxm-80gb", *, gpus: int = 1, **keys: Any) -> TrainingPlan:
    """A plan whose hours are given; `hours` are wall hours, `gpu_hours` GPU-hours, `costs` a table."""
    hardware: dict[str, Any] = {"gpu": gpu, "gpus": gpus}
    if "hours" in keys:
        hardware["wall_hours"] = keys.pop("hours")
    if "gpu_hours" in keys:
        hardware["gpu_hours"] = keys.pop("gpu_hours")
    return plan_from_mapping({"name": "quoted", "hardware": hardware, **keys})


def ask(
    plan: TrainingPlan, offers: Sequence[LatestOffer], *, around: SidePrices | None = None, **options: Any
) -> QuoteSet:
    """The ranking of those offers, at `NOW`."""
    question = Question.of(plan, QuoteOptions(**options), now=NOW)
    market = ListMarket(
        offers,
        question.offers,
        at=NOW,
        allow_stale=question.options.allow_stale,
        surroundings=around,
        snapshot=7,
    )
    return quote(question, market)


def usd_lines(answer: QuoteSet) -> dict[str, str | None]:
    """Lines of the best quote by name, the middle case, as they are printed."""
    return {line["name"]: line["usd"] for line in answer.quotes[0].to_dict()["lines"]}


def total(answer: QuoteSet) -> str:
    """Total of the best quote, the middle case, as it is printed."""
    return answer.quotes[0].to_dict()["usd_total"]["mid"]


def march_2026() -> list[LatestOffer]:
    """The price list of March 2026 that ships with the program, as offers."""
    aliases = seed_aliases()
    with (FOLDER / "seeds" / "bundled_price.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["observed_at"] == "2026-03-01"]
    assert len(rows) >= 15, "the March 2026 list is part of the bundled prices"
    return [_from_list(row, aliases.resolve(row["provider"], row["gpu_label"], _memory(row))) for row in rows]


def _memory(row: dict[str, str]) -> Decimal | None:
    return Decimal(row["gpu_memory_gib"]) if row["gpu_memory_gib"] else None


def _from_list(row: dict[str, str], gpu_id: str | None) -> LatestOffer:
    count = Decimal(row["gpu_count"])
    amount = Decimal(row["amount"])
    per_gpu = amount if row["unit"] == "gpu_hour" else amount / count
    return offer(
        str(per_gpu),
        provider=row["provider"],
        sku=row["sku"],
        instance_type=row["instance_type"],
        tier=row["tier"] or None,
        gpu_label=row["gpu_label"],
        gpu_id=gpu_id,
        gpu_count=count,
        purchase_option=row["purchase_option"],
        min_gpus=int(row["min_gpus"]) if row["min_gpus"] else None,
        max_gpus=int(row["max_gpus"]) if row["max_gpus"] else None,
    )
