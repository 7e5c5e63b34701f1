"""Identity of an offer: every stable term, and nothing that changes from day to day."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import (
    Availability,
    Offer,
    OfferKey,
    PurchaseOption,
    Skipped,
    TransferPrice,
    observed_at,
)

TERMS: dict[str, Any] = {
    "provider": "aws",
    "via": "shadeform",
    "sku": "p5.48xlarge",
    "region": "us-east-1",
    "zone": "us-east-1a",
    "tier": "secure",
    "gpu_label": "NVIDIA H100",
    "gpu_count": Decimal(8),
    "purchase_option": PurchaseOption.RESERVED,
    "term_months": Decimal(12),
    "payment": "no_upfront",
    "operating_system": "linux",
}
OTHER: dict[str, Any] = {
    "provider": "gcp",
    "via": None,
    "sku": "p5e.48xlarge",
    "region": "us-east-2",
    "zone": None,
    "tier": "community",
    "gpu_label": "NVIDIA H100 ",
    "gpu_count": Decimal(4),
    "purchase_option": PurchaseOption.CAPACITY_BLOCK,
    "term_months": Decimal(36),
    "payment": "all_upfront",
    "operating_system": None,
}
PRICE = Price(amount=Decimal("98.32"), unit=Unit.HOUR)


def test_an_identity_is_the_same_in_every_release():
    """The value itself: ledgers of years hold it."""
    assert OfferKey(**TERMS).offer_id == "22cea0c66ee6fddf"
    assert OfferKey(
        provider="runpod", sku="a", gpu_label="H100", gpu_count=1, purchase_option="spot"
    ).offer_id == ("c66fa8f35306039a")


def test_a_copy_with_another_term_has_its_own_identity():
    offer = OfferKey(**TERMS)
    assert offer.model_copy(update={"region": "us-east-2"}).offer_id != offer.offer_id


@pytest.mark.parametrize("term", [name for name in TERMS if name != "gpu_label"])
def test_another_term_is_another_offer(term: str):
    assert OfferKey(**TERMS | {term: OTHER[term]}).offer_id != OfferKey(**TERMS).offer_id


def test_another_label_is_another_offer_and_blanks_around_it_are_not():
    assert OfferKey(**TERMS | {"gpu_label": "NVIDIA H100 NVL"}).offer_id != OfferKey(**TERMS).offer_id
    assert OfferKey(**TERMS | {"gpu_label": OTHER["gpu_label"]}).offer_id == OfferKey(**TERMS).offer_id


def test_every_field_of_the_key_is_in_the_identity():
    assert set(TERMS) == set(OfferKey.model_fields) == set(OTHER)


NOT_TERMS: dict[str, Any] = {
    "price": Price(amount=Decimal(1), currency="EUR", unit=Unit.MONTH),
    "upfront_amount": Decimal(1000),
    "instance_type": "p5",
    "gpu_memory_gib": Decimal(80),
    "vcpus": Decimal(192),
    "memory_gib": Decimal(2048),
    "local_storage_gb": Decimal(30_000),
    "network": "efa",
    "max_gpus": 64,
    "min_gpus": 8,
    "billing_increment_seconds": 1,
    "minimum_billing_seconds": 60,
    "availability": Availability.SOLD_OUT,
    "effective_at": datetime(2026, 1, 1, tzinfo=UTC),
    "observed_at": datetime(2026, 1, 2, tzinfo=UTC),
}


@pytest.mark.parametrize("field", NOT_TERMS)
def test_amount_currency_date_shape_and_stock_are_no_identity(field: str):
    plain = Offer(**TERMS, price=PRICE)
    assert Offer(**TERMS | {"price": PRICE} | {field: NOT_TERMS[field]}).offer_id == plain.offer_id


def test_every_field_of_an_offer_is_either_a_term_or_not():
    assert set(TERMS) | set(NOT_TERMS) == set(Offer.model_fields)


def test_counts_are_compared_by_value():
    ids = {
        OfferKey(**TERMS | {"gpu_count": Decimal(text)}).offer_id for text in ("8", "8.0", "8.000", "0.8E+1")
    }
    assert len(ids) == 1


_text = st.text(alphabet="ab1:-", min_size=1, max_size=4)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"sku": _text, "region": _text, "zone": st.none() | _text, "tier": st.none() | _text}
        ),
        max_size=20,
    )
)
def test_no_two_keys_run_together(keys: list[dict[str, Any]]):
    distinct = {tuple(key[name] for name in ("sku", "region", "zone", "tier")) for key in keys}
    ids = {OfferKey(**TERMS | key).offer_id for key in keys}
    assert len(ids) == len(distinct)


REFUSED: dict[str, dict[str, Any]] = {
    "an upper-case provider": {"provider": "AWS"},
    "an empty sku": {"sku": " "},
    "an empty region": {"region": ""},
    "no accelerator": {"gpu_count": Decimal(0)},
    "a negative count": {"gpu_count": Decimal(-1)},
    "too many accelerators": {"gpu_count": Decimal(4097)},
    "a count that is no number": {"gpu_count": Decimal("NaN")},
    "an unknown purchase option": {"purchase_option": "preemptible"},
    "a term of zero": {"term_months": Decimal(0)},
    "an empty label": {"gpu_label": ""},
    "a sku of a book's length": {"sku": "x" * 1001},
    "a name that is no field": {"gpu_name": "H100"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_an_impossible_term_is_refused(why: str):
    with pytest.raises(ValidationError):
        OfferKey(**TERMS | REFUSED[why])


@pytest.mark.parametrize("field", ["effective_at", "observed_at"])
def test_a_time_without_an_offset_is_refused(field: str):
    with pytest.raises(ValidationError, match=field):
        Offer(**TERMS, price=PRICE, **{field: datetime(2026, 1, 1)})  # noqa: DTZ001


def test_an_upfront_payment_of_zero_does_not_exist():
    with pytest.raises(ValidationError, match="upfront_amount"):
        Offer(**TERMS, price=PRICE, upfront_amount=Decimal(0))


def test_free_egress_is_a_fact():
    free = TransferPrice(provider="linode", sku="transfer", direction="ingress", amount_per_gb=Decimal(0))
    assert free.amount_per_gb == 0


def test_an_offer_was_seen_when_its_list_says_so_and_else_when_it_was_fetched():
    fetched_at, dated = datetime(2026, 11, 1, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC)
    assert observed_at(Offer(**TERMS, price=PRICE), fetched_at) == fetched_at
    assert observed_at(Offer(**TERMS, price=PRICE, observed_at=dated), fetched_at) == dated


def test_an_offer_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Offer(**TERMS, price=PRICE).sku = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_skipped_row_keeps_what_was_seen():
    assert Skipped("no price", {"sku": "a"}).row == {"sku": "a"}
