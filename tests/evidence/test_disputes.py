"""What becomes of a price that the ledger can contradict: it waits, is confirmed, decided or claimed no more."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from gpuledger.core.errors import UsageError
from gpuledger.core.store.database import Home
from gpuledger.flows.decide import decide
from gpuledger.flows.replay import replay
from tests.evidence.poisonings import at
from tests.evidence.stage import START, Stage, ledger_in, named, stage_in
from tests.evidence.truth import dearest, per_gpu, true_offers

TARGET = dearest(true_offers("runpod"))
TRUE = per_gpu(TARGET)
THIRD = named("disputes: a third", at(lambda o: o.offer_id == TARGET.offer_id, Decimal(1) / 3))
QUARTER = named("disputes: a quarter", at(lambda o: o.offer_id == TARGET.offer_id, Decimal("0.25")))
GONE = named("disputes: gone", lambda offers: [o for o in offers if o.offer_id != TARGET.offer_id])
CLAIMED = (TRUE / 3).quantize(Decimal("0.000001"))


@pytest.fixture
def book(tmp_path) -> Iterator[Stage]:
    """A ledger that knows RunPod alone, which publishes by the hour."""
    with stage_in(tmp_path / "home") as stage:
        stage.answers("runpod", at=START - timedelta(hours=1))
        yield stage


def hours(number: float) -> object:
    return START + timedelta(hours=number)


def believed(book: Stage) -> tuple[Decimal, bool] | None:
    return book.believed("runpod").get(TARGET.offer_id)


def states(book: Stage) -> list[str]:
    return [row[0] for row in book.rows("select state from disputed_price order by observed_at, run_no")]


def test_the_believed_price_stays_listed_with_its_age_and_the_claim_is_shown_beside_it(book):
    book.answers("runpod", THIRD, at=hours(0))
    assert believed(book) == (TRUE, True)
    shown = book.rows(
        "select last_seen_at, is_disputed, disputed_usd_per_gpu_hour, dispute from offers_as_of(null::timestamptz)"
        " where offer_id = $1",
        [TARGET.offer_id],
    )
    ((seen_at, is_disputed, claimed, dispute),) = shown
    assert (seen_at, is_disputed, claimed) == (hours(-1), True, CLAIMED)
    assert (
        f"{float(CLAIMED):.4g} USD per GPU-hour where {float(TRUE):.4g} USD per GPU-hour stood (-67%)"
        in dispute
    )


def test_two_runs_within_seconds_confirm_nothing(book):
    for seconds in range(0, 50, 5):
        book.answers("runpod", THIRD, at=START + timedelta(seconds=seconds))
    assert believed(book) == (TRUE, True)
    assert states(book) == ["disputed"]


def test_the_same_value_over_two_intervals_holds_from_when_it_was_first_seen(book):
    for hour in range(3):
        assert believed(book) == (TRUE, True)
        book.answers("runpod", THIRD, at=hours(hour))
    assert believed(book) == (CLAIMED, True)
    assert states(book) == ["disputed", "confirmed"]
    history = book.rows(
        "select usd_per_gpu_hour, valid_from from price_history where offer_id = $1 order by 2",
        [TARGET.offer_id],
    )
    assert history == [(TRUE, hours(-1)), (CLAIMED, hours(0))]


def test_an_absence_neither_resets_a_dispute_nor_confirms_it(book):
    book.answers("runpod", THIRD, at=hours(0))
    book.answers("runpod", GONE, at=hours(1))
    assert believed(book) == (TRUE, True)
    book.answers("runpod", THIRD, at=hours(2))
    assert believed(book) == (CLAIMED, True)
    assert states(book) == ["disputed", "confirmed"]


def test_an_offer_that_was_withdrawn_is_compared_with_what_it_cost_before(book):
    for hour in range(2):
        book.answers("runpod", GONE, at=hours(hour))
    assert believed(book) is None
    report = book.answers("runpod", THIRD, at=hours(2))
    assert (believed(book), report.disputed) == (None, 1)
    book.answers("runpod", at=hours(3))
    assert believed(book) == (TRUE, True)


def test_another_value_begins_a_new_dispute(book):
    book.answers("runpod", THIRD, at=hours(0))
    book.answers("runpod", QUARTER, at=hours(1))
    book.answers("runpod", THIRD, at=hours(2))
    assert believed(book) == (TRUE, True)
    assert states(book) == ["disputed", "disputed", "disputed"]


def test_a_claim_that_is_taken_back_lapses(book):
    book.answers("runpod", THIRD, at=hours(0))
    book.answers("runpod", at=hours(1))
    assert believed(book) == (TRUE, True)
    assert (states(book), book.disputes()) == (["disputed", "lapsed"], [])


def test_a_rename_is_shown_and_believed(book):
    renamed = named(
        "disputes: renamed",
        lambda offers: [
            o.model_copy(update={"sku": "renamed"}) if o.offer_id == TARGET.offer_id else o for o in offers
        ],
    )
    report = book.answers("runpod", renamed, at=hours(0))
    assert report.disputed == 0
    assert [note for note in report.notes if "a rename" in note]


def test_a_missing_target_and_an_empty_reason_are_refused(book):
    ledger = ledger_in(book.home, lambda: hours(0))
    with pytest.raises(UsageError, match="--reason"):
        decide(ledger, "accept", "runpod", reason=" ", decided_by="operator")


@pytest.fixture
def home(either_home: Home) -> Home:
    return either_home


@pytest.mark.recovery
def test_decisions_are_archived_replayed_and_lapse_with_the_next_change(home):
    now = hours(-1)
    with stage_in(home) as stage:
        stage.answers("runpod", at=now)
        stage.answers("runpod", THIRD, at=hours(0))
    ledger = ledger_in(home, lambda: hours(0.5))
    with pytest.raises(UsageError, match="nothing of 'lambda_cloud' is disputed"):
        decide(ledger, "accept", "lambda_cloud", reason="why not", decided_by="operator")
    decide(ledger, "reject", "runpod", reason="their page shows the old price", decided_by="operator")
    with stage_in(home) as stage:
        for hour in (1, 2, 3, 4):
            stage.answers("runpod", THIRD, at=hours(hour))
        assert believed(stage) == (TRUE, True), "a rejected claim is not confirmed by time"
        stage.answers("runpod", QUARTER, at=hours(5))
        assert stage.disputes()[0]["state"] == "disputed", "a rejection lapses with the next claim"
    accepted = decide(
        ledger_in(home, lambda: hours(5.5)),
        "accept",
        TARGET.offer_id[:8],
        reason="announced",
        decided_by="operator",
    )
    assert len(accepted.disputes) == 1
    with stage_in(home) as stage:
        assert believed(stage) == ((TRUE / 4).quantize(Decimal("0.000001")), True)
        assert stage.disputes() == []
        last = stage.rows(
            "select state, decided_by, decision_reason, observed_at from disputed_price order by observed_at, run_no"
        )[-1]
        assert last == ("accepted", "operator", "announced", hours(5.5))
        receipt = stage.rows(
            "select price_change.observed_at, document.url from price_change inner join document using (document_no)"
            " order by price_change.observed_at desc limit 1"
        )
        assert receipt[0][0] == hours(5)
        assert receipt[0][1].startswith("https://"), "the receipt leads to the answer, not to the decision"
        before = everything(stage)
    report = replay(ledger_in(home, lambda: hours(6)))
    assert (report.added, report.removed) == (0, 0)
    with stage_in(home) as stage:
        assert everything(stage) == before


def everything(stage: Stage) -> list[list[tuple]]:
    return [
        stage.rows(
            "select * exclude (run_no) from disputed_price order by observed_at, source, offer_id, state"
        ),
        stage.rows(
            "select * exclude (run_no, document_no) from price_history order by source, offer_id, valid_from"
        ),
        stage.rows("select run_id, outcome, disputed_count, change_count from scrape_run order by run_id"),
    ]


def test_a_move_of_another_way_to_buy_is_told_by_the_factor_of_the_answer(book):
    """Two spot prices that move otherwise have no factor of their own."""
    spot = [offer.offer_id for offer in true_offers("runpod") if offer.purchase_option == "spot"]
    assert len(spot) > 1

    def slipped(offers):
        offers = at(lambda o: o.purchase_option != "spot", Decimal("0.1"))(offers)
        offers = at(lambda o: o.offer_id == spot[0], Decimal("1.5"))(offers)
        return at(lambda o: o.offer_id == spot[1], Decimal("0.6"))(offers)

    book.answers("runpod", named("disputes: one factor, and two others", slipped), at=hours(0))
    evidence = dict(book.rows("select offer_id, evidence from disputed_price"))
    assert {spot[0], spot[1], TARGET.offer_id} <= evidence.keys()
    assert all("moved by one factor, 0.1" in text for text in evidence.values())
