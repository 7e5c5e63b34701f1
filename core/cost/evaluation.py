"""A purchase with its lines, and the order in which purchases are quoted."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from gpuledger.core.cost.amount import Amount
from gpuledger.core.cost.cost_lines import CostLine, Terms, list_total
from gpuledger.core.cost.purchase import Purchase


class Evaluation(NamedTuple):
    """A purchase with its lines and what they come to."""

    bought: Purchase
    lines: tuple[CostLine, ...]
    total: Amount
    terms: Terms
    misses_deadline: bool


RankKey = tuple[bool, int, Decimal, Decimal, Decimal, float, str, str, str]
"""Misses the deadline, state class, total; then list total, price per GPU-hour, the newest sight, and provider, region
and price for a stable order."""
Entry = tuple[RankKey, Evaluation]


def rank_key(state: int, job: Evaluation) -> RankKey:
    """The place of a purchase among all."""
    offer = job.bought.offer
    price = offer.usd_per_gpu_hour or Decimal(0)
    # what credits cover in full is ordered by what it would take of them
    usd, list_usd = job.total.mid, list_total(job.lines).mid
    newest = -offer.last_seen_at.timestamp()
    name = (offer.provider, offer.region, offer.price_id)
    return (job.misses_deadline, state, usd, list_usd, price, newest, *name)


def loose(key: RankKey) -> tuple[bool, int, float]:
    """What a lower bound is compared with."""
    return key[0], key[1], float(key[2])


def cost_order(job: Evaluation) -> tuple[bool, Decimal, Decimal]:
    """Of several numbers of one offer the least is quoted."""
    return job.misses_deadline, job.total.mid, list_total(job.lines).mid
