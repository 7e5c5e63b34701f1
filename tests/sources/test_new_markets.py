"""Akash, CloudRift, Thunder Compute, gpurentalprices' daily file, and the sources that need a key: one gotcha each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError
from gpuledger.core.offer import Availability, Offer, PurchaseOption
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers import gpurentalprices_daily
from gpuledger.scrapers.registry import SOURCES, get
from tools.captures import skipped_by_reason

AT = datetime(2026, 11, 20, tzinfo=UTC)


def facts(source: str, body: Any, **context: str) -> list[Any]:
    document = Document(
        source=source,
        request=Request(url="https://a.example/", context=context),
        body=json.dumps(body).encode(),
        fetched_at=AT,
    )
    return list(get(source).parse(document))


def model(**changes: Any) -> dict[str, Any]:
    known = {
        "vendor": "nvidia",
        "model": "h100",
        "ram": "80Gi",
        "interface": "SXM5",
        "availability": {"total": 68, "available": 19},
        "price": {"currency": "USD", "min": 2.04, "weightedAverage": 2.58, "med": 2.55},
    }
    return {"models": [known | changes]}


def test_akash_is_priced_at_the_average_of_its_bids_per_gpu_and_never_at_the_lowest():
    (offer,) = facts("akash", model())
    assert (offer.price.amount, offer.price.unit) == (Decimal("2.58"), "gpu_hour")
    assert (offer.gpu_label, offer.gpu_memory_gib, offer.max_gpus) == ("nvidia h100 80Gi SXM5", 80, 19)


def test_a_model_of_akash_without_bids_has_no_price_and_one_without_free_cards_is_sold_out():
    assert skipped_by_reason(facts("akash", model(price=None))) == {"nobody bid in the past month": 1}
    (offer,) = facts("akash", model(availability={"total": 4, "available": 0}))
    assert offer.availability is Availability.SOLD_OUT


def cloudrift(**changes: Any) -> dict[str, Any]:
    known = {
        "name": "rtx49-10c.8",
        "cost_per_hour": 312,
        "cpu_count": 80,
        "dram": 400 * 2**30,
        "gpu_count": 8,
        "vram": 24 * 2**30,
        "nodes_per_dc": {"us-east-1": 2, "us-west-1": 0},
    }
    return {"data": {"instance_types": [{"brand_short": "RTX 4090", "variants": [known | changes]}]}}


def test_cloudrift_is_in_cents_per_instance_and_sold_per_data_centre():
    east, west = facts("cloudrift", cloudrift())
    assert (usd_per_hour(east), east.gpu_count, east.gpu_memory_gib) == (Decimal("3.12"), 8, 24)
    assert (east.availability, west.availability) == (Availability.AVAILABLE, Availability.SOLD_OUT)


def test_a_variant_of_cloudrift_that_no_data_centre_lists_is_not_sold():
    assert skipped_by_reason(facts("cloudrift", cloudrift(nodes_per_dc={}))) == {"sold in no data centre": 1}


def test_thunder_compute_prices_the_instance_and_a_gpu_shared_in_time_is_no_whole_card():
    found = facts(
        "thundercompute",
        {"pricing": {"h100_x8_production": 17.52, "a100xl_x1_prototyping": 0.78, "disk_gb": 0.00002}},
    )
    (offer,) = [fact for fact in found if isinstance(fact, Offer)]
    assert (usd_per_hour(offer), offer.gpu_count) == (Decimal("17.52"), 8)
    assert skipped_by_reason(found) == {"a GPU that is shared in time with others": 1, "no accelerator": 1}


def test_whoever_is_read_directly_without_a_key_is_not_taken_from_another_project():
    keyless = {
        source.provider
        for source in SOURCES
        if source.confidence == "direct"
        and source.name not in {"gpurentalprices_daily", "ecb"}
        and any(request.credential is None for request in source.requests)
    }
    assert keyless == gpurentalprices_daily.READ_DIRECTLY
    with_key = {
        source.provider
        for source in SOURCES
        if source.requests and all(request.credential is not None for request in source.requests)
    }
    assert with_key - keyless == set(gpurentalprices_daily.READ_WITH_KEY)


def rental(
    provider: str, kind: str = "on-demand", fetched_at: str = "2026-11-19T08:00:00Z"
) -> dict[str, Any]:
    row = {
        "provider": provider,
        "gpu": "h100-sxm",
        "vram_gb": 80,
        "usd_hr": 1.99,
        "kind": kind,
        "fetched_at": fetched_at,
    }
    return {"offers": [row], "providers": {}, "generated_at": "2026-11-19T08:00:00Z"}


def test_the_daily_file_names_the_provider_and_the_project_that_saw_it():
    (offer,) = facts("gpurentalprices_daily", rental("voltagepark"))
    assert (offer.provider, offer.via, offer.observed_at) == ("voltagepark", "gpurentalprices", None)


def test_the_daily_file_never_speaks_for_a_provider_that_is_read_directly_nor_of_old_rows():
    assert skipped_by_reason(facts("gpurentalprices_daily", rental("runpod"))) == {
        "read from the provider itself": 1
    }
    assert len(facts("gpurentalprices_daily", rental("tensordock"), has_key="hotaisle")) == 1
    assert skipped_by_reason(
        facts("gpurentalprices_daily", rental("tensordock"), has_key="hotaisle tensordock")
    ) == {"read from the provider itself": 1}
    old = rental("voltagepark", fetched_at="2026-11-10T08:00:00Z")
    assert skipped_by_reason(facts("gpurentalprices_daily", old)) == {"not seen within two days": 1}


def jarvis(**changes: Any) -> dict[str, Any]:
    return {
        "gpu_type": "L4",
        "region": "india-noida-01",
        "num_free_devices": 0,
        "effective_num_free_devices": 0,
        "spot_num_free_devices": 2,
        "price_per_hour": 0.44,
        "spot_price": 0.29,
        "vram": "24",
        "workload_type": "container",
        "num_gpus": "8",
    } | changes


def test_jarvislabs_sells_spot_for_containers_alone():
    both = facts("jarvislabs", {"server_meta": [jarvis()]})
    assert [offer.purchase_option for offer in both] == [PurchaseOption.ON_DEMAND, PurchaseOption.SPOT]
    assert [offer.availability for offer in both] == [Availability.SOLD_OUT, Availability.AVAILABLE]
    (offer,) = facts("jarvislabs", {"server_meta": [jarvis(workload_type="vm")]})
    assert (offer.purchase_option, offer.gpu_memory_gib, offer.max_gpus) == (PurchaseOption.ON_DEMAND, 24, 8)


def test_pools_of_jarvislabs_are_one_offer_unless_their_prices_differ():
    pools = [jarvis(workload_type="vm"), jarvis(workload_type="vm", effective_num_free_devices=4)]
    (offer,) = [fact for fact in facts("jarvislabs", {"server_meta": pools}) if isinstance(fact, Offer)]
    assert offer.availability is Availability.AVAILABLE
    with pytest.raises(ParseError, match="two prices"):
        facts("jarvislabs", {"server_meta": [pools[0], jarvis(workload_type="vm", price_per_hour=0.5)]})


def test_hot_aisle_is_in_cents_per_machine_and_nothing_left_is_sold_out():
    machine = {
        "OnDemandPrice": 2392,
        "Quantity": 0,
        "Specs": {"cpu_cores": 104, "ram_capacity": 2**40, "gpus": [{"count": 8, "model": "MI300X"}]},
    }
    (offer,) = facts("hotaisle", [machine])
    assert (usd_per_hour(offer), offer.gpu_count, offer.memory_gib) == (Decimal("23.92"), 8, 1024)
    assert offer.availability is Availability.SOLD_OUT


def test_seeweb_is_in_euros_per_plan_and_sold_per_region():
    plan = {
        "name": "ECS2GPU3",
        "cpu": "32",
        "ram": "245760",
        "gpu": "2",
        "gpu_label": "A100 80GB",
        "hourly_price": 3.96,
        "available": True,
        "available_regions": [{"location": "it-fr2"}, {"location": "it-mi2"}, {"location": "it-fr2"}],
    }
    found = facts("seeweb", {"plans": [plan]})
    assert [(o.region, o.price.currency, o.gpu_count, o.memory_gib) for o in found] == [
        ("it-fr2", "EUR", 2, 240),
        ("it-mi2", "EUR", 2, 240),
    ]
    assert skipped_by_reason(facts("seeweb", {"plans": [plan | {"available": False}]})) == {
        "no longer on sale": 1
    }


def test_a_gpu_of_tensordock_is_priced_with_the_machine_around_it():
    gpu = {
        "v0Name": "h100-sxm5-80gb",
        "displayName": "H100 SXM5 80GB",
        "max_count": 4,
        "price_per_hr": 2.25,
        "pricing": {"per_vcpu_hr": 0.003, "per_gb_ram_hr": 0.002, "per_gb_storage_hr": 0.00005},
    }
    place = {"id": "loc-1", "city": "Chubbuck", "country": "United States", "gpus": [gpu]}
    (offer,) = facts("tensordock", {"data": {"locations": [place]}})
    assert offer.price.amount == Decimal("2.25") + Decimal("0.012") + Decimal("0.032") + Decimal("0.005")
    assert (offer.vcpus, offer.memory_gib, offer.max_gpus, offer.region) == (4, 16, 4, "United States")
    place["gpus"] = [gpu | {"pricing": {}}]
    assert skipped_by_reason(facts("tensordock", {"data": {"locations": [place]}})) == {
        "no price of the GPU or of the parts around it": 1
    }
