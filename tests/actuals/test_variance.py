"""Planned against paid: parts that sum exactly, and how charges find their plan."""

import json
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuledger import Ledger, UsageError
from gpuledger.core.actuals.variance import VarianceLine
from tests.actuals import bills
from tests.actuals.conftest import NOW
from tests.template import start_bundled

PLAN = {
    "name": "my-run",
    "method": "qlora",
    "model": "llama-2-7b",
    "training_tokens": 2e9,
    "sequence_length": 2048,
}
AMOUNT = st.decimals("0.01", "1000000", places=2)
QUANTITY = st.decimals("0.001", "100000", places=3)


@given(AMOUNT, QUANTITY, AMOUNT, QUANTITY)
def test_price_and_quantity_variance_sum_to_what_is_over(
    planned: Decimal, hours: Decimal, paid: Decimal, used: Decimal
):
    line = VarianceLine(
        name="gpu", planned_usd=planned, planned_quantity=hours, actual_usd=paid, actual_quantity=used
    )
    assert line.price_variance_usd + line.quantity_variance_usd == line.over_usd == paid - planned


@pytest.mark.parametrize(
    ("paid", "hours", "by_price", "by_quantity"),
    [("120", "100", "20.00", "0.00"), ("150", "150", "0.00", "50.00"), ("90", "60", "30.00", "-40.00")],
)
def test_a_dearer_hour_and_more_hours_are_told_apart(paid: str, hours: str, by_price: str, by_quantity: str):
    line = VarianceLine(
        name="gpu",
        planned_usd=Decimal(100),
        planned_quantity=Decimal(100),
        actual_usd=Decimal(paid),
        actual_quantity=Decimal(hours),
    ).to_dict()
    assert (line["price_variance_usd"], line["quantity_variance_usd"]) == (by_price, by_quantity)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home with the bundled list and one quote, and the quote."""
    home = start_bundled(tmp_path_factory.mktemp("planned") / "home", now=NOW)
    ledger = Ledger(home, clock=lambda: NOW, environ={})
    answer = ledger.quote(PLAN, providers="runpod", as_of="2026-10-01", allow_stale=True, limit=1)
    return home, answer.quotes[0].to_dict()


@pytest.fixture
def quote(start: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return start[1]


@pytest.fixture
def mine(start: tuple[Path, dict[str, Any]], tmp_path: Path) -> Ledger:
    """That home, for the bills of one test."""
    shutil.copytree(start[0], tmp_path / "home")
    return Ledger(tmp_path / "home", clock=lambda: NOW, environ={})


def billed(ledger: Ledger, path: Path, *rows: dict[str, Any]) -> None:
    path.write_text(bills.table(*rows))
    ledger.import_actuals(path)


def charge(quote: dict[str, Any], hours: float, usd: float, **more: Any) -> dict[str, Any]:
    begins = NOW - timedelta(days=20)
    return {
        "ProviderName": "RunPod",
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ServiceCategory": "Compute",
        "ChargePeriodStart": begins.isoformat(),
        "ChargePeriodEnd": (begins + timedelta(hours=hours)).isoformat(),
        "ConsumedQuantity": hours,
        "ConsumedUnit": "Hours",
        "SkuPriceDetails": json.dumps({"InstanceType": quote["instance_type"]}),
        "BilledCost": usd,
        "EffectiveCost": usd,
        "Tags": None,
        **more,
    }


def line(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in answer["lines"] if row["name"] == name)


def test_charges_find_their_quote_by_its_id_in_a_tag(mine: Ledger, quote: dict[str, Any], tmp_path: Path):
    tagged = charge(quote, 10, 30, Tags=json.dumps({"gpuledger-quote": quote["quote_id"]}))
    billed(mine, tmp_path / "bill.csv", tagged)
    answer = mine.compare_actuals(PLAN)
    assert answer["quote_id"] == quote["quote_id"]
    assert answer["matched"] == [{"by": "receipt", "charges": 1, "usd": "30.00"}]
    assert line(answer, "gpu")["actual_quantity"] == "10"


def test_charges_find_their_plan_by_its_name_in_a_tag(mine: Ledger, quote: dict[str, Any], tmp_path: Path):
    billed(mine, tmp_path / "bill.csv", charge(quote, 10, 30, Tags='{"gpuledger-plan":"My-Run"}'))
    assert mine.compare_actuals(PLAN)["matched"][0]["by"] == "tag"


def test_a_quote_that_was_made_after_the_charges_is_not_what_was_planned(
    mine: Ledger, quote: dict[str, Any], tmp_path: Path
):
    """Else looking at today's prices would change what the plan of last month had been."""
    billed(mine, tmp_path / "bill.csv", charge(quote, 10, 30, Tags='{"gpuledger-plan":"my-run"}'))
    first = mine.compare_actuals(PLAN)
    later = mine.quote(PLAN, gpu="H100", allow_stale=True, limit=1).quotes[0]
    assert later.quote_id != quote["quote_id"]
    again = mine.compare_actuals(PLAN)
    assert first["quote_id"] == again["quote_id"] == quote["quote_id"]
    assert again["quote_basis"] == "the last that was made of this plan before its charges"
    assert again["lines"] == first["lines"]


def test_charges_without_tags_find_their_plan_by_machine_and_time(
    mine: Ledger, quote: dict[str, Any], tmp_path: Path
):
    other = charge(quote, 1, 9, SkuPriceDetails='{"InstanceType": "NVIDIA B200"}')
    before = charge(quote, 1, 5) | {
        "ChargePeriodStart": "2026-09-01T00:00:00Z",
        "ChargePeriodEnd": "2026-09-01T01:00:00Z",
    }
    taken = charge(quote, 2, 7, Tags='{"gpuledger-plan":"another"}')
    billed(mine, tmp_path / "bill.csv", charge(quote, 10, 30), other, before, taken)
    answer = mine.compare_actuals(PLAN)
    assert answer["matched"] == [
        {"by": "not planned", "charges": 1, "usd": "9.00"},
        {"by": "offer", "charges": 1, "usd": "30.00"},
    ]
    assert line(answer, "not planned: gpu")["state"] == "not planned"
    total = line(answer, "total")
    assert total["actual_usd"] == "39.00"


def test_the_lines_sum_to_the_total(mine: Ledger, quote: dict[str, Any], tmp_path: Path):
    billed(mine, tmp_path / "bill.csv", charge(quote, 10, 30.005), charge(quote, 3, 9.994))
    lines = mine.compare_actuals(PLAN)["lines"]
    inside = [row for row in lines[:-1] if row["state"] != "not on a cloud bill"]
    assert sum(Decimal(row["over_usd"] or 0) for row in inside) == Decimal(lines[-1]["over_usd"])


def test_a_budget_takes_the_imported_bills(mine: Ledger, quote: dict[str, Any], tmp_path: Path):
    billed(mine, tmp_path / "bill.csv", charge(quote, 1000, 30_000))
    rows = {row["name"]: row for row in mine.budget_of_actuals(PLAN)}
    assert (rows["gpu"]["state"], rows["gpu"]["actual_usd"]) == ("over", "30000.00")


def test_without_a_bill_it_says_how_to_import_one(mine: Ledger):
    with pytest.raises(UsageError, match="gpuledger actual import FILE"):
        mine.compare_actuals(PLAN)


def test_unused_commitments_are_idle(mine: Ledger, quote: dict[str, Any], tmp_path: Path):
    unused = charge(
        quote, 1, 12, CommitmentDiscountStatus="Unused", Tags=f'{{"gpuledger-quote":"{quote["quote_id"]}"}}'
    )
    billed(mine, tmp_path / "bill.csv", charge(quote, 10, 30), unused)
    assert mine.compare_actuals(PLAN)["idle"]["unused_commitment_usd"] == "12.00"


def test_a_time_that_is_asked_for_holds_for_tagged_charges_too(
    mine: Ledger, quote: dict[str, Any], tmp_path: Path
):
    tags = json.dumps({"gpuledger-quote": quote["quote_id"]})
    later = {"ChargePeriodStart": "2026-11-20T00:00:00Z", "ChargePeriodEnd": "2026-11-20T05:00:00Z"}
    billed(
        mine,
        tmp_path / "bill.csv",
        charge(quote, 10, 30, Tags=tags),
        charge(quote, 5, 15, Tags=tags, **later),
    )
    for asked, usd in (
        ({}, "45.00"),
        ({"since": "2026-11-15"}, "15.00"),
        ({"until": "2026-11-15"}, "30.00"),
        # before the quote was made: a tag says enough
        ({"since": "2026-01-01"}, "45.00"),
    ):
        assert (
            line(mine.compare_actuals(PLAN, quote_id=quote["quote_id"], **asked), "gpu")["actual_usd"] == usd
        )


@pytest.mark.parametrize(
    ("plan", "quoted", "busy"),
    [("my-run", None, 4.0), (None, None, 4.0), ("another", None, None), ("another", "this", 4.0)],
)
def test_runs_of_other_plans_do_not_keep_these_machines_busy(
    plan: str | None,
    quoted: str | None,
    busy: float | None,
    mine: Ledger,
    quote: dict[str, Any],
    tmp_path: Path,
):
    begun = NOW - timedelta(days=20)
    run = {
        "run": "r",
        "plan": plan,
        "quote_id": quote["quote_id"] if quoted else None,
        "gpus": 1,
        "intervals": [[begun.isoformat(), (begun + timedelta(hours=4)).isoformat()]],
    }
    (mine.home.path / "runs").mkdir(exist_ok=True)
    (mine.home.path / "runs" / "r.json").write_text(json.dumps(run))
    billed(mine, tmp_path / "bill.csv", charge(quote, 10, 30, Tags='{"gpuledger-plan":"my-run"}'))
    idle = mine.compare_actuals(PLAN)["idle"]
    assert idle["metered_gpu_hours"] == busy
    assert idle["gpu_hours_outside_runs"] == (None if busy is None else 6.0)
