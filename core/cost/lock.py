"""Prices written down as a dependency lock does: the same plan and lock give identical bytes anywhere,
later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from gpuledger.core.cost.market.offers import ListMarket
from gpuledger.core.cost.market.own_terms import read_overrides
from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote_set import QuoteSet
from gpuledger.core.count import instant_text
from gpuledger.core.errors import UsageError
from gpuledger.core.estimate.measurements import Measurement
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.seeds import constants_version
from gpuledger.core.store.offers import LatestOffer

VERSION = 1
SURROUNDINGS = ("storage", "transfer", "bands", "losses")


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Every price of one answer, and the times that it was given for."""

    as_of: datetime | None
    now: datetime
    snapshot: int
    constants_version: str
    offers: tuple[LatestOffer, ...]
    surroundings: Mapping[str, list[dict[str, Any]]]
    excluded: Mapping[str, int]
    overrides: str
    """Text of the user's own terms, which are prices too."""
    measurements: tuple[Measurement, ...]
    plan: Mapping[str, Any] | None = None
    """Keys of the plan that it was written of; locks of before have none."""

    def question(self, plan: TrainingPlan, options: QuoteOptions) -> Question:
        """The question at the times, and under the terms and measurements, of the lock."""
        own = read_overrides(self.overrides, "overrides of the lock")
        same = replace(options, overrides=own, measurements=self.measurements)
        return Question.of(plan, same, as_of=self.as_of, now=self.now)

    def market(self, question: Question) -> ListMarket:
        """The market that holds these prices and no other."""
        return ListMarket(
            self.offers,
            question.offers,
            at=question.moment,
            allow_stale=question.options.allow_stale,
            surroundings=SidePrices(**self.surroundings),
            snapshot=self.snapshot,
            excluded=self.excluded,
        )

    def has_other_constants(self) -> bool:
        """Whether this release would compute other hours than the one that wrote the lock."""
        return self.constants_version != constants_version()


def lock_of(question: Question, answer: QuoteSet, surroundings: SidePrices) -> Lock:
    """The lock of an answer: its offers, what was left out and why, and the prices around them."""
    quotes = list(answer.quotes)
    if answer.cheapest_per_gpu_hour is not None:
        quotes.append(answer.cheapest_per_gpu_hour)
    if answer.cheaper_but_older is not None:
        quotes.append(answer.cheaper_but_older)
    offers = {
        q.purchase.offer.price_id: q.purchase.offer for q in quotes if q.receipt.offer.source != "overrides"
    }
    places = {(o.provider, o.region, o.instance_type) for o in offers.values()}
    return Lock(
        as_of=question.as_of,
        now=question.now,
        snapshot=answer.snapshot,
        constants_version=constants_version(),
        offers=tuple(offers[price_id] for price_id in sorted(offers)),
        surroundings=surroundings.rows_for(places),
        excluded=answer.excluded,
        overrides=question.options.overrides.text,
        measurements=question.options.measurements,
        plan=question.plan.model_dump(mode="json", exclude_unset=True),
    )


def written_lock(lock: Lock) -> str:
    """The lock as JSON, one offer per line, so that two locks can be compared by eye."""
    head = {
        "version": VERSION,
        "as_of": instant_text(lock.as_of),
        "now": instant_text(lock.now),
        "snapshot": lock.snapshot,
        "constants_version": lock.constants_version,
        "excluded": dict(lock.excluded),
        "overrides": lock.overrides,
        "measurements": [asdict(measurement) for measurement in lock.measurements],
        "plan": lock.plan,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    for name in SURROUNDINGS:
        rows = ",\n  ".join(
            json.dumps(_plain(row), sort_keys=True) for row in lock.surroundings.get(name, [])
        )
        lines.append(f' "{name}": [\n  {rows}\n ],' if rows else f' "{name}": [],')
    offers = ",\n  ".join(json.dumps(_plain(_fields(offer)), sort_keys=True) for offer in lock.offers)
    return "{\n" + "\n".join(lines) + f'\n "offers": [\n  {offers}\n ]\n}}\n'


def read_lock(text: str, origin: str) -> Lock:
    """The lock that `text` holds.

    Raises:
        UsageError: it is not a lock, or one of another version.
    """
    try:
        content = json.loads(text)
        if content["version"] != VERSION:
            raise UsageError(
                f"{origin}: a lock of version {content['version']!r}, this release reads {VERSION}"
            )
        types = get_type_hints(LatestOffer)
        return Lock(
            as_of=None if content["as_of"] is None else datetime.fromisoformat(content["as_of"]),
            now=datetime.fromisoformat(content["now"]),
            snapshot=int(content["snapshot"]),
            constants_version=str(content["constants_version"]),
            offers=tuple(
                LatestOffer(**{name: _typed(value, types[name]) for name, value in row.items()})
                for row in content["offers"]
            ),
            surroundings={name: [_row(row) for row in content[name]] for name in SURROUNDINGS},
            overrides=str(content["overrides"]),
            measurements=tuple(Measurement(**row) for row in content["measurements"]),
            plan=content.get("plan"),
            excluded={str(reason): int(count) for reason, count in content["excluded"].items()},
        )
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{origin}: no lock file, as it is not JSON: {error}; `quote --lock FILE` writes one"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)[:120]
        raise UsageError(
            f"{origin}: no lock file, or one that was changed: {what}; `quote --lock FILE` writes one"
        ) from error


def _fields(offer: LatestOffer) -> dict[str, Any]:
    return {name: getattr(offer, name) for name in offer.__slots__}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Decimals as strings with all their places, instants as ISO 8601."""
    return {
        key: str(value)
        if isinstance(value, Decimal)
        else instant_text(value)
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }


def _typed(value: Any, hint: Any) -> Any:
    if value is None:
        return None
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if Decimal in kinds:
        return Decimal(value)
    if datetime in kinds:
        return datetime.fromisoformat(value)
    return value


DECIMAL_KEYS = ("from_gb", "usd_per_gb_month", "usd_per_gb")


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: Decimal(value) if key in DECIMAL_KEYS else value for key, value in row.items()}
