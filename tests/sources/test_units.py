"""A price per GPU taken for that of an instance, or the reverse, never gets into the ledger.

Every answer is read rightly, then the prices of all its instances with several GPUs are multiplied or divided
by their count, as an adapter would that takes the unit for another. Some of them must be doubted at first sight, by the
bands or by sizes that cost the same, and all of them once a right run is known.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from gpuledger.core.money import Price
from gpuledger.core.offer import Offer
from gpuledger.core.store.batch import Batch
from gpuledger.scrapers.registry import SOURCES, get
from tests.sources.oracle import Subject, captured
from tests.sources.recorded import ANSWERS, RECORDED

SUBJECTS = {
    **{f"{source.name}/{name}": subject for source in SOURCES for name, subject in captured(source).items()},
    **({entry.path: Subject(get(entry.source), entry.document) for entry in ANSWERS} if RECORDED else {}),
}
TOO_LITTLE_TO_TELL = {
    "aws_on_demand/linux-od-2014.json": "one instance of two GPUs",
    "vultr/plans.json": "one instance of two GPUs",
    "verda/instance_types_excerpt.json": "one instance of two GPUs",
    "seeweb/plans.json": "one plan of two GPUs",
}
"""Answers whose only prices in question change by less than prices may."""

_RECORDED_ANSWERS = {entry.path for entry in ANSWERS}
EACH = [
    pytest.param(name, marks=pytest.mark.deep) if name in _RECORDED_ANSWERS else pytest.param(name)
    for name in SUBJECTS
]
"""Every capture; in `make deep` the recorded answers too."""

UNSEEN_AT_FIRST = {
    ("aws_spot/history-us-east-1.xml", "multiplied"): "one p5, whose spot price is an eighth of the dearest",
    ("oci_price_list/prices.json", "divided"): "one size of each GPU",
    ("oci_price_list/shapes.json", "divided"): "one size of each GPU",
}
"""Answers of which the first run ever could believe the wrong unit, and why."""

each = pytest.mark.parametrize("name", [one for one in EACH if one.values[0] not in TOO_LITTLE_TO_TELL])
either = pytest.mark.parametrize("how", ["multiplied", "divided"])


def misread(offer: Offer, how: str) -> Offer:
    """The offer as read by somebody who takes the unit for the other one."""
    if offer.gpu_count <= 1:
        return offer
    factor = offer.gpu_count if how == "multiplied" else 1 / offer.gpu_count
    price = Price(amount=offer.price.amount * factor, currency=offer.price.currency, unit=offer.price.unit)
    upfront = offer.upfront_amount and offer.upfront_amount * factor
    return offer.model_copy(update={"price": price, "upfront_amount": upfront})


def judged(subject: Subject, how: str, previous: dict[str, Decimal]) -> Batch:
    offers = [replace(entry, fact=misread(entry.fact, how)) for entry in subject.baseline.offers]
    return subject.judged(replace(subject.baseline, offers=offers), previous=previous)


def has_several(subject: Subject) -> bool:
    """Whether it sells an instance of several GPUs: of one GPU, both readings are the same."""
    return any(entry.fact.gpu_count > 1 for entry in subject.baseline.offers)


@pytest.mark.parametrize(
    "name",
    [
        "aws_on_demand/us-east-1.json",
        "azure_retail/machines.json",
        "coreweave/pricing.html",
        "vast/bundles.json",
    ],
)
def test_there_are_answers_with_instances_of_several_gpus(name: str):
    assert has_several(SUBJECTS[name])


@pytest.mark.parametrize("name", EACH)
def test_an_answer_read_rightly_keeps_its_contract(name: str):
    subject = SUBJECTS[name]
    batch = subject.judged(subject.baseline, previous={})
    assert batch.error is None
    assert len(batch.offers) == len(subject.baseline.offers)


@each
@either
def test_a_misread_unit_is_doubted_at_first_sight(name: str, how: str, record_property):
    subject = SUBJECTS[name]
    doubted = len(subject.baseline.offers) - len(judged(subject, how, {}).offers)
    if not has_several(subject):
        assert doubted == 0
        return
    record_property("units", (name, how, doubted))
    assert doubted or (name, how) in UNSEEN_AT_FIRST


@each
@either
def test_a_misread_unit_is_not_believed_after_a_right_run(name: str, how: str):
    subject = SUBJECTS[name]
    batch = judged(subject, how, subject.prices)
    right = {entry.fact.offer_id: entry.fact.price for entry in subject.baseline.offers}
    believed = [entry.fact for entry in batch.offers if entry.fact.price != right[entry.fact.offer_id]]
    assert believed == []
