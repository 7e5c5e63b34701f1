"""AWS adapters and seeds against real answers of AWS, kept outside the repository (`GPULEDGER_RECORDED`)."""

import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Fact, InterruptionBand, Offer, Skipped
from gpuledger.core.provider import instance_shape
from gpuledger.scrapers import aws_on_demand, aws_spot
from tools.captures import skipped_by_reason

FOLDER = os.environ.get("GPULEDGER_RECORDED")
AWS = Path(FOLDER or "/nonexistent") / "aws"

pytestmark = pytest.mark.skipif(not FOLDER, reason="GPULEDGER_RECORDED is not set")

MAP = "ec2_ondemand_manifest_us-east-1_2026-10-06.json"
SPOT = "spot_js_us-east_gpu.json"
ADVISOR = "spot_advisor_2021-02-10.json"
OLD_FEED = "legacy_linux-od_2014.json"


def map_rows(answer: Any) -> int:
    return sum(len(charges) for charges in answer["regions"].values())


def feed_rows(answer: Any) -> int:
    sizes = [
        size
        for region in answer["config"]["regions"]
        for family in region["instanceTypes"]
        for size in family["sizes"]
    ]
    return sum(len(size["valueColumns"]) for size in sizes)


def advisor_rows(answer: Any) -> int:
    return sum(len(types) for systems in answer["spot_advisor"].values() for types in systems.values())


Parse = Callable[[Document], Iterable[Fact]]

FILES: list[tuple[str, Parse, Callable[[Any], int]]] = [
    (MAP, aws_on_demand.parse, map_rows),
    (OLD_FEED, aws_on_demand.parse, feed_rows),
    (SPOT, aws_spot.parse, feed_rows),
    (ADVISOR, aws_spot.parse, advisor_rows),
]


def facts_of(name: str, parse: Parse) -> list[Fact]:
    request = Request(url=f"https://aws.amazon.com/{name}")
    body = (AWS / name).read_bytes()
    return list(parse(Document(source="aws", request=request, body=body, fetched_at=datetime.now(UTC))))


def offers_of(name: str, parse: Parse) -> dict[tuple[str, str], Offer]:
    found = [fact for fact in facts_of(name, parse) if isinstance(fact, Offer)]
    return {(offer.instance_type, offer.region): offer for offer in found}


@pytest.mark.parametrize(("name", "parse", "count"), FILES, ids=[name for name, _, _ in FILES])
def test_every_row_is_a_fact_or_has_a_reason(name: str, parse: Parse, count: Callable[[Any], int]):
    rows = count(json.loads((AWS / name).read_bytes()))
    facts = facts_of(name, parse)
    skipped = skipped_by_reason(facts)
    kept = [fact for fact in facts if not isinstance(fact, Skipped)]
    assert rows == len(facts) == len(kept) + sum(skipped.values())
    assert kept
    assert "an accelerator type that the seed lacks" not in skipped


@pytest.mark.parametrize(
    ("instance_type", "amount", "gpu_count"),
    [("p5.4xlarge", "6.88", 1), ("p5.48xlarge", "55.04", 8), ("p4d.24xlarge", "21.957642", 8)],
)
def test_on_demand_prices_of_us_east_1(instance_type: str, amount: str, gpu_count: int):
    offer = offers_of(MAP, aws_on_demand.parse)[instance_type, "us-east-1"]
    assert (offer.price.amount, offer.price.unit, offer.gpu_count) == (Decimal(amount), "hour", gpu_count)


def test_spot_lies_below_on_demand_of_the_same_type_and_region():
    on_demand, spot = offers_of(MAP, aws_on_demand.parse), offers_of(SPOT, aws_spot.parse)
    both = set(on_demand) & set(spot)
    assert len(both) >= 6
    assert [key for key in both if spot[key].price.amount >= on_demand[key].price.amount] == []


def test_a_gpu_costs_the_same_order_of_money_in_every_size():
    per_gpu: dict[str, list[Decimal]] = {}
    for offer in offers_of(MAP, aws_on_demand.parse).values():
        per_gpu.setdefault(str(seed_aliases().resolve("aws", offer.gpu_label, None)), []).append(
            offer.price.amount / offer.gpu_count
        )
    assert per_gpu["h100-sxm-80gb"] == [Decimal("6.88"), Decimal("6.88")]


def test_bands_are_within_a_month():
    bands = [fact for fact in facts_of(ADVISOR, aws_spot.parse) if isinstance(fact, InterruptionBand)]
    assert len(bands) > 200
    assert all(0 <= band.low < band.high <= 1 for band in bands)


def test_the_seed_agrees_with_what_ec2_says_about_its_types():
    described = json.loads((AWS / "describe_instance_types_gpu_2026-08.json").read_bytes())
    assert len(described) == 70
    for name, record in described.items():
        shape, gpu = instance_shape("aws", name), record["GpuInfo"]["Gpus"][0]
        assert shape, name
        share = Decimal(str(gpu["GpuPartitionSize"]))
        assert shape.gpu_count == gpu["LogicalGpuCount"] * share, name
        assert shape.gpu_label == gpu["Name"]
        assert shape.vcpus == record["VCpuInfo"]["DefaultVCpus"]
        assert shape.gpu_memory_gib
        # EC2 states the memory of a slice; the seed holds that of the whole card.
        memory = Decimal(gpu["MemoryInfo"]["SizeInMiB"]) / 1024
        assert abs(shape.gpu_memory_gib * share - memory) < Decimal("0.1"), name


def test_the_seed_agrees_with_the_accelerators_of_another_catalogue():
    path = Path(FOLDER or "") / "sparecores" / "gpu_servers_aws.jsonl"
    servers = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(servers) == 70
    for server in servers:
        shape = instance_shape("aws", server["api_reference"])
        assert shape, server["api_reference"]
        assert (shape.gpu_count, shape.vcpus) == (Decimal(str(server["gpu_count"])), server["vcpus"])
