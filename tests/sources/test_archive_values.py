"""Values as archives write them: decimal commas, places and providers in other spellings, spot over on demand."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Skipped
from gpuledger.core.provider import known_region
from gpuledger.core.provider_name import MANAGED_TIERS, TIERS, cloud_in, is_known, named_provider, provider_id
from gpuledger.scrapers.archives import changes
from gpuledger.scrapers.archives.archive_row import amount_text
from tests.sources.test_archives import offers, read, reasons

AMOUNTS = {
    "$32.77": "32.77",
    "1,234.50": "1234.50",
    "1,234": "1234",
    "12,345,678": "12345678",
    "0,12": "0.12",
    "1,20": "1.20",
    "1,85": "1.85",
    "0,125": "0.125",
    "€ 2,60": "2.60",
    "1.234,50": "1234.50",
    "1.85": "1.85",
    "1,2,3": "1,2,3",
    "12,34,567": "12,34,567",
}


@pytest.mark.parametrize("text", AMOUNTS)
def test_a_comma_parts_thousands_or_decimals_and_never_vanishes(text: str):
    assert amount_text(text) == AMOUNTS[text]


def test_a_list_with_decimal_commas_is_read_and_a_comma_that_fits_nothing_is_refused():
    body = (
        "observed_at,provider,instance_type,region,price,gpu_label,gpu_count\n"
        '2026-10-25,euro,g1,de,"0,12",RTX 5070,1\n2026-10-25,euro,g2,de,"1,2,3",L40S,1\n'
    )
    facts = read("changes", body)
    assert [offer.price.amount for offer in offers(facts)] == [Decimal("0.12")]
    assert reasons(facts) == {"the price is not a plain number": 1}


PROVIDERS = {
    "AWS EC2": "aws",
    "Amazon Web Services": "aws",
    "RunPod": "runpod",
    "Vast.ai": "vast",
    "DataCrunch": "verda",
    "Lambda Labs": "lambda",
    "Google Cloud Platform": "gcp",
    "Microsoft Azure": "azure",
    "Oracle Cloud": "oci",
    "Thunder Compute": "thundercompute",
    "Hot Aisle": "hotaisle",
    "Latitude.sh": "latitude",
    "Verda (DataCrunch)": "verda",
    "SF Compute": "sfcompute",
    "Some New Cloud": "some_new_cloud",
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_has_one_id_however_it_is_written(name: str):
    assert provider_id(name) == PROVIDERS[name]
    assert provider_id(provider_id(name)) == PROVIDERS[name]


NAMES = {
    # what a list calls it: the cloud, the tier or product, the way to buy
    "RunPod Community": ("runpod", "community", None),
    "RunPod Secure Cloud": ("runpod", "secure", None),
    "RunPod (Community)": ("runpod", "community", None),
    "runpod_community": ("runpod", "community", None),
    "AWS SageMaker": ("aws", "sagemaker", None),
    "Amazon SageMaker": ("aws", "sagemaker", None),
    "Google Cloud Vertex AI": ("gcp", "vertex_ai", None),
    "Azure ML": ("azure", "azure_ml", None),
    "Azure Spot": ("azure", None, "spot"),
    "GCP Preemptible VMs": ("gcp", None, "spot"),
    "AWS EC2 On-Demand": ("aws", None, "on_demand"),
    "AWS EC2": ("aws", None, None),
    "RunPod Community Spot": ("runpod", "community", "spot"),
    "RunPod Spot (Community Cloud)": ("runpod", "community", "spot"),
    "AWS SageMaker Spot": ("aws", "sagemaker", "spot"),
    "Google Cloud Platform (GCP)": ("gcp", None, None),
    "AWS Capacity Blocks": ("aws", None, "capacity_block"),
    "Amazon EC2 Capacity Blocks for ML": ("aws", None, "capacity_block"),
    "Google Cloud DWS Calendar Mode": ("gcp", None, "capacity_block"),
    "Azure Low Priority": ("azure", None, "spot"),
    "Azure Low-Priority VMs": ("azure", None, "spot"),
    "AWS Savings Plans": ("aws", None, "reserved"),
    "GCP Committed Use Discounts": ("gcp", None, "reserved"),
    "AWS GovCloud (US)": ("aws", "govcloud", None),
    "Azure Government": ("azure", "government", None),
    "AWS China": ("aws", "china", None),
    "RunPod Serverless": ("runpod", "serverless", None),
    "RunPod Instant Clusters": ("runpod", "cluster", None),
    "Lambda 1-Click Clusters": ("lambda", "cluster", None),
    "Lambda 1CC": ("lambda", "cluster", None),
    "AWS Dedicated Hosts": ("aws", "dedicated", None),
    "Latitude.sh Bare Metal": ("latitude", "bare_metal", None),
    "GCP Flex Start": ("gcp", "flex_start", None),
    "TensorDock Marketplace": ("tensordock", None, None),
    "DigitalOcean GPU Droplets": ("digitalocean", None, None),
    "RunPod GPU Cloud": ("runpod", None, None),
    # what nobody knows is no guess
    "AWS Marketplace": ("aws_marketplace", None, None),
    "AWS Outposts": ("aws_outposts", None, None),
    # two ways to buy are none
    "AWS Spot Reserved": ("aws_spot_reserved", None, None),
    # a stranger may be called so
    "Hugging Face Community": ("hugging_face_community", None, None),
    "Secure Cloud": ("secure_cloud", None, None),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_tier_a_product_or_a_way_to_buy_is_no_provider(name: str):
    named = named_provider(name)
    assert (named.provider, named.tier, named.purchase_option) == NAMES[name]


def test_a_name_that_holds_a_clouds_beside_words_that_nobody_knows_is_told_from_a_stranger():
    names = ("AWS Outposts", "AWS Spot", "aws", "Fluidstack", "Spheron", "runpod_serverless_flex")
    assert [cloud_in(name) for name in names] == ["aws", None, None, None, None, "runpod"]
    assert [is_known(name) for name in names] == [False, True, True, False, True, False]


def test_every_tier_that_a_name_may_say_can_be_asked_for():
    assert set(TIERS) == {"secure", "community"} | MANAGED_TIERS


ROWS = {
    "RunPod Community,L4,on_demand": ("runpod", "community", "on_demand"),
    "RunPod Community,L4,community": ("runpod", "community", "on_demand"),
    "RunPod Community,L4,spot": ("runpod", "community", "spot"),
    "Azure Spot,L4,": ("azure", None, "spot"),
    "AWS SageMaker,L4,on_demand": ("aws", "sagemaker", "on_demand"),
    "AWS On-Demand,L4,spot": "the provider's name says another way to buy than the row",
    "Lambda Reserved,L4,": "a commitment or a price that is not described fully",
    "Lambda Reserved,L4,12mo": ("lambda", None, "reserved"),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_list_that_names_more_than_the_cloud_is_read_as_its_tier_or_way_to_buy(row: str):
    text = "date,provider,gpu_type,price_tier,per_gpu_hourly_usd\n2026-08-01," + row + ",1.5\n"
    request = Request(url="file:list.csv", context={})
    (seen,) = changes.parse(
        Document(
            source="changes", request=request, body=text.encode(), fetched_at=datetime(2026, 9, 1, tzinfo=UTC)
        )
    )
    if isinstance(seen, Skipped):
        assert seen.reason == ROWS[row]
    else:
        assert (seen.provider, seen.tier, seen.purchase_option) == ROWS[row]


REGIONS = {
    ("azure", "WestUS3"): "westus3",
    ("azure", "West US 3"): "westus3",
    ("azure", "East US"): "eastus",
    ("azure", "some new region 2"): "somenewregion2",
    ("aws", "US East (N. Virginia)"): "us-east-1",
    ("aws", "Europe (Frankfurt)"): "eu-central-1",
    ("aws", "EU (Frankfurt)"): "eu-central-1",
    ("aws", "US-EAST-1"): "us-east-1",
    ("gcp", "US-Central1"): "us-central1",
    ("runpod", "EU-RO-1"): "EU-RO-1",
}


@pytest.mark.parametrize(("provider", "name"), REGIONS)
def test_a_region_has_one_code_however_it_is_spelled(provider: str, name: str):
    assert known_region(provider, name) == REGIONS[provider, name]


SKYPILOT = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,"
    "AvailabilityZone\n"
)


def test_spot_of_two_zones_is_two_offers():
    body = f"{SKYPILOT}p5en.48xlarge,H200,8,192,2048,,84.8,21.1,us-east-2,use2-az1\n"
    body += "p5en.48xlarge,H200,8,192,2048,,84.8,14.8,us-east-2,use2-az2\n"
    facts = read("skypilot", body, url="catalogs/v8/aws/vms.csv", observed_at="2026-05-01")
    spot = {o.zone: o.price.amount for o in offers(facts) if o.purchase_option == "spot"}
    assert spot == {"use2-az1": Decimal("21.1"), "use2-az2": Decimal("14.8")}


def test_spot_over_the_on_demand_price_is_refused_and_the_on_demand_price_stands():
    body = f"{SKYPILOT}Standard_NC40ads_H100_v5,H100,1,40,320,H100,6.98,7.5,WestUS3,\n"
    facts = read("skypilot", body, url="catalogs/v8/azure/vms.csv", observed_at="2026-05-01")
    assert [(o.region, o.purchase_option, o.price.amount) for o in offers(facts)] == [
        ("westus3", "on_demand", Decimal("6.98"))
    ]
    assert reasons(facts) == {"a spot price over the on-demand price": 1}


def test_skypilot_states_the_memory_of_all_accelerators_together():
    info = "\"{'Gpus': [{'Name': 'H100', 'Count': 2}], 'TotalGpuMemoryInMiB': 191660}\""
    body = f"{SKYPILOT}2x-H100_NVL-32-65536,H100,2,32,64,{info},4.53,0.00,AU,\n"
    (offer,) = offers(read("skypilot", body, url="catalogs/v8/vast/vms.csv", observed_at="2026-05-01"))
    assert offer.gpu_memory_gib == Decimal("93.58")


DAY = '"generated_at": "2026-10-08T08:47:13Z", "providers": {}'


def rental(*rows: str) -> str:
    return '{"offers": [' + ",".join(rows) + "], " + DAY + "}"


def row(provider: str, kind: str, usd: str, gpu: str = "h100-sxm", more: str = "") -> str:
    return f'{{"provider": "{provider}", "gpu": "{gpu}", "vram_gb": 80, "usd_hr": {usd}, "kind": "{kind}"{more}}}'


def test_gpurentalprices_names_community_marketplace_and_interruptible_prices():
    body = rental(
        row("runpod", "community", "2.3"),
        row("runpod", "secure", "2.7"),
        row("vast", "interruptible", "1.1"),
        row("lium", "marketplace", "2.05"),
        row("latitude", "reserved", "2.9", more=', "commitment": {"months": 12}'),
    )
    facts = read("gpurentalprices", body)
    assert {(o.provider, o.purchase_option.value, o.tier, o.term_months) for o in offers(facts)} == {
        ("runpod", "on_demand", "community", None),
        ("runpod", "on_demand", "secure", None),
        ("vast", "spot", None, None),
        ("lium", "on_demand", "community", None),
        ("latitude", "reserved", None, Decimal(12)),
    }
    assert reasons(facts) == {}


def test_gpurentalprices_leaves_out_what_is_no_price_of_a_machine():
    body = rental(
        row("modal", "serverless", "3.9"),
        row("gcp", "on-demand", "9.79"),
        row(
            "daytona", "on-demand", "3.95", more=', "instance": "H100; GPU rate only, CPU billed separately"'
        ),
        row("latitude", "reserved", "2.9"),
        row("lium", "marketplace", "2.05"),
        row("lium", "marketplace", "2.75"),
        row("nebius", "auction", "2.75"),
    )
    assert reasons(read("gpurentalprices", body)) == {
        "priced by the run of a function, not by the machine": 1,
        "the GPU alone, without the machine around it": 2,
        "a commitment that is not described fully": 1,
        "not the cheapest of its kind that day": 1,
        "a kind of price that is not known": 1,
    }


def test_the_sign_of_a_currency_is_not_taken_for_dollars():
    body = (
        "observed_at,provider,instance_type,region,price,currency,gpu_label,gpu_count\n"
        "2026-10-25,euro,g1,de,24.99 €,,L40S,8\n2026-10-25,euro,g2,de,£2.10,,L40S,1\n"
        "2026-10-25,euro,g3,de,€2.10,USD,L40S,1\n2026-10-25,euro,g4,de,$2.10,,L40S,1\n"
    )
    facts = read("changes", body)
    assert [offer.price.currency for offer in offers(facts)] == ["EUR", "GBP", "USD"]
    assert reasons(facts) == {"the price's sign is of another currency than the row states": 1}
