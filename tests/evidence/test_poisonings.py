"""No mistake of a provider becomes a believed price, or the cheapest of anything, within an interval of its source; and
no true change of a price waits for longer than two.

Which of them run by default is a sample over all sources and kinds; `make faults` runs all, and writes the numbers to
docs/reliability.md.
"""

import pytest

from tests.evidence.poisonings import POISONINGS
from tests.evidence.trial import moved, poisoned
from tests.evidence.true_moves import TRUE_MOVES

SAMPLE = {
    "runpod: 3 one price / 3",
    "lambda_cloud: 3 one price / 2.4",
    "coreweave: 3 one spot price / 4",
    "azure_retail: 5 all of them halved",
    "azure_retail: 6 30 % less in every run",
    "azure_retail: 7 one GPU's price for all GPUs of a machine",
    "runpod: 8 the prices of two products exchanged",
    "runpod: 9 in other case and with an invisible character",
    "azure_retail: 9 one more in another region",
    "coreweave: 9 twice the GPUs at the same price",
    "coreweave: 10 two regions exchanged",
    "aws_on_demand: 11 in Australian dollars",
    "azure_retail: 13 a third of the list gone",
    "vast: 28 the list once more in a new region, at 0.7",
    "tensordock: 28 the list once more under other skus, at 0.72",
    "verda: 29 each GPU's sibling on one label, at the old price",
    "runpod: 15 commitments by 1,000 hours",
    "coreweave: 3 the lowest spot price x 0.6",
    "vast: 7 one GPU's price for a spot machine of two",
    "runpod: 8 spot and list price of a machine exchanged",
    "lambda_cloud: 8 the cheapest machine under the dearest's label",
    "lambda_cloud: 9 one more in Cyrillic letters",
    "runpod: 9 all under new skus, 40 % cheaper",
    "lambda_cloud: 9 a commitment of a month at a third",
    "azure_retail: 10 regions rotated",
    "azure_retail: 13 the commitments of one term gone",
}
TRUE_SAMPLE = {
    "lambda_cloud: one product 0.5 cheaper",
    "aws_on_demand: a fifth from one day on",
    "verda: spot that halves within a day",
    "azure_retail: a new region",
    "vast: a new region at its own prices",
    "aws_on_demand: a new region at 1.2 of another's prices",
    "crusoe: a renamed plan",
    "vultr: leaves sgp",
}


OPEN: dict[str, str] = {}
"""Ways in that are known and not closed: each fails, and is told by name; one that no longer fails has to leave."""


def some(cases: dict[str, object], sample: set[str]) -> list[object]:
    def marks(name: str) -> list[pytest.MarkDecorator]:
        known = [pytest.mark.xfail(strict=True, reason=OPEN[name])] if name in OPEN else []
        return known if name in sample else [*known, pytest.mark.faults]

    return [pytest.param(case, id=name, marks=marks(name)) for name, case in cases.items()]


def test_there_are_enough_of_both():
    assert len(POISONINGS) >= 120
    assert len(TRUE_MOVES) >= 40
    assert {poisoning.kind for poisoning in POISONINGS.values()} >= {*range(1, 12), 13, 14, 15}
    assert set(POISONINGS) >= SAMPLE
    assert set(TRUE_MOVES) >= TRUE_SAMPLE


@pytest.mark.parametrize("poisoning", some(POISONINGS, SAMPLE))
@pytest.mark.recovery
def test_a_wrong_answer_changes_nothing_that_is_believed(stage, poisoning, record_property):
    harm = poisoned(stage, poisoning)
    assert not harm
    record_property("poisoning", (poisoning.kind, poisoning.source, harm.outcome, harm.disputed))


@pytest.mark.parametrize("move", some(TRUE_MOVES, TRUE_SAMPLE))
@pytest.mark.recovery
def test_a_true_change_is_believed_within_two_intervals(stage, move, record_property):
    acceptance = moved(stage, move)
    assert acceptance.missing == {}
    assert acceptance.outcomes == {"accepted"}
    record_property("true move", (move.source, acceptance.intervals, acceptance.disputed))
