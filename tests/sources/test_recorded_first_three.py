"""RunPod, Lambda and CoreWeave answers of the wild, read from GPULEDGER_RECORDED. Skipped without it.

The Lambda folder holds no answer of Lambda but a catalogue that was made from its API; its rows are put back
into the API's shape here, which proves the unit and the names, not the wire format.
"""

import csv
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.registry import get
from tools.captures import skipped_by_reason

RECORDED = os.environ.get("GPULEDGER_RECORDED")
pytestmark = pytest.mark.skipif(RECORDED is None, reason="GPULEDGER_RECORDED is not set")


def parse(source: str, body: bytes) -> list[Fact]:
    document = Document(
        source=source,
        request=Request(url="https://recorded.example/"),
        body=body,
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )
    return list(get(source).parse(document))


def recorded(name: str) -> bytes:
    assert RECORDED is not None
    return (Path(RECORDED) / name).read_bytes()


def test_every_runpod_type_is_accounted_for_once_per_cloud():
    body = recorded("runpod/graphql_gpuTypes_2026-07-18.json")
    listed = json.loads(body)["data"]["gpuTypes"]
    facts = parse("runpod", body)
    offers = [fact for fact in facts if isinstance(fact, Offer)]
    assert len(listed) == 49
    assert len(facts) == 2 * (len(listed) - 1) + 1
    assert len(offers) == 66
    assert skipped_by_reason(facts) == {"not sold in this cloud": 30, "the id is 'unknown'": 1}


def test_runpod_totals_for_eight_gpus_are_no_prices():
    facts = parse("runpod", recorded("runpod/graphql_gpuTypes_2026-07-18.json"))
    prices = {(fact.sku, fact.tier): fact.price.amount for fact in facts if isinstance(fact, Offer)}
    assert prices["NVIDIA H100 80GB HBM3", "secure"] == Decimal("2.99")
    assert prices["NVIDIA H100 80GB HBM3", "community"] == Decimal("2.69")
    assert max(prices.values()) == Decimal("7.39")


def test_coreweave_nodes_have_the_published_price_and_count():
    facts = parse("coreweave", recorded("coreweave/pricing_2026-10-07_north-america.html"))
    offers = {(fact.sku, fact.purchase_option): fact for fact in facts if isinstance(fact, Offer)}
    h100 = offers["hgx-h100", PurchaseOption.ON_DEMAND]
    assert h100.price.amount == Decimal("49.24")
    assert usd_per_hour(h100) / h100.gpu_count == Decimal("6.155")
    assert offers["hgx-h100", PurchaseOption.SPOT].price.amount == Decimal("19.71")
    assert offers["nvidia-gb200-nvl72", PurchaseOption.ON_DEMAND].gpu_count == 4
    assert len(offers) == 18
    on_demand = sum(key[1] is PurchaseOption.ON_DEMAND for key in offers)
    assert on_demand + skipped_by_reason(facts)["contact sales"] == 12


def test_lambda_types_keep_count_unit_and_name():
    text = recorded("lambda/skypilot_catalog_v8_vms_2026.csv").decode()
    types: dict[str, dict[str, str]] = {row["InstanceType"]: row for row in csv.DictReader(text.splitlines())}
    answer = {
        name: {
            "instance_type": {
                "name": name,
                "gpu_description": row["AcceleratorName"],
                "price_cents_per_hour": int(Decimal(row["Price"]) * 100),
                "specs": {"gpus": int(Decimal(row["AcceleratorCount"] or 0))},
            },
            "regions_with_capacity_available": [],
        }
        for name, row in types.items()
    }
    facts = parse_without_labels(answer)
    offers = [fact for fact in facts if isinstance(fact, Offer)]
    assert len(offers) + sum(isinstance(fact, Skipped) for fact in facts) == len(types) > 10
    assert {fact.reason for fact in facts if isinstance(fact, Skipped)} == {"no GPU"}
    for offer in offers:
        assert usd_per_hour(offer) == Decimal(types[offer.sku]["Price"])
        assert offer.gpu_count == Decimal(types[offer.sku]["AcceleratorCount"])


def parse_without_labels(answer: dict[str, object]) -> list[Fact]:
    """The catalogue's own GPU names are not Lambda's, so they are not held against the aliases."""
    document = Document(
        source="lambda_cloud",
        request=Request(url="https://recorded.example/"),
        body=json.dumps({"data": answer}).encode(),
        fetched_at=datetime(2026, 10, 7, tzinfo=UTC),
    )
    return list(get("lambda_cloud").parse(document))
