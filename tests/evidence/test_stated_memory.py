"""What an offer states beside its label and its price, and prices of hosts that another source tells."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from gpuledger.scrapers.registry import get
from tests.evidence.poisonings import at
from tests.evidence.stage import START, Change, Stage, named
from tests.evidence.truth import true_offers


def of_memory(which: Callable[[Decimal], bool], memory: Callable[[Decimal], Decimal | None]) -> Change:
    return lambda offers: [
        o.model_copy(update={"gpu_memory_gib": memory(o.gpu_memory_gib)})
        if o.gpu_memory_gib is not None and which(o.gpu_memory_gib)
        else o
        for o in offers
    ]


MISREAD: dict[str, Change] = {
    "40 as 80": of_memory(lambda m: 39 < m < 41, lambda m: Decimal(80)),
    "24 as 48": of_memory(lambda m: 23 < m < 25, lambda m: Decimal(48)),
    "80 as 40": of_memory(lambda m: 79 < m < 81, lambda m: Decimal(40)),
    "a tenth less": of_memory(lambda m: True, lambda m: m * Decimal("0.9")),
    "in MiB": of_memory(lambda m: True, lambda m: m * 1024),
    "not at all": of_memory(lambda m: True, lambda m: None),
}


def cards(stage: Stage, source: str) -> list[tuple[object, ...]]:
    return stage.rows(
        "select offer.offer_id, offer.gpu_id from offer inner join offer_current using (offer_no)"
        " where offer_current.source = $1 order by 1",
        [source],
    )


@pytest.mark.parametrize("what", MISREAD)
@pytest.mark.parametrize("source", ["vast", "gcp_page"])
@pytest.mark.recovery
def test_another_memory_at_the_same_label_makes_no_other_card_for_an_interval(stage, source, what):
    wrong = named(f"{source}: memory {what}", MISREAD[what])
    before, best = cards(stage, source), stage.cheapest()
    for number in range(2):
        report = stage.answers(source, wrong, at=START + get(source).every * number)
        assert (report.outcome, report.disputed > 0) == ("accepted", True)
        assert cards(stage, source) == before
        now = stage.cheapest()
        assert [key for key in now if key not in best or now[key][1] < best[key][1]] == []
    stage.answers(source, at=START + get(source).every * 2)
    assert (cards(stage, source), stage.disputes()) == (before, [])


@pytest.mark.recovery
def test_a_memory_that_stays_corrected_is_believed_within_two_intervals(stage):
    right = named("vast: memory corrected", MISREAD["40 as 80"])
    for number in range(3):
        stage.answers("vast", right, at=START + get("vast").every * number)
    assert "a100-pcie-80gb" in {gpu for _, gpu in cards(stage, "vast")}
    assert stage.disputes() == []


@pytest.mark.recovery
def test_what_hosts_ask_may_move_a_little_while_it_waits_whichever_source_tells(stage):
    source = "gpurentalprices_daily"
    target = next(o for o in true_offers(source) if o.provider == "tensordock")
    for number, factor in enumerate(("0.72", "0.735", "0.725")):
        cut = named(f"hosts: {factor}", at(lambda o: o.offer_id == target.offer_id, factor))
        stage.answers(source, cut, at=START + get(source).every * number)
    believed = stage.state(source)[target.offer_id][0]["amount"]
    assert believed == (target.price.amount * Decimal("0.725")).quantize(Decimal("0.000001"))
