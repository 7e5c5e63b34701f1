"""How offers are ranked, left out, rounded and explained in a quote."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.errors import DoesNotFitError, InvalidPlanError, NoOfferError, UnknownGPUError
from gpuledger.core.plan import plan_from_mapping
from tests.unit.offering import NOW, ask, offer, quoted_plan, stale, total, usd_lines

D = Decimal


def pretraining(**keys):
    base = {"name": "p", "model": "llama-2-7b", "training_tokens": 1e10, "sequence_length": 4096}
    return plan_from_mapping(base | {"global_batch_tokens": 4_194_304} | keys)


def test_the_lowest_total_wins_and_not_the_lowest_price_per_hour():
    """A node of eight at 2.00 per GPU-hour loses a job of two GPUs by its six idle ones."""
    node, pod = offer("2.00", gpu_count=8, provider="coreweave"), offer("2.69", max_gpus=8)
    found = ask(quoted_plan(gpus=2, hours=40), [node, pod])
    assert [q.purchase.offer.provider for q in found.quotes] == ["runpod", "coreweave"]
    assert found.cheapest_per_gpu_hour.purchase.offer.provider == "coreweave"
    assert found.flipped_by == {
        "line": "whole_instances",
        "usd_more": "480.00",
        "usd_total_more": "424.80",
        "price_state": "fresh",
    }


EMPTY_B200 = "2 % of the memory in use at an MFU of 0.0015: first for its price alone; "


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        (
            [offer("1.00", gpu_id="t4-16gb")],
            EMPTY_B200 + "used more are 1 x t4-16gb at runpod, rank 2, 0.35 against 0.10 USD",
        ),
        ([], EMPTY_B200 + "none of the quotes shown uses its GPUs more"),
    ],
)
def test_hardware_that_is_hardly_used_says_why_it_is_first(others, reason):
    plan = plan_from_mapping(
        {
            "model": "gpt2",
            "method": "full_finetune",
            "training_tokens": 5e6,
            "sequence_length": 256,
            "hardware": {"micro_batch_size": 1, "gpus": 1},
        }
    )
    answer = ask(plan, [offer("0.30", gpu_id="b200-sxm-180gb"), *others])
    assert answer.quotes[0].purchase.offer.gpu_id == "b200-sxm-180gb"
    assert reason in answer.warnings
    assert not any("a smaller GPU may cost less" in text for text in answer.warnings), "said once"


def test_whole_instances_are_paid_and_shown_apart():
    found = ask(quoted_plan(gpus=12, hours=10), [offer("1.00", gpu_count=8)])
    assert usd_lines(found)["gpu_time"] == "120.00"
    assert usd_lines(found)["whole_instances"] == "40.00"
    quote = found.quotes[0].to_dict()
    assert (quote["gpus"], quote["paid_gpus"], quote["nodes"]) == (12, 16, 2)


@pytest.mark.parametrize(
    ("increment", "least", "hours", "usd"),
    [
        (3600, None, 1.01, "2.00"),
        (60, None, 1 / 3600, "0.02"),
        (1, 60, 1 / 3600, "0.02"),
        (1, None, 0.1 * 3, "0.30"),
        (None, None, 1.015, "1.02"),
    ],
)
def test_hours_are_billed_as_the_provider_bills_them(increment, least, hours, usd):
    bought = offer("1.00", billing_increment_seconds=increment, minimum_billing_seconds=least)
    assert total(ask(quoted_plan(hours=hours), [bought])) == usd


def test_a_stale_price_wins_only_when_allowed_or_alone():
    offers = [stale(offer("1.00")), offer("2.00")]
    plan = quoted_plan(hours=10)
    found = ask(plan, offers)
    assert [q.price_state for q in found.quotes] == ["fresh", "stale"]
    assert any("cheaper but older" in text and "10.00 USD in all" in text for text in found.warnings)
    assert total(ask(plan, offers, allow_stale=True)) == "10.00"
    alone = ask(plan, offers[:1])
    assert alone.quotes[0].price_state == "stale"
    assert any("no live price yet" in text for text in alone.warnings)


def test_an_unlisted_price_comes_after_a_stale_one_and_before_what_is_sold_out():
    offers = [offer("1.00", availability="sold_out"), offer("2.00", is_unlisted=True), stale(offer("3.00"))]
    assert [q.price_state for q in ask(quoted_plan(hours=1), offers).quotes] == [
        "stale",
        "unlisted",
        "sold_out",
    ]


def test_a_missing_price_is_left_out_with_its_reason_and_never_zero():
    found = ask(quoted_plan(hours=1), [offer(None), offer("2.00")])
    assert found.excluded == {"no price in US dollars": 1}
    assert len(found.quotes) == 1 and total(found) == "2.00"


def test_every_offer_is_quoted_or_counted():
    offers = [
        offer("2.69", gpu_count=8),
        offer(None),
        offer("1.00", gpu_id=None),
        offer("1.00", gpu_count="0.5"),
        offer("1.00", gpu_id="l4-24gb"),
        offer("1.00", gpu_id="no-such-chip"),
    ]
    found = ask(pretraining(), offers, limit=100)
    assert len(found.quotes) == 1
    assert found.excluded == {
        "accelerator not identified": 1,
        "accelerator without a data sheet": 1,
        "does not fit in its memory": 1,
        "no price in US dollars": 1,
        "part of a GPU": 1,
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"providers": ("lambda",)}, "another provider than asked for"),
        ({"regions": ("eu",)}, "its place is not known"),
        ({"tiers": ("secure",)}, "another tier than asked for"),
        ({"purchase_options": ("spot",)}, "another purchase option than asked for"),
        ({"gpu": "B200"}, None),
    ],
)
def test_no_offer_says_what_removed_how_many(options, reason):
    with pytest.raises(NoOfferError, match=reason or "the plan runs on"):
        ask(quoted_plan(hours=1), [offer("1.00")] * 3, **options)


def test_an_offer_elsewhere_and_one_that_nobody_can_place_are_counted_apart():
    elsewhere, nowhere = (
        offer("1.00", region="us", country="US", continent="NA"),
        offer("1.00", region="dc-7"),
    )
    bought = offer("2.00", region="eu-west", country="DE", continent="EU")
    answer = ask(quoted_plan(hours=1), [elsewhere, elsewhere, nowhere, bought], regions=("eu",))
    assert answer.excluded == {"another region than asked for": 2, "its place is not known": 1}


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ("de", "its country is not known"),
        ("us", "its country is not known"),
        ("au", "another region than asked for"),
        ("us-east-1", "another region than asked for"),
    ],
)
def test_an_offer_of_whole_continents_is_counted_where_a_country_of_them_is_asked_for(region, reason):
    everywhere = offer("1.00", region="global", continent="NA EU")
    there = offer("2.00", region=region, country=region.upper() if len(region) == 2 else "US", continent="XX")
    assert ask(quoted_plan(hours=1), [everywhere, there], regions=(region,)).excluded == {reason: 1}


@pytest.mark.parametrize("region", ["eu-west", "EU", "de", "eu"])
def test_a_region_is_a_code_a_country_or_a_continent(region):
    bought = offer("1.00", region="eu-west", country="DE", continent="EU")
    assert total(ask(quoted_plan(hours=1), [bought, offer("0.50", region="us")], regions=(region,))) == "1.00"


def test_a_plan_that_fits_nowhere_says_so():
    with pytest.raises(DoesNotFitError, match="1 x does not fit in its memory"):
        ask(pretraining(model="llama-2-70b"), [offer("0.10", gpu_id="t4-16gb")])


def test_an_unknown_gpu_suggests_the_nearest():
    with pytest.raises(UnknownGPUError, match="h100"):
        ask(quoted_plan(hours=1), [offer("1.00")], gpu="h100-smx")


def test_pods_are_not_joined_and_whole_nodes_are():
    pods = offer("1.00", max_gpus=8)
    nodes = offer("1.50", gpu_count=8, provider="coreweave")
    parts = offer("0.90", gpu_count=2, provider="lambda")
    counts = {
        (q.purchase.offer.provider, q.purchase.option.instances)
        for deadline in (None, 12.0)
        for q in ask(pretraining(), [pods, nodes, parts], deadline_hours=deadline, limit=9).quotes
    }
    assert all(count == 1 for provider, count in counts if provider != "coreweave")
    assert any(count > 1 for provider, count in counts if provider == "coreweave")


def test_a_deadline_asks_for_more_nodes():
    node = offer("2.00", gpu_count=8)
    slow = ask(pretraining(), [node]).quotes[0].to_dict()
    fast = ask(pretraining(), [node], deadline_hours=slow["wall_hours"]["mid"] / 3)
    assert fast.deadline.passes
    assert fast.quotes[0].purchase.option.instances > slow["nodes"]


def test_most_gpus_limits_what_is_paid():
    node = offer("2.00", gpu_count=8)
    found = ask(pretraining(), [node], deadline_hours=1.0, max_gpus=16)
    assert found.quotes[0].purchase.billed_gpus <= 16
    assert not found.deadline.passes


def test_a_cluster_has_its_least_and_most_gpus():
    cluster = offer("2.00", gpu_count=8, min_gpus=16, max_gpus=64)
    assert ask(quoted_plan(gpus=8, hours=1), [cluster]).quotes[0].purchase.billed_gpus == 16
    with pytest.raises(NoOfferError, match="no count of it is sold"):
        ask(quoted_plan(gpus=128, hours=1), [cluster])


def test_a_commitment_is_paid_whole():
    month = offer("1.00", purchase_option="reserved", term_months=D(1))
    found = ask(quoted_plan(hours=100), [month])
    assert (usd_lines(found)["gpu_time"], usd_lines(found)["unused_commitment"]) == ("100.00", "630.00")
    assert total(ask(quoted_plan(hours=800), [month])) == "1460.00"


def test_a_discount_is_a_line_of_its_own_and_leaves_the_list_price():
    from gpuledger.core.cost.market.own_terms import read_overrides

    own = read_overrides('[[discount]]\nprovider = "runpod"\ngpu = "H100"\npercent = 25\n', "test")
    found = ask(quoted_plan(hours=10), [offer("2.00"), offer("1.80", provider="lambda")], overrides=own)
    best = found.quotes[0].to_dict()
    assert (best["provider"], best["usd_total"]["mid"], best["usd_list_total"]["mid"]) == (
        "runpod",
        "15.00",
        "20.00",
    )
    assert usd_lines(found)["discount"] == "-5.00"
    assert best["usd_per_gpu_hour"] == "2"
    assert best["receipt"]["overrides"] == ["discount: provider = runpod, gpu = H100, percent = 25"]


def test_a_contracted_rate_goes_before_a_discount():
    from gpuledger.core.cost.market.own_terms import read_overrides

    text = '[[discount]]\npercent = 10\n[[contract]]\nprovider = "runpod"\nusd_per_gpu_hour = 1.25\n'
    found = ask(
        quoted_plan(gpus=8, hours=10), [offer("2.00", gpu_count=8)], overrides=read_overrides(text, "test")
    )
    assert (total(found), usd_lines(found)["contracted_rate"]) == ("100.00", "-60.00")


def test_credits_are_spent_where_they_count_and_never_below_zero():
    from gpuledger.core.cost.market.own_terms import read_overrides

    own = read_overrides(
        '[[credit]]\nprovider = "lambda"\nusd = 15\n[[credit]]\nprovider = "RunPod"\nusd = 3\n', "test"
    )
    offers = [offer("2.00"), offer("2.10", provider="lambda")]
    found = ask(quoted_plan(hours=10), offers, overrides=own)
    assert [(q.purchase.offer.provider, str(q.total.mid)) for q in found.quotes] == [
        ("lambda", "6.00"),
        ("runpod", "17.00"),
    ]
    assert total(ask(quoted_plan(hours=5), offers, overrides=own)) == "0.00"


def test_what_credits_cover_in_full_is_ordered_by_what_it_takes_of_them():
    plan = quoted_plan(hours=10, credit=[{"provider": "lambda", "usd": 100}, {"provider": "aws", "usd": 100}])
    offers = [offer("2.00", provider="lambda"), offer("1.50", provider="aws"), offer("1.00")]
    found = ask(plan, offers).quotes
    assert [(q.purchase.offer.provider, str(q.total.mid), str(q.list_total.mid)) for q in found] == [
        ("aws", "0.00", "15.00"),
        ("lambda", "0.00", "20.00"),
        ("runpod", "10.00", "10.00"),
    ]


def test_a_credit_of_nobody_in_particular_asks_at_which_provider():
    with pytest.raises(InvalidPlanError, match=r"at which provider can it be spent\? write \[\[credit\]\]"):
        quoted_plan(hours=1, costs={"credit_usd": 100})


def test_the_receipt_leads_from_dollars_to_bytes():
    found = ask(quoted_plan(hours=1), [offer("2.69")]).quotes[0].to_dict()["receipt"]
    assert {
        key: found[key]
        for key in ("observed_at", "source_url", "document_sha256", "parser_version", "snapshot")
    } == {
        "observed_at": "2026-03-15T11:40:00Z",
        "source_url": "https://prices.example/list",
        "document_sha256": "ab" * 32,
        "parser_version": 1,
        "snapshot": 7,
    }
    assert found["price_id"] == offer("2.69").price_id and len(found["constants_version"]) == 12


def test_an_id_follows_the_dollars_and_not_the_clock():
    first = ask(quoted_plan(hours=1), [offer("2.69")]).quotes[0]
    again = ask(quoted_plan(hours=1), [replace(offer("2.69"), last_seen_at=NOW)]).quotes[0]
    other = ask(quoted_plan(hours=1), [offer("2.70")]).quotes[0]
    assert first.quote_id == again.quote_id != other.quote_id


def test_storage_of_a_provider_without_a_price_is_assumed_and_says_so():
    found = ask(quoted_plan(hours=1, costs={"dataset_gb": 100, "storage_months": 1}), [offer("1.00")])
    line = next(line for line in found.lines if line.name == "dataset_storage")
    assert (str(line.usd.mid), "assumed" in line.basis) == ("7.00", True)
    egress = next(line for line in found.lines if line.name == "dataset_transfer_in")
    assert egress.usd is None and "not known" in egress.basis


def test_unknown_egress_lies_between_nothing_and_the_dearest_known_and_ranks_by_its_middle():
    transfer = [
        {"provider": name, "region": "global", "direction": "egress", "from_gb": D(0), "usd_per_gb": D(usd)}
        for name, usd in (("aws", "0.09"), ("gcp", "0.12"), ("lambda", "0"))
    ]
    offers = [offer("2.00"), offer("5.00", provider="lambda")]
    costs = {"egress_gb": 100}
    found = ask(quoted_plan(hours=1, costs=costs), offers, around=SidePrices(transfer=transfer)).quotes
    assert [(q.purchase.offer.provider, q.total.to_dict()) for q in found] == [
        ("lambda", {"low": "5.00", "mid": "5.00", "high": "5.00"}),
        ("runpod", {"low": "2.00", "mid": "8.00", "high": "14.00"}),
    ]
    line = next(line for line in found[1].lines if line.name == "egress")
    assert "0 to 0.12 USD (gcp in global, the dearest known)" in line.basis


def test_egress_that_nobody_publishes_lies_between_nothing_and_an_assumed_price():
    found = ask(quoted_plan(hours=1, costs={"egress_gb": 100}), [offer("2.00")])
    assert found.quotes[0].total.to_dict() == {"low": "2.00", "mid": "8.00", "high": "14.00"}


def test_free_egress_is_a_price_of_zero():
    transfer = [
        {"provider": "runpod", "region": "global", "direction": "egress", "from_gb": D(0), "usd_per_gb": D(0)}
    ]
    found = ask(
        quoted_plan(hours=1, costs={"egress_gb": 9}), [offer("1.00")], around=SidePrices(transfer=transfer)
    )
    assert usd_lines(found)["egress"] == "0.00"


def test_spot_rates_come_from_the_user_then_the_band_then_history_then_an_assumption():
    key = {"provider": "runpod", "instance_type": "machine", "region": "global"}
    band = [key | {"low": 0.05, "high": 0.10}]
    losses = [key | {"available_hours": 1000.0, "losses": 5}]
    spot = [offer("1.00", purchase_option="spot")]

    def basis(around, **costs):
        return (
            ask(quoted_plan(hours=10, costs=costs), spot, around=around)
            .quotes[0]
            .to_dict()["interruptions"]["basis"]
        )

    both = SidePrices(bands=band, losses=losses)
    assert basis(both, interruption_rate_per_hour=0.1) == "interruption rate as given"
    assert basis(both) == "runpod says 5% to 10% of machine interrupted a month"
    assert basis(SidePrices(losses=losses)) == "5 losses in 1000 observed hours"
    assert basis(None).startswith("assumed")


def test_the_answer_has_the_pinned_keys():
    found = ask(quoted_plan(hours=1), [offer("2.69")]).to_dict()
    assert {"plan", "as_of", "snapshot", "quotes", "excluded"} <= found.keys()
    quote = found["quotes"][0]
    assert {
        "rank",
        "quote_id",
        "provider",
        "instance_type",
        "region",
        "purchase_option",
        "tier",
        "gpu_id",
        "gpus",
        "nodes",
        "wall_hours",
        "gpu_hours",
        "usd_total",
        "lines",
        "usd_per_gpu_hour",
        "price_age_hours",
        "price_state",
        "receipt",
    } <= quote.keys()
    assert all({"name", "usd", "basis"} <= line.keys() for line in quote["lines"])
    assert {"price_id", "observed_at", "source_url", "document_sha256"} <= quote["receipt"].keys()
