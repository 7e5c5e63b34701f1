"""CoreWeave's peculiarities, one each."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Fact, Offer, PurchaseOption, StoragePrice, TransferPrice
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers import coreweave
from tools.captures import skipped_by_reason

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "coreweave"
PAGE = (CAPTURES / "pricing.html").read_text()
SEPTEMBER = (CAPTURES / "pricing_2026-09.html").read_text()
MARCH = (CAPTURES / "pricing_2026-03.html").read_text()


def parse(page: str) -> list[Fact]:
    document = Document(
        source="coreweave",
        request=Request(url="https://a.example/pricing"),
        body=page.encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )
    return list(coreweave.parse(document))


def offers(page: str, sku: str) -> dict[tuple[str, str], Offer]:
    found = [fact for fact in parse(page) if isinstance(fact, Offer) and fact.sku == sku]
    return {(offer.purchase_option.value, offer.region): offer for offer in found}


def test_the_price_is_that_of_the_whole_node():
    node = offers(PAGE, "hgx-h100")["on_demand", "global"]
    assert (node.price.amount, node.price.unit, node.gpu_count) == (Decimal("49.24"), "hour", 8)
    assert usd_per_hour(node) / node.gpu_count == Decimal("6.155")
    assert node.min_gpus == 8


def test_on_demand_is_one_offer_and_spot_one_per_region_block():
    assert {key: offer.price.amount for key, offer in offers(PAGE, "hgx-h100").items()} == {
        ("on_demand", "global"): Decimal("49.24"),
        ("spot", "north-america"): Decimal("19.71"),
        ("spot", "europe"): Decimal("19.51"),
    }


@pytest.mark.parametrize("footnoted", ["4^1", "4<sup>1</sup>", "4¹", "4 ^1"])
def test_a_footnote_is_no_digit_of_the_gpu_count(footnoted: str):
    page = PAGE.replace("4<sup>1</sup>", footnoted)
    assert offers(page, "nvidia-gb200-nvl72")["on_demand", "global"].gpu_count == 4


@pytest.mark.parametrize("count", ["41", "0", "3", "", "N/A", "8 or 16", "-8", "٨"])
def test_a_count_that_no_node_has_is_left_out_not_divided_by(count: str):
    facts = parse(
        MARCH.replace('<div class="table-v2-cell">8</div>', f'<div class="table-v2-cell">{count}</div>')
    )
    kept = {fact.sku for fact in facts if isinstance(fact, Offer)}
    assert kept == {"nvidia-gb200-nvl72", "nvidia-gh200"}


def test_contact_sales_is_left_out_with_that_reason_and_its_spot_price_kept():
    assert set(offers(PAGE, "nvidia-b300")) == {("spot", "north-america"), ("spot", "europe")}
    assert set(offers(PAGE, "nvidia-gb300-nvl72")) == set()
    assert skipped_by_reason(parse(PAGE))["contact sales"] == 8


def test_the_inference_price_is_never_an_offer():
    amounts = {fact.price.amount for fact in parse(PAGE) if isinstance(fact, Offer)}
    assert Decimal("49.24") in amounts
    assert not amounts & {Decimal("6.16"), Decimal("10.50"), Decimal("2.70")}


def test_a_quotient_that_the_inference_price_contradicts_refuses_the_page():
    with pytest.raises(ParseError, match=r"NVIDIA HGX H100: 49.24 for 8 GPUs, but 6.18 for one"):
        parse(PAGE.replace("$6.16", "$6.18"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<span class="item-value">$49.24</span>', '<span class="item-value">$41.24</span>'),
        ('<span class="item-value">$19.71</span>', '<span class="item-value">$9.71</span>'),
        (
            '<div class="table-v2-cell"><div>$20.93</div></div>',
            '<div class="table-v2-cell"><div>$6.31</div></div>',
        ),
        ('<span class="item-value">$49.24</span>', '<span class="item-value">$49,24</span>'),
    ],
)
def test_copies_of_a_value_that_differ_refuse_the_page(before: str, after: str):
    assert before in PAGE
    with pytest.raises(ParseError, match="copies of its"):
        parse(PAGE.replace(before, after))


def test_a_count_that_the_mobile_cell_contradicts_refuses_the_page():
    mobile = '<div class="table-meta-value">8</div><div>GPU Count</div>'
    assert mobile in PAGE
    with pytest.raises(ParseError, match="in the mobile cell"):
        parse(PAGE.replace(mobile, mobile.replace("8", "4")))


def test_the_second_product_list_adds_nothing():
    once = PAGE[: PAGE.index("<h2>Kubernetes</h2>")] + "</html>"
    assert [f for f in parse(PAGE) if isinstance(f, Offer)] == [
        f for f in parse(once) if isinstance(f, Offer)
    ]


def test_a_second_list_with_another_price_refuses_the_page():
    head, kubernetes = PAGE.split("<h2>Kubernetes</h2>")
    with pytest.raises(ParseError, match=r"hgx-h100 .* is listed at 49.24 and at 51.24"):
        parse(f"{head}<h2>Kubernetes</h2>{kubernetes.replace('$49.24', '$51.24').replace('$6.16', '$6.41')}")


def test_columns_are_told_by_their_titles():
    titles = (
        '<div class="table-v2-cell"><div class="table-header-text">On-Demand Price (Per Hour)</div></div>',
        '<div class="table-v2-cell"><div class="table-header-text">Spot Price (Per Hour)</div></div>',
    )
    assert "".join(titles) in PAGE
    with pytest.raises(ParseError, match="copies of its"):
        parse(PAGE.replace("".join(titles), "".join(reversed(titles))))


def test_cpu_nodes_are_no_offers():
    facts = parse(PAGE)
    assert skipped_by_reason(facts)["not a GPU instance"] == 3
    assert Decimal("7.78") not in {fact.price.amount for fact in facts if isinstance(fact, Offer)}


def test_older_markup_gives_the_same_offers():
    october = {fact.offer_id: fact.price for fact in parse(PAGE) if isinstance(fact, Offer)}
    september = {fact.offer_id: fact.price for fact in parse(SEPTEMBER) if isinstance(fact, Offer)}
    march = {fact.offer_id: fact.price for fact in parse(MARCH) if isinstance(fact, Offer)}
    assert len(september) == 20
    assert september.items() <= october.items()
    assert len(march.keys() & october.keys()) == 6


def test_without_titles_or_classes_only_the_on_demand_column_is_read():
    with_spot = MARCH.replace(
        '<div class="table-v2-cell">$49.24</div>',
        '<div class="table-v2-cell">$49.24</div><div class="table-v2-cell">$6.16</div>',
    )
    assert set(offers(with_spot, "hgx-h100")) == {("on_demand", "global")}


def test_spot_without_a_region_block_is_left_out():
    facts = parse(SEPTEMBER.replace("<h5>REGION: NORTH AMERICA</h5>", ""))
    assert skipped_by_reason(facts)["spot price without a region"] == 7


def test_spot_that_is_not_below_on_demand_is_left_out():
    facts = parse(SEPTEMBER.replace("$19.71", "$49.24"))
    assert skipped_by_reason(facts)["spot price is not below on-demand"] == 1


def test_rates_of_storage_are_per_binary_gb_and_egress_is_free():
    facts = parse(PAGE)
    rates = {fact.sku: fact.amount_per_gb_month for fact in facts if isinstance(fact, StoragePrice)}
    assert rates["ai-object-storage-hot"] == Decimal("0.055879354")
    assert set(rates) == {"ai-object-storage-hot", "ai-object-storage-archive", "distributed-file-storage"}
    assert [fact.amount_per_gb for fact in facts if isinstance(fact, TransferPrice)] == [0]


def test_a_price_per_hour_is_no_rate_of_storage():
    facts = parse(PAGE.replace("$0.07 / GB / month", "$42.00"))
    assert "distributed-file-storage" not in {f.sku for f in facts if isinstance(f, StoragePrice)}


def test_the_a100_node_is_the_sxm_card():
    (node,) = [
        offer
        for offer in offers(PAGE, "nvidia-a100").values()
        if offer.purchase_option is PurchaseOption.ON_DEMAND
    ]
    gpu_id = seed_aliases().resolve(node.provider, node.gpu_label, node.gpu_memory_gib)
    assert gpu_id == "a100-sxm-80gb"


@pytest.mark.parametrize("page", ["", "{}", "<html><p>We moved</p></html>", "<div class='table-grid'"])
def test_a_page_without_price_rows_is_an_error(page: str):
    with pytest.raises(ParseError):
        parse(page)


def test_a_page_that_is_nested_or_large_beyond_reason_is_refused():
    with pytest.raises(ParseError, match="nested"):
        parse(PAGE.replace("<main>", "<main>" + "<div>" * 2000))
    with pytest.raises(ParseError, match="an HTML page of 17 MiB"):
        parse("<html>" + " " * (17 << 20) + "</html>")


def test_a_page_that_is_cut_off_is_refused():
    with pytest.raises(ParseError, match="no whole HTML page"):
        parse(PAGE[: len(PAGE) // 2])
