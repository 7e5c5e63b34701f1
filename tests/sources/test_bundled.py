"""The bundled price list: sourced, believable, and the same offers that the providers' own sources give."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Offer, PurchaseOption
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers import bundled
from gpuledger.scrapers.registry import get
from tools.captures import captures, read_capture

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "sql" / "seeds" / "bundled_price.csv"
MARCH = datetime(2026, 3, 15, tzinfo=UTC)
PROVIDERS = {"runpod", "lambda", "coreweave", "aws", "gcp", "azure", "oci"}


def parse(body: bytes) -> list[Offer]:
    document = Document(
        source="bundled",
        request=Request(url="https://a.example/bundled_price.csv"),
        body=body,
        fetched_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    return [fact for fact in bundled.parse(document) if isinstance(fact, Offer)]


OFFERS = parse(LIST.read_bytes())


def gpu_id(offer: Offer) -> str | None:
    return seed_aliases().resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib)


def usd_per_gpu_hour(offer: Offer) -> Decimal:
    return usd_per_hour(offer) / offer.gpu_count


def observed(offer: Offer) -> datetime:
    assert offer.observed_at is not None
    return offer.observed_at


def standing(at: datetime) -> list[Offer]:
    """The newest price of each offer at that time."""
    newest: dict[str, Offer] = {}
    for offer in sorted((offer for offer in OFFERS if observed(offer) <= at), key=observed):
        newest[offer.offer_id] = offer
    return list(newest.values())


def test_it_has_at_least_120_prices_of_seven_providers():
    assert len(OFFERS) >= 120
    assert {offer.provider for offer in OFFERS} == PROVIDERS


def test_every_price_names_its_source_and_a_day_since_2022():
    with LIST.open(newline="", encoding="utf-8") as file:
        sources = [row["price_source"] for row in csv.DictReader(file)]
    assert all("20" in source for source in sources)
    assert len(sources) == len(OFFERS)
    assert min(map(observed, OFFERS)) >= datetime(2022, 1, 1, tzinfo=UTC)
    assert max(map(observed, OFFERS)) >= datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_each_provider_has_prices_of_several_days(provider: str):
    days = {observed(offer) for offer in OFFERS if offer.provider == provider}
    assert len(days) >= 4


def test_every_label_is_a_known_gpu():
    assert [offer.gpu_label for offer in OFFERS if gpu_id(offer) is None] == []


def test_every_price_is_believable_for_its_gpu():
    with (ROOT / "sql" / "seeds" / "price_band.csv").open(newline="", encoding="utf-8") as file:
        bands = {
            row["gpu_id"]: (Decimal(row["usd_low"]), Decimal(row["usd_high"])) for row in csv.DictReader(file)
        }
    banded = [offer for offer in OFFERS if gpu_id(offer) in bands]
    assert len(banded) > 0.9 * len(OFFERS)
    outside = [
        (offer.sku, usd_per_gpu_hour(offer))
        for offer in banded
        if not bands[gpu_id(offer) or ""][0] <= usd_per_gpu_hour(offer) <= bands[gpu_id(offer) or ""][1]
    ]
    assert outside == []


@pytest.mark.parametrize(
    ("provider", "sku", "amount"),
    [
        ("runpod", "NVIDIA GeForce RTX 3090", "0.22"),
        ("runpod", "NVIDIA L40", "0.69"),
        ("runpod", "NVIDIA A100 80GB PCIe", "1.19"),
        ("runpod", "NVIDIA A100-SXM4-80GB", "1.39"),
        ("runpod", "NVIDIA H100 PCIe", "1.99"),
        ("runpod", "NVIDIA H100 80GB HBM3", "2.69"),
        ("lambda", "gpu_1x_a10", "0.86"),
        ("lambda", "gpu_1x_h100_pcie", "2.86"),
        ("lambda", "gpu_1x_h100_sxm5", "3.78"),
        ("coreweave", "nvidia-l40s", "18"),
        ("coreweave", "nvidia-a100", "21.6"),
        ("coreweave", "hgx-h100", "49.24"),
    ],
)
def test_the_list_of_march_2026_is_there(provider: str, sku: str, amount: str):
    march = [
        offer.price.amount
        for offer in OFFERS
        if (offer.provider, offer.sku, observed(offer).date().isoformat()) == (provider, sku, "2026-03-01")
        and offer.purchase_option is PurchaseOption.ON_DEMAND
    ]
    assert march == [Decimal(amount)]


@pytest.mark.parametrize("options", [{PurchaseOption.ON_DEMAND}, set(PurchaseOption)])
def test_an_h100_sxm_in_march_2026_is_cheapest_at_runpod_then_lambda_then_coreweave(
    options: set[PurchaseOption],
):
    cheapest: dict[str, Decimal] = {}
    for offer in standing(MARCH):
        if gpu_id(offer) == "h100-sxm-80gb" and offer.purchase_option in options:
            price = usd_per_gpu_hour(offer)
            cheapest[offer.provider] = min(price, cheapest.get(offer.provider, price))
    ranking = sorted(cheapest.items(), key=lambda entry: entry[1])
    assert ranking[:4] == [
        ("runpod", Decimal("2.69")),
        ("lambda", Decimal("3.78")),
        ("coreweave", Decimal("6.155")),
        ("aws", Decimal("6.88")),
    ]
    assert {"oci", "gcp", "azure"} <= set(cheapest)


def test_the_coreweave_node_says_that_it_is_sold_by_eight():
    (node,) = [offer for offer in standing(MARCH) if offer.sku == "hgx-h100"]
    assert node.min_gpus == 8


def test_prices_of_one_offer_move_by_less_than_half_from_one_list_to_the_next():
    history: dict[str, list[Offer]] = {}
    for offer in sorted(OFFERS, key=observed):
        history.setdefault(offer.offer_id, []).append(offer)
    moves = [(before, after) for prices in history.values() for before, after in pairwise(prices)]
    assert len(moves) > 60
    assert [
        (after.sku, before.price.amount, after.price.amount)
        for before, after in moves
        if not Decimal("0.5") <= after.price.amount / before.price.amount <= Decimal("2.0")
    ] == []


def described(offer: Offer) -> tuple[object, ...]:
    """What a reader takes for one offer."""
    return (
        offer.provider,
        offer.sku,
        offer.region,
        offer.tier,
        offer.gpu_label,
        offer.purchase_option,
        offer.term_months,
    )


@pytest.mark.parametrize(
    "source",
    ["runpod", "lambda_cloud", "coreweave", "aws_on_demand", "azure_retail", "gcp_catalog", "oci_price_list"],
)
def test_an_offer_has_the_identity_that_its_own_source_gives_it(source: str):
    direct = [
        fact
        for path in captures(ROOT / "tests" / "captures" / source)
        for fact in get(source).parse(read_capture(source, path))
        if isinstance(fact, Offer)
    ]
    terms = {described(offer): offer.offer_id for offer in direct}
    shared = [offer for offer in OFFERS if described(offer) in terms]
    assert len(shared) >= 3
    assert [offer.sku for offer in shared if offer.offer_id != terms[described(offer)]] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b",2.69,USD,", b",0,USD,"),
        (b",2.69,USD,", b",1e40,USD,"),
        (b",2.69,USD,", b",,USD,"),
        (b"2026-03-01,", b"soon,"),
        (b",gpu_hour,", b",fortnight,"),
        (b"observed_at,provider", b"provider,observed_at"),
        (b"2026-10-07,runpod", b"2026-11-09,runpod"),
    ],
)
def test_a_row_that_cannot_be_read_refuses_the_list(before: bytes, after: bytes):
    body = LIST.read_bytes()
    assert before in body
    with pytest.raises(ParseError):
        parse(body.replace(before, after))
