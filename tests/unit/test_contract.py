"""What refuses a batch, and which of its rows are doubted by themselves."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gpuledger.core.contract import Band, CheckedOffer, Contract, check_contract, seed_bands
from gpuledger.core.gpu import gpus

CONTRACT = Contract(min_offers=2, must_have=("h100",))
BANDS = {"h100-sxm-80gb": Band(low=Decimal("0.8"), low_on_demand=Decimal("0.8"), high=Decimal(15))}


def offer(offer_id: str, usd: str, **more: object) -> CheckedOffer:
    known: dict[str, object] = {
        "label": f"runpod {offer_id} global",
        "gpu_id": "h100-sxm-80gb",
        "gpu_count": Decimal(1),
        "is_spot": False,
        "is_on_demand": True,
        "sibling": (offer_id,),
    }
    return CheckedOffer(offer_id=offer_id, usd_per_gpu_hour=Decimal(usd), **known | more)  # pyright: ignore[reportArgumentType]


GOOD = [offer("a", "2.5"), offer("b", "3")]


def breaches(offers: list[CheckedOffer], contract: Contract = CONTRACT) -> tuple[str, ...]:
    return check_contract(offers, contract, bands=BANDS).breaches


def doubts(offers: list[CheckedOffer], contract: Contract = CONTRACT) -> dict[str, str]:
    report = check_contract(offers, contract, bands=BANDS)
    assert report.breaches == ()
    return dict(report.doubts)


def test_a_believable_batch_has_no_breach():
    assert doubts(GOOD) == {}


def test_an_empty_batch_is_an_error_and_not_an_empty_market():
    assert "0 offers, at least 2 expected" in breaches([])


def test_too_few_offers():
    assert breaches(GOOD[:1]) == ("1 offer, at least 2 expected",)


def test_a_gpu_that_must_be_there():
    l40s = [offer("a", "1", gpu_id="l40s-48gb"), offer("b", "1", gpu_id=None)]
    assert breaches(l40s) == ("no offer of h100",)


@pytest.mark.parametrize("usd", ["0.79", "15.01", "20"])
def test_a_price_outside_the_band_of_its_gpu_is_doubted_and_closes_no_source(usd: str):
    assert doubts([*GOOD, offer("c", usd)]) == {
        "c": f"runpod c global: {usd} USD per GPU-hour is outside 0.8 to 15 for h100-sxm-80gb"
    }


@pytest.mark.parametrize("usd", ["0.8", "15"])
def test_the_bounds_themselves_are_believable(usd: str):
    assert doubts([*GOOD, offer("c", usd)]) == {}


@pytest.mark.parametrize("usd", ["0.009", "60.01"])
def test_a_gpu_without_a_band_is_held_to_the_outer_bounds(usd: str):
    assert doubts([*GOOD, offer("c", usd, gpu_id=None)])["c"].endswith("is outside 0.01 to 60 for any GPU")


def test_the_contract_may_be_narrower_than_the_band():
    narrow = replace(CONTRACT, usd_per_gpu_hour=(Decimal(1), Decimal(5)))
    assert set(doubts([*GOOD, offer("c", "0.9"), offer("d", "6")], narrow)) == {"c", "d"}


def test_a_gpu_that_is_there_but_doubted_is_not_missing():
    assert set(doubts([offer("a", "0.1"), offer("b", "0.1")])) == {"a", "b"}


def test_an_absurd_ask_of_a_marketplace_is_doubted_and_stays_in_the_batch():
    """Were it left out, the host's last price would seem to be withdrawn."""
    market = replace(CONTRACT, is_marketplace=True)
    report = check_contract([*GOOD, offer("c", "99")], market, bands=BANDS)
    assert (report.offers, set(report.doubts)) == (len(GOOD) + 1, {"c"})


SPOT = offer("s", "3.01", is_spot=True, is_on_demand=False, sibling=("b",))


def test_spot_above_on_demand_doubts_both():
    told = "spot 3.01 above on-demand 3"
    assert doubts([*GOOD, SPOT]) == {"s": told, "b": told}


def test_spot_at_the_price_of_on_demand_is_believable():
    assert doubts([*GOOD, replace(SPOT, usd_per_gpu_hour=Decimal(3))]) == {}


def test_spot_is_compared_with_its_own_sibling_only():
    assert doubts([*GOOD, replace(SPOT, sibling=("elsewhere",))]) == {}


def test_a_source_may_allow_spot_above_on_demand():
    assert doubts([*GOOD, SPOT], replace(CONTRACT, spot_below_on_demand=False)) == {}


def test_all_breaches_are_told_at_once():
    assert len(breaches([offer("a", "99", gpu_id=None)])) == 2


def test_every_band_is_of_a_known_gpu_and_in_order():
    bands = seed_bands()
    assert len(bands) > 50
    assert set(bands) <= set(gpus())
    assert all(0 < band.low < band.high for band in bands.values())


def sizes(*hourly: str) -> list[CheckedOffer]:
    """One GPU in sizes of 1, 2, 4 ... at so many dollars an hour for the instance."""
    return [
        offer(
            f"x{count}", str(Decimal(usd) / count), gpu_count=Decimal(count), market=("h100-sxm-80gb", "here")
        )
        for count, usd in zip((1, 2, 4, 8), hourly, strict=False)
    ]


def test_sizes_that_cost_the_same_show_a_price_per_gpu_taken_for_the_instance():
    told = "runpod x2 global: 2 GPUs cost no more than 1 as runpod x1 global"
    assert doubts(sizes("2.5", "2.5")) == {"x1": told, "x2": told}
    assert doubts(sizes("2.5", "5", "10", "20")) == {}


def test_a_larger_instance_may_cost_less_than_a_smaller_one_of_another_family():
    assert doubts(sizes("4.35", "3.91")) == {}


def test_hosts_of_a_marketplace_may_ask_the_same_for_more():
    market = replace(CONTRACT, larger_costs_more=False)
    assert doubts(sizes("2.5", "2.5"), market) == {}


def test_a_price_per_gpu_that_grows_with_the_gpus_is_that_of_the_instance():
    told = "runpod x8 global: each of 8 GPUs costs 8.0 times the one of runpod x1 global"
    assert doubts(sizes("1.5", "3", "6", "96")) == {"x1": told, "x8": told}


def test_a_larger_instance_may_cost_twice_as_much_per_gpu():
    assert doubts(sizes("1.01", "3.5", "7.2", "16.29")) == {}
