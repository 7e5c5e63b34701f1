"""Every recorded answer of the wild through its adapter: nothing lost, nothing unmapped, no unit wrong.

The table that this prints has for each file its rows, the offers and other facts that they gave, and the rows
left out by reason.
"""

from collections import Counter
from decimal import Decimal

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.errors import ParseError
from gpuledger.core.gpu import gpus
from gpuledger.core.offer import MarketSample, Offer, PurchaseOption, Skipped
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.registry import get
from tests.sources.oracle import Subject
from tests.sources.recorded import ANSWERS, FOLDER, NOT_ANSWERS, RECORDED, REFUSED, Recorded
from tools.captures import skipped_by_reason

pytestmark = pytest.mark.skipif(RECORDED is None, reason="GPULEDGER_RECORDED is not set")

each = pytest.mark.parametrize("recorded", ANSWERS, ids=lambda recorded: recorded.path)

UNMAPPED = {
    "lambda_cloud": "the catalogue has its own names of GPUs, not Lambda's",
}


def facts_of(recorded: Recorded):
    return list(get(recorded.source).parse(recorded.document))


def offers_of(recorded: Recorded) -> list[Offer]:
    return [fact for fact in facts_of(recorded) if isinstance(fact, Offer)]


def test_every_file_is_read_or_known_not_to_be_an_answer():
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    answers = {path for path in found if not path.endswith("README.md")}
    assert answers
    assert answers == {recorded.path for recorded in ANSWERS} | set(NOT_ANSWERS)


@each
def test_every_row_is_a_fact_or_left_out_with_a_reason(recorded: Recorded, record_property):
    facts = facts_of(recorded)
    skipped = skipped_by_reason(facts)
    offers = sum(isinstance(fact, Offer) for fact in facts)
    others = len(facts) - offers - sum(skipped.values())
    record_property("recorded", (recorded.path, recorded.rows, offers, others, skipped))
    assert facts
    from_rows = [fact for fact in facts if not isinstance(fact, MarketSample)]
    assert len(from_rows) >= recorded.rows or recorded.source in SUMMED
    assert all(fact.row not in (None, "", {}) for fact in facts if isinstance(fact, Skipped))


SUMMED = {"gcp_catalog"}
"""Several rows make one offer there; the rows that make none are told."""


@each
def test_every_label_is_mapped_to_a_gpu_that_we_know(recorded: Recorded):
    labels = {
        offer.gpu_label: seed_aliases().resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib)
        for offer in offers_of(recorded)
    }
    assert recorded.source in UNMAPPED or set(labels.values()) <= set(gpus())


@each
def test_identities_are_unique(recorded: Recorded):
    counts = Counter(offer.offer_id for offer in offers_of(recorded))
    assert [key for key, count in counts.items() if count > 1] == []


@each
def test_the_batch_keeps_its_contract(recorded: Recorded):
    subject = Subject(get(recorded.source), recorded.document)
    assert subject.judged(subject.baseline, previous={}).error is None


@pytest.mark.parametrize("recorded", REFUSED, ids=lambda recorded: recorded.path)
def test_what_is_no_answer_is_refused(recorded: Recorded):
    with pytest.raises(ParseError):
        facts_of(recorded)


ND96 = ("azure/retail_prices_eastus_nd_2026-07-27.json", "Standard_ND96isr_H100_v5", "eastus", 8)


@pytest.mark.parametrize(
    ("path", "sku", "region", "gpu_count", "option", "term_months", "usd"),
    [
        (*ND96, "on_demand", None, "98.32"),
        (*ND96, "reserved", 12, "62.92"),
        (
            "aws/ec2_ondemand_manifest_us-east-1_2026-10-06.json",
            "p5.4xlarge",
            "us-east-1",
            1,
            "on_demand",
            None,
            "6.88",
        ),
    ],
)
def test_the_price_of_an_instance_is_the_published_one(
    path: str, sku: str, region: str, gpu_count: int, option: str, term_months: int | None, usd: str
):
    (recorded,) = [recorded for recorded in ANSWERS if recorded.path == path]
    (found,) = [
        usd_per_hour(offer)
        for offer in offers_of(recorded)
        if (offer.sku, offer.region, offer.gpu_count, offer.payment) == (sku, region, gpu_count, None)
        and (offer.purchase_option, offer.term_months) == (PurchaseOption(option), term_months)
    ]
    assert found.quantize(Decimal("0.01")) == Decimal(usd)
