"""Where the dollars of a quote come from: the observation, its bytes, the constants and the user's own
terms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpuledger.core.cost.cost_lines import CostLine
from gpuledger.core.cost.purchase import Purchase
from gpuledger.core.count import decimal_text, instant_text
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.seeds import constants_version
from gpuledger.core.store.offers import LatestOffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The chain from a quote's dollars to stored bytes."""

    offer: LatestOffer
    overrides: tuple[str, ...]
    snapshot: int
    constants_version: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `observed_at` is when the price was last seen, `valid_from` when it was first seen."""
        offer = self.offer
        return {
            "price_id": offer.price_id,
            "offer_id": offer.offer_id,
            "source": offer.source,
            "observed_at": instant_text(offer.last_seen_at),
            "valid_from": instant_text(offer.valid_from),
            "source_url": offer.source_url,
            "document_sha256": offer.document_sha256,
            "parser_version": offer.parser_version,
            "amount": decimal_text(offer.amount),
            "currency": offer.currency,
            "unit": offer.unit,
            "usd_per_hour": decimal_text(offer.usd_per_hour),
            "overrides": list(self.overrides),
            "snapshot": self.snapshot,
            "constants_version": self.constants_version,
        }


def receipt(bought: Purchase, overrides: Sequence[str], snapshot: int) -> Receipt:
    """The receipt of one purchase."""
    return Receipt(
        offer=bought.offer,
        overrides=tuple(overrides),
        snapshot=snapshot,
        constants_version=constants_version(),
    )


def plan_fingerprint(plan: TrainingPlan) -> str:
    """The plan's keys as given, in one canonical text."""
    return _canonical(plan.model_dump(mode="json", exclude_none=True))


def quote_id(fingerprint: str, bought: Purchase, lines: Sequence[CostLine], overrides: Sequence[str]) -> str:
    """16 hex digits over plan, price, machines, constants, own terms and every line. The snapshot's
    number, the time and the age of the price are no part of it: the same dollars have the same id
    tomorrow."""
    content = _canonical(
        {
            "plan": fingerprint,
            "price": [bought.offer.price_id, decimal_text(bought.offer.usd_per_hour)],
            "machines": [bought.option.instance_gpus, bought.option.instances],
            "constants": constants_version(),
            "overrides": list(overrides),
            "lines": [[line.name, None if line.usd is None else line.usd.to_dict()] for line in lines],
        }
    )
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
