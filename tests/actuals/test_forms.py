"""Every form of bill, to the same charges."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gpuledger.core.errors import UsageError
from tests.actuals import bills
from tests.actuals.conftest import Taken

Stored = Callable[[], list[dict[str, Any]]]
SALTED = {"account", "sub_account", "resource"}
# name of the file, its text, and of its first charge: provider, accelerator, GPU-hours, dollars, option
FORMS = {
    "FOCUS 1.0 of AWS": (
        *("aws.csv", bills.table(bills.FOCUS_ROW)),
        ("aws", "h100-sxm-80gb", 8.0, "98.32", "on_demand"),
    ),
    "FOCUS 1.1, the machine in SkuPriceDetails": (
        "focus.csv",
        bills.table(
            bills.FOCUS_ROW
            | {
                "x_UsageType": None,
                "ChargeDescription": "",
                "SkuPriceDetails": '{"InstanceType": "p5.48xlarge"}',
            }
        ),
        ("aws", "h100-sxm-80gb", 8.0, "98.32", "on_demand"),
    ),
    "FOCUS 1.3, who sells in ServiceProviderName": (
        "focus.csv",
        bills.table(
            {
                **{k: v for k, v in bills.FOCUS_ROW.items() if k != "ProviderName"},
                "ServiceProviderName": "Amazon Web Services",
                "HostProviderName": "AWS",
            }
        ),
        ("aws", "h100-sxm-80gb", 8.0, "98.32", "on_demand"),
    ),
    "FOCUS of Azure": (
        *("azure.csv", bills.table(bills.AZURE_ROW)),
        ("azure", "h100-sxm-80gb", 8.0, "98.32", "on_demand"),
    ),
    "FOCUS of Google": (
        *("google.csv", bills.table(bills.GOOGLE_ROW)),
        ("gcp", "h100-sxm-80gb", 8.0, "98.32", "spot"),
    ),
    "FOCUS of CoreWeave, without dollars": (
        *("coreweave.csv", bills.table(bills.COREWEAVE_ROW)),
        ("coreweave", "h100-sxm-80gb", 64.0, "393.92", None),
    ),
    "FOCUS of Nebius": (
        *("nebius.csv", bills.table(bills.NEBIUS_ROW)),
        ("nebius", "h100-80gb", 8.0, "23.60", "on_demand"),
    ),
    "CUR 2.0": (
        *("cur.csv", bills.table(bills.CUR_ROW)),
        ("aws", "h100-sxm-80gb", 8.0, "98.32", "on_demand"),
    ),
    "CUR with slashes": (
        "cur.csv",
        bills.table(
            {
                "lineItem/LineItemType": "Usage",
                "lineItem/UsageStartDate": "2026-10-05T00:00:00Z",
                "lineItem/UsageEndDate": "2026-10-05T01:00:00Z",
                "lineItem/UnblendedCost": "98.32",
                "lineItem/UsageAmount": "1",
                "lineItem/UsageType": "USW2-BoxUsage:p5.48xlarge",
                "pricing/unit": "Hrs",
                "product/instanceType": "p5.48xlarge",
            }
        ),
        ("aws", "h100-sxm-80gb", 8.0, "98.32", "on_demand"),
    ),
    "RunPod v1": (
        *("runpod.json", bills.json_text(bills.RUNPOD)),
        ("runpod", "h100-sxm-80gb", 4.0, "11.96", None),
    ),
    "RunPod v2": (
        *("runpod.json", bills.json_text(bills.RUNPOD, "records")),
        ("runpod", "h100-sxm-80gb", 4.0, "11.96", None),
    ),
    "Vast": (*("vast.json", bills.json_text(bills.VAST)), ("vast", None, 10.0, "19.00", None)),
    "a table with the usual names": (
        *("lambda.csv", bills.LAMBDA),
        ("lambda", "a100-sxm-80gb", 80.0, "223.20", None),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_of_bill_is_read(name: str, take: Taken, stored: Stored):
    file, text, (provider, gpu_id, gpu_hours, usd, option) = FORMS[name]
    take(file, text, provider="lambda" if file == "lambda.csv" else None)
    (charge,) = stored()
    assert (charge["provider"], charge["gpu_id"], charge["purchase_option"]) == (provider, gpu_id, option)
    assert float(charge["gpu_hours"]) == gpu_hours
    assert f"{charge['usd']:.2f}" == usd


ASSUMED = ("FOCUS of CoreWeave, without dollars", "a table with the usual names")


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_nobody_describes_is_said_to_be_assumed(name: str, take: Taken):
    file, text, (provider, *_) = FORMS[name]
    answer = take(file, text, provider="lambda" if file == "lambda.csv" else None)
    if name in ASSUMED:
        assert answer["assumed"].startswith(f"the form of {provider}'s ") and "compare" in answer["assumed"]
    elif provider == "runpod":
        assert "tell no count of GPUs" in answer["assumed"]
    else:
        assert answer["assumed"] is None


def test_parquet_with_maps_is_read_as_csv_is(take: Taken, stored: Stored, tmp_path: Path):
    duckdb.sql(
        "copy (select '2026-10-05 00:00:00'::timestamp as line_item_usage_start_date,"
        " '2026-10-05 01:00:00'::timestamp as line_item_usage_end_date, 'Usage' as line_item_line_item_type,"
        " 98.32::double as line_item_unblended_cost, 1::double as line_item_usage_amount, 'Hrs' as pricing_unit,"
        " map {'instance_type': 'p5.48xlarge', 'vcpu': '192'} as product,"
        " map {'user_gpuledger_plan': 'mine'} as resource_tags)"
        f" to '{tmp_path / 'made.parquet'}' (format parquet)"
    )
    take("cur.parquet", (tmp_path / "made.parquet").read_bytes())
    (charge,) = stored()
    assert (charge["gpu_id"], charge["tag_plan"], charge["usd"]) == (
        "h100-sxm-80gb",
        "mine",
        Decimal("98.32"),
    )


def test_a_folder_of_parts_is_one_bill(take: Taken, tmp_path: Path, facts, stored: Stored):
    from gpuledger.core.store.actuals import import_bill
    from tests.actuals.conftest import NOW

    parts = tmp_path / "parts"
    parts.mkdir()
    for hour in ("00", "01"):
        row = bills.FOCUS_ROW | {
            "ChargePeriodStart": f"2026-10-05T{hour}:00:00Z",
            "ChargePeriodEnd": "2026-10-05T02:00:00Z",
        }
        (parts / f"{hour}.csv").write_text(bills.table(row))
    assert import_bill(parts, tmp_path, facts, provider=None, imported_at=NOW).charges == 2


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("a,b\n1,2\n", "the form of this bill is not known"),
        (
            "ChargePeriodStart,ChargePeriodEnd\n1,2\n",
            "BilledCost or EffectiveCost or ConsumedQuantity is missing",
        ),
    ],
)
def test_a_form_that_is_not_known_is_refused_with_what_is_missing(columns: str, words: str, take: Taken):
    with pytest.raises(UsageError, match=words):
        take("odd.csv", columns)


def test_a_table_that_does_not_say_whose_it_is_is_refused(take: Taken):
    with pytest.raises(UsageError, match="give --provider"):
        take("lambda.csv", bills.LAMBDA)


NAMED_TABLE = (
    "date,{quantity},{price},instance type,gpu,gpu count,unit\n"
    "2026-10-05,{hours},{usd},,A100 80GB,{gpus},{unit}\n"
)
NAMED = {
    "a price and hours": (
        {"quantity": "hours", "price": "price", "hours": "10", "usd": "$2.00"},
        "20.00",
        10.0,
    ),
    "a price of thousands": (
        {"quantity": "hours", "price": "rate", "hours": "10", "usd": '"1,022.32"'},
        "10223.20",
        10.0,
    ),
    "several GPUs": (
        {"quantity": "hours", "price": "cost", "hours": "10", "usd": "160", "gpus": "8"},
        "160.00",
        80.0,
    ),
    "a price of hours, and minutes": (
        {"quantity": "quantity", "price": "price per hour", "hours": "600", "usd": "2", "unit": "Minutes"},
        "20.00",
        10.0,
    ),
    "a price of minutes": (
        {"quantity": "quantity", "price": "price", "hours": "600", "usd": "0.05", "unit": "minutes"},
        "30.00",
        10.0,
    ),
    "a price that is none": (
        {"quantity": "hours", "price": "price", "hours": "10", "usd": "2;5"},
        None,
        None,
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_table_with_the_usual_names_comes_to_its_dollars_and_hours(name: str, take: Taken):
    words, usd, hours = NAMED[name]
    answer = take("odd.csv", NAMED_TABLE.format(**({"gpus": "", "unit": ""} | words)), provider="lambda")
    assert (answer["usd"], answer["gpu_hours"]) == (usd, hours)
    assert bool(answer["refused"]) is (usd is None)


@pytest.mark.parametrize("product", ["Private cloud", "Elevated GPU", "Taxi dispatch GPU"])
def test_a_tax_is_a_word_and_no_part_of_one(product: str, take: Taken, stored: Stored):
    take(
        "odd.csv",
        f"date,hours,cost,product\n2026-10-05,1,5,{product}\n2026-10-05,0,1,VAT 19%\n",
        provider="lambda",
    )
    assert {row["kind"] for row in stored()} >= {"tax"}
    assert sum(row["kind"] == "tax" for row in stored()) == 1


def test_a_record_with_a_count_of_gpus_has_that_many_hours(take: Taken):
    assert take("pods.json", bills.json_text([bills.RUNPOD[0] | {"gpuCount": 2}]))["gpu_hours"] == 8.0


def test_a_kind_of_row_that_is_not_known_has_no_sign(take: Taken):
    answer = take("vast.json", bills.json_text([bills.VAST[0], bills.VAST[0] | {"type": "credit"}]))
    assert answer["usd"] == "19.00"
    assert answer["refused"] == {"is of a kind that is not known, so that its sign is not either": 1}


def test_a_line_that_is_no_json_is_named(take: Taken):
    with pytest.raises(UsageError, match="line 2, "):
        take("pods.jsonl", json.dumps(bills.RUNPOD[0]) + "\n" + json.dumps(bills.RUNPOD[0])[:-9])
