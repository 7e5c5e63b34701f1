"""The answers of the wild that `GPULEDGER_RECORDED` leads to, as the provider would send them.

Each entry says which adapter reads it and how it was wrapped. `NOT_ANSWERS` has every other file of the
folder with the reason, so that a file which is added is noticed.
"""

import csv
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from gpuledger.core.document import Document, Request

RECORDED = os.environ.get("GPULEDGER_RECORDED")
FOLDER = Path(RECORDED or "/nonexistent")
DAY = datetime(2026, 10, 31, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One file and its source."""

    source: str
    path: str
    url: str = ""
    unwrapped: Callable[[bytes], bytes] = lambda body: body
    rows: int
    """What the file lists: objects of its arrays, rows of its tables."""

    @property
    def name(self) -> str:
        """The file's name with the form that it has once unwrapped."""
        return self.path.replace(".csv", ".json") if self.unwrapped is lambdas_api else self.path

    @property
    def document(self) -> Document:
        return Document(
            source=self.source,
            request=Request(url=self.url or f"https://recorded.example/{self.path}"),
            body=self.unwrapped((FOLDER / self.path).read_bytes()),
            fetched_at=DAY,
        )


def a_page_of_skus(body: bytes) -> bytes:
    """The SKUs were kept without the page around them."""
    return b'{"skus": ' + body + b"}"


def lambdas_api(body: bytes) -> bytes:
    """The catalogue was made from Lambda's API; its rows go back into the API's shape, in cents."""
    rows = {row["InstanceType"]: row for row in csv.DictReader(body.decode().splitlines())}
    types = {
        name: {
            "instance_type": {
                "name": name,
                "gpu_description": row["AcceleratorName"],
                "price_cents_per_hour": int(Decimal(row["Price"]) * 100),
                "specs": {"gpus": int(Decimal(row["AcceleratorCount"] or 0))},
            },
            "regions_with_capacity_available": [],
        }
        for name, row in rows.items()
    }
    return json.dumps({"data": types}).encode()


SCALEWAY = "https://api.scaleway.com/instance/v1/zones/fr-par-1/products/servers?per_page=100&page=1"

ANSWERS = (
    Recorded(source="aws_on_demand", path="aws/ec2_ondemand_manifest_us-east-1_2026-10-06.json", rows=8),
    Recorded(source="aws_on_demand", path="aws/legacy_linux-od_2014.json", rows=218),
    Recorded(source="aws_spot", path="aws/spot_js_us-east_gpu.json", rows=284),
    Recorded(source="aws_spot", path="aws/spot_advisor_2021-02-10.json", rows=7890),
    Recorded(source="azure_retail", path="azure/retail_prices_eastus2_nd_2026-10.json", rows=23),
    Recorded(source="azure_retail", path="azure/retail_prices_eastus_nd_2026-07-27.json", rows=10),
    Recorded(source="coreweave", path="coreweave/pricing_2026-10-07_north-america.html", rows=12),
    Recorded(source="crusoe", path="crusoe/cloud_pricing_2026-10.html", rows=16),
    Recorded(source="digitalocean", path="digitalocean/sizes_excerpt.json", rows=3),
    Recorded(
        source="gcp_catalog",
        path="gcp/billing_skus_gpu_2025-06-17.json",
        rows=1073,
        unwrapped=a_page_of_skus,
    ),
    Recorded(source="gcp_catalog", path="gcp/billing_skus_list_opencost.json", rows=7),
    Recorded(source="gcp_page", path="gcp/pricing_2026-07-30.yml", rows=2634),
    Recorded(source="hyperstack", path="hyperstack/gpu_pricing_2026-10.html", rows=30),
    Recorded(
        source="lambda_cloud",
        path="lambda/skypilot_catalog_v8_vms_2026.csv",
        rows=15,
        unwrapped=lambdas_api,
    ),
    Recorded(source="linode", path="linode/types.json", rows=37),
    Recorded(source="nebius", path="nebius/prices_2026-09.html", rows=35),
    Recorded(source="oci_price_list", path="oci/products_gpu_2026-10.json", rows=9),
    Recorded(source="oci_price_list", path="oci/products_usd_2024.json", rows=450),
    Recorded(source="oci_price_list", path="oci/cost_estimator_shapes_excerpt.json", rows=2),
    Recorded(source="prime_intellect", path="primeintellect/availability_response.json", rows=8),
    Recorded(source="runpod", path="runpod/graphql_gpuTypes_2026-07-18.json", rows=49),
    Recorded(
        source="scaleway",
        path="scaleway/products_servers_fr-par-1_2025-11-12.json",
        rows=68,
        url=SCALEWAY,
    ),
    Recorded(source="vast", path="vastai/bundles_2026-07-18.json", rows=48),
    Recorded(source="verda", path="verda/instance_types_excerpt.json", rows=4),
    Recorded(source="vultr", path="vultr/plans_raw_2026-04-01.json", rows=22),
)

NOT_ANSWERS = {
    "aws/describe_instance_types_gpu_2026-08.json": "hardware without prices; held against the seed",
    "aws/ec2instances_info_gpu_2017-11.json": "another project's site",
    "aws/ec2instances_info_single_instance_2026-07-17.json": "another project's site, no GPU",
    "azure/filtered_gpu_prices_2025-06-21.json": "re-typed to six fields, spot no longer told from on-demand",
    "gcp/acceleratortyperegion.csv": "no prices",
    "gcp/acceleratortypezone.csv": "no prices",
    "gcp/billing_skus_error_opencost.json": "an error answer: refused",
    "libcloud/pricing_2025-03-02.json.gz": "another project's list",
    "ovh/prices_catalog.json": "a test server's list without a currency: refused",
    "sfcompute/home_2026-07-15.html": "no source of ours",
    "sparecores/gpu_servers_aws.jsonl": "hardware without prices",
    "sparecores/gpu_servers_azure.jsonl": "hardware without prices",
    "sparecores/gpu_servers_gcp.jsonl": "hardware without prices",
}

REFUSED = (
    Recorded(source="gcp_catalog", path="gcp/billing_skus_error_opencost.json", rows=1),
    Recorded(source="ovh", path="ovh/prices_catalog.json", rows=246),
)
