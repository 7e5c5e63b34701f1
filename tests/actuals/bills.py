"""Bills as providers write them, small."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

HOUR = {"ChargePeriodStart": "2026-10-05T00:00:00Z", "ChargePeriodEnd": "2026-10-05T01:00:00Z"}
FOCUS_ROW: dict[str, Any] = {
    **HOUR,
    "BilledCost": "98.32",
    "EffectiveCost": "98.32",
    "ListCost": "98.32",
    "BillingAccountId": "111122223333",
    "SubAccountId": "444455556666",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z",
    "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeDescription": "$98.32 per On Demand Linux p5.48xlarge Instance Hour",
    "ConsumedQuantity": "1",
    "ConsumedUnit": "Hours",
    "PricingCategory": "Standard",
    "ProviderName": "AWS",
    "RegionId": "us-east-1",
    "ResourceId": "arn:aws:ec2:us-east-1:444455556666:instance/i-0abc",
    "ServiceCategory": "Compute",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "x_UsageType": "BoxUsage:p5.48xlarge",
}
AZURE_ROW = FOCUS_ROW | {
    "ProviderName": "Microsoft",
    "RegionId": "eastus",
    "ChargeDescription": "Virtual Machines NDSH100v5 Series - ND96isr H100 v5 - US East",
    "x_SkuMeterName": "ND96isr H100 v5",
    "x_UsageType": None,
    "Tags": '{"gpuledger-plan":"Llama-2-7B-QLoRA"}',
}
GOOGLE_ROW = FOCUS_ROW | {
    "ProviderName": "Google Cloud",
    "RegionId": "us-central1",
    "x_UsageType": None,
    "ChargeDescription": "Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Americas",
    "ConsumedQuantity": "8",
    "ConsumedUnit": "GPU-Hours",
    "PricingCategory": "Dynamic",
    "Tags": '[{"key": "gpuledger-quote", "value": "0123456789abcdef"}]',
}
COREWEAVE_ROW = {
    **HOUR,
    "BillingAccountId": "org-7",
    "ChargeCategory": "Usage",
    "ConsumedQuantity": "64",
    "ConsumedUnit": "GPU-Hours",
    "ProviderName": "CoreWeave",
    "RegionId": "US-EAST-04",
    "ServiceCategory": "Compute",
    "ServiceName": "CKS",
    "ResourceName": "NVIDIA H100",
    "BilledCost": "",
    "EffectiveCost": "",
}
NEBIUS_ROW = {
    **HOUR,
    "BilledCost": "23.60",
    "EffectiveCost": "23.60",
    "BillingCurrency": "USD",
    "ChargeCategory": "Usage",
    "ChargeDescription": "NVIDIA H100 NVLink with Intel Sapphire Rapids",
    "ConsumedQuantity": "8",
    "ConsumedUnit": "GPU-Hours",
    "PricingCategory": "Standard",
    "ProviderName": "Nebius",
    "RegionId": "eu-north1",
    "ServiceCategory": "Compute",
    "ServiceName": "Compute",
}
CUR_ROW = {
    "bill_payer_account_id": "111122223333",
    "line_item_usage_account_id": "444455556666",
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": "2026-10-05 00:00:00.000",
    "line_item_usage_end_date": "2026-10-05 01:00:00.000",
    "line_item_usage_type": "BoxUsage:p5.48xlarge",
    "line_item_usage_amount": "1",
    "line_item_unblended_cost": "98.32",
    "line_item_currency_code": "USD",
    "line_item_resource_id": "i-0abc",
    "line_item_product_code": "AmazonEC2",
    "line_item_line_item_description": "$98.32 per On Demand Linux p5.48xlarge Instance Hour",
    "pricing_unit": "Hrs",
    "product_instance_type": "p5.48xlarge",
    "product_region_code": "us-east-1",
    "pricing_public_on_demand_cost": "98.32",
    "resource_tags": '{"user_gpuledger_plan":"llama-2-7b-qlora"}',
}
RUNPOD = [
    {
        "amount": 11.96,
        "diskSpaceBilledGb": 50,
        "gpuTypeId": "NVIDIA H100 80GB HBM3",
        "podId": "xedezhzb9la3ye",
        "time": "2026-10-05T00:00:00Z",
        "timeBilledMs": 14_400_000,
    }
]
VAST = [
    {
        "type": "charge",
        "description": "Instance 123 GPU charge: hours * $/hr",
        "timestamp": 1791158400,
        "quantity": "10.000",
        "rate": "1.9000",
        "amount": "19.000",
        "instance_id": 123,
    },
    {
        "type": "payment",
        "description": "Card",
        "timestamp": 1791158400,
        "quantity": "1",
        "rate": "50",
        "amount": "50",
        "instance_id": None,
    },
]
LAMBDA = """Start time,End time,Instance type,Region,Hours,Price per hour,Cost
2026-10-05 00:00:00,2026-10-05 10:00:00,gpu_8x_a100_80gb_sxm4,us-west-1,10,$22.32,$223.20
"""


def table(*rows: dict[str, Any]) -> str:
    """CSV with every column that a row has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def json_text(rows: list[dict[str, Any]], envelope: str | None = None) -> str:
    """JSON, in an envelope or not."""
    return json.dumps({envelope: rows, "metadata": {}} if envelope else rows)
