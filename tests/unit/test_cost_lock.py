"""Lock files and the chain of a receipt."""

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest

from gpuledger.core.cost.explain import explanation
from gpuledger.core.cost.lock import lock_of, read_lock, written_lock
from gpuledger.core.cost.market.offers import ListMarket
from gpuledger.core.cost.market.own_terms import read_overrides
from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.errors import CorruptError, UsageError
from tests.unit.offering import NOW, ask, offer, quoted_plan, stale

D = Decimal
AROUND = SidePrices(
    storage=[
        {
            "provider": "runpod",
            "region": "global",
            "kind": "object",
            "from_gb": D(0),
            "usd_per_gb_month": D("0.07"),
            "observed_at": NOW,
        },
        {
            "provider": "aws",
            "region": "global",
            "kind": "object",
            "from_gb": D(0),
            "usd_per_gb_month": D("0.02"),
            "observed_at": NOW,
        },
    ],
    bands=[
        {
            "provider": "runpod",
            "instance_type": "machine",
            "region": "global",
            "low": 0.05,
            "high": 0.1,
            "observed_at": NOW,
        }
    ],
)
OFFERS = [offer("2.69"), offer("1.50", purchase_option="spot"), stale(offer("1.00")), offer(None)]
PLAN = quoted_plan(hours=100, costs={"dataset_gb": 500})
OWN = read_overrides('[[discount]]\nprovider = "runpod"\npercent = 10\n', "test")


def locked(options=None) -> str:
    question = Question.of(PLAN, options or QuoteOptions(overrides=OWN), now=NOW)
    market = ListMarket(OFFERS, question.offers, at=NOW, surroundings=AROUND, snapshot=7)
    return written_lock(lock_of(question, quote(question, market), AROUND))


def answer_from(text: str) -> dict:
    lock = read_lock(text, "test.lock")
    question = lock.question(PLAN, QuoteOptions())
    return quote(question, lock.market(question)).to_dict()


def test_the_same_plan_and_lock_give_the_same_answer():
    first = ask(PLAN, OFFERS, around=AROUND, overrides=OWN).to_dict()
    assert answer_from(locked()) == first


def test_a_lock_reads_back_as_it_was_written():
    text = locked()
    lock = read_lock(text, "test.lock")
    assert written_lock(lock) == text
    assert {o.price_id for o in lock.offers} == {o.price_id for o in OFFERS if o.usd_per_hour is not None}
    assert [row["provider"] for row in lock.surroundings["storage"]] == ["runpod"]
    assert not lock.has_other_constants()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1}', "not json"])
def test_what_is_no_lock_is_refused_by_name(text):
    with pytest.raises(UsageError, match=r"prices\.lock"):
        read_lock(text, "prices.lock")


BODY = b"the page as it was fetched"


def kept() -> dict:
    bought = offer("2.69", document_sha256=hashlib.sha256(BODY).hexdigest())
    return {"plan": "quoted", **ask(quoted_plan(hours=2), [bought]).quotes[0].to_dict()}


def body(sha256: str) -> bytes:
    if sha256 != hashlib.sha256(BODY).hexdigest():
        raise CorruptError(f"the archive lacks {sha256}")
    return BODY


def row(amount: str) -> dict:
    return {
        "amount": D(amount),
        "run_id": "20260301T000000Z-test",
        "parser_version": 1,
        "changed_at": NOW - timedelta(days=14),
    }


def test_the_chain_leads_from_dollars_to_verified_bytes():
    chain = {link["link"]: link for link in explanation(kept(), body, lambda *key: row("2.69"))["chain"]}
    assert list(chain) == ["dollars", "price", "observation", "document", "constants"]
    assert chain["dollars"]["what"] == "5.38 gpu_time = 5.38"
    assert chain["observation"]["state"] == "the ledger says the same"
    assert chain["document"]["state"] == f"{len(BODY)} bytes in the archive, hash verified"
    assert chain["constants"]["state"] == "the same now"


def test_the_chain_says_where_it_breaks():
    without = explanation(
        kept() | {"receipt": kept()["receipt"] | {"document_sha256": "ef" * 32}}, body, lambda *key: None
    )
    states = {link["link"]: link["state"] for link in without["chain"]}
    assert states["observation"] == "not in this ledger"
    assert states["document"].startswith("the archive lacks efef")
    changed = explanation(kept(), body, lambda *key: row("9.99"))
    assert {link["link"]: link["state"] for link in changed["chain"]}[
        "observation"
    ] == "the ledger now says 9.99"


def test_the_ledger_is_asked_for_the_price_of_the_receipt():
    asked = []
    explanation(kept(), body, lambda *key: asked.append(key))
    assert asked == [("test", offer("2.69").offer_id, 1)]
