"""One poisoning or one true move on a ledger of its own, and what became of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from gpuledger.core.offer import Offer
from gpuledger.scrapers.registry import get
from tests.evidence.poisonings import Poisoning
from tests.evidence.stage import CHANGES, START, Stage
from tests.evidence.true_moves import TrueMove
from tests.evidence.truth import true_offers

ABSENT_AT_FIRST = 2
"""The kind that leaves offers out, as any provider may: they are withdrawn, and only what comes back is wrong."""


@dataclass
class Harm:
    """What a poisoning did that it must not do."""

    believed: list[str] = field(default_factory=list)
    cheapest: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """True prices that are no longer listed."""
    disputed: int = 0
    outcome: str = ""

    def __bool__(self) -> bool:
        return bool(self.believed or self.cheapest or self.lost)


def poisoned(stage: Stage, poisoning: Poisoning) -> Harm:
    """Every answer once, and the last one again an interval later; the harm of the first run that does any."""
    true, best = stage.state(poisoning.source), stage.cheapest()
    every = get(poisoning.source).every
    harm = Harm()
    for number, answer in enumerate((*poisoning.answers, poisoning.answers[-1])):
        run = stage.answers(poisoning.source, answer, at=START + every * number)
        harm.disputed, harm.outcome = max(harm.disputed, run.disputed), run.outcome
        now, cheapest = stage.state(poisoning.source), stage.cheapest()
        harm.believed = [f"{o}: {usd}" for o, (usd, _) in now.items() if o not in true or true[o][0] != usd]
        harm.cheapest = [
            str(key) for key, (_, usd) in cheapest.items() if key not in best or usd < best[key][1]
        ]
        if poisoning.kind != ABSENT_AT_FIRST:
            harm.lost = [o for o in true if o not in now or not now[o][1]]
        if harm:
            break
    return harm


@dataclass
class Acceptance:
    """How a true move was taken."""

    disputed: int = 0
    intervals: int = 0
    """After so many intervals all of it was believed."""
    missing: dict[str, tuple[Decimal | None, Decimal | None]] = field(default_factory=dict)
    """By offer, what is believed and what is true."""
    outcomes: set[str] = field(default_factory=set)


def moved(stage: Stage, move: TrueMove) -> Acceptance:
    """Every answer once, then the last one for two more intervals, or until all is believed."""
    every = get(move.source).every
    found = Acceptance()
    truth = CHANGES[move.answers[-1]](true_offers(move.source))
    for number, answer in enumerate((*move.answers, move.answers[-1], move.answers[-1])):
        # a schedule is some seconds early or late
        at = START + every * number - timedelta(seconds=20 * (number % 2))
        run = stage.answers(move.source, answer, at=at)
        found.outcomes.add(run.outcome)
        found.disputed = max(found.disputed, run.disputed)
        if number < len(move.answers) - 1:
            continue
        found.intervals = number - len(move.answers) + 1
        found.missing = differences(stage, move.source, truth)
        if not found.missing:
            break
    return found


def differences(
    stage: Stage, source: str, truth: list[Offer]
) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """What is believed beside what is true, where they differ; an unlisted offer is believed to be gone."""
    rows = stage.rows(
        "select offer_id, amount, is_unlisted from offers_as_of(null::timestamptz) where source = $1",
        [source],
    )
    believed = {offer_id: amount for offer_id, amount, is_unlisted in rows if not is_unlisted}
    true = {offer.offer_id: offer.price.amount for offer in truth}
    both = {name: (believed.get(name), true.get(name)) for name in {*believed, *true}}
    return {
        name: (one, other)
        for name, (one, other) in both.items()
        if one is None or other is None or abs(one - other) > Decimal("0.000001")
    }
