"""`latest.json`: the cheapest of each accelerator, small enough to be read before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpuledger.core.cheapest import cheapest_by_provider
from gpuledger.core.store.offers import LatestOffer, OfferQuery, offers
from gpuledger.questions.choice import offer_row

if TYPE_CHECKING:
    from gpuledger.ledger import Ledger

OPTIONS = ("on_demand", "spot", "reserved")
RANKS = 3
"""Providers that are named of each accelerator and purchase option."""

_KEYS = (
    *(
        "provider",
        "via",
        "instance_type",
        "region",
        "country",
        "tier",
        "gpu_count",
        "usd_per_hour",
        "usd_per_gpu_hour",
    ),
    *("currency", "price_state", "last_seen_at", "source", "offer_id", "term_months"),
)

_OVERVIEW = (
    *("gpu_id", "name", "memory_gib", "price_state", "providers", "offers"),
    *("usd_per_gpu_hour_on_demand", "provider_on_demand", "median_usd_per_gpu_hour_on_demand"),
    *("usd_per_gpu_hour_spot", "provider_spot", "spot_saving", "usd_per_gpu_hour_reserved"),
    *("index_change_of_30_days", "usd_per_peak_petaflop_hour", "usd_per_gib_hour"),
    "median_usd_per_gpu_hour_of_52_weeks",
)


def latest(ledger: Ledger, *, snapshot: int, published_at: str) -> dict[str, Any]:
    """The content, the same answers as `gpuledger cheapest` and `gpuledger overview` give at that time.

    Args:
        ledger: pinned to the snapshot, with its time as the clock.
    """
    rows: list[dict[str, Any]] = []
    on_sale = [gpu for gpu in ledger.gpus() if gpu["offers"]]
    gpu_ids = [gpu["gpu_id"] for gpu in on_sale]
    cheapest = {option: _cheapest_of_each(ledger, gpu_ids, option) for option in OPTIONS}
    for gpu in on_sale:
        offers_by_option = {
            option: by_gpu[gpu["gpu_id"]] for option, by_gpu in cheapest.items() if gpu["gpu_id"] in by_gpu
        }
        if offers_by_option:
            names = ("gpu_id", "name", "vendor", "memory_gib", "offers", "providers")
            rows.append({name: gpu[name] for name in names} | {"cheapest": offers_by_option})
    rows.sort(key=lambda row: (-row["providers"], row["gpu_id"]))
    overview = [{key: row[key] for key in _OVERVIEW} for row in ledger.overview()]
    return {"snapshot": snapshot, "published_at": published_at, "gpus": rows, "overview": overview}


def _cheapest_of_each(ledger: Ledger, gpu_ids: Sequence[str], option: str) -> dict[str, list[dict[str, Any]]]:
    """What `Ledger.cheapest` answers for each accelerator, from one reading of the offers: one question for each takes
    most of the time of a release. An accelerator without an offer is left out."""
    # as a SPEC without a count: parts of a card are none of its offers
    query = OfferQuery(gpu_ids=gpu_ids, purchase_options=(option,), min_gpu_count=1)
    _, moment = ledger.past(None)
    with ledger.reading() as snapshot:
        on_sale = offers(snapshot.connection, query, at=moment)
    by_gpu: dict[str, list[LatestOffer]] = {}
    for offer in on_sale:
        by_gpu.setdefault(offer.gpu_id or "", []).append(offer)
    rankings = {gpu_id: cheapest_by_provider(rows, at=moment).ranking for gpu_id, rows in by_gpu.items()}
    return {
        gpu_id: [_shown(offer_row(ranked.offer, moment, query.min_gpu_count)) for ranked in ranking[:RANKS]]
        for gpu_id, ranking in rankings.items()
        if ranking
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _KEYS if row[key] is not None}
