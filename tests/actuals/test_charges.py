"""What is kept of a bill, what is refused, and what commitments come to."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.errors import StoreError
from gpuledger.core.store import actuals
from tests.actuals import bills
from tests.actuals.conftest import NOW, Taken

Stored = Callable[[], list[dict[str, Any]]]
ROW = bills.FOCUS_ROW
REFUSED = {
    "names no provider": {"ProviderName": ""},
    "has no time that can be read": {"ChargePeriodStart": "soon"},
    "ends before it begins": {"ChargePeriodEnd": "2026-10-04T00:00:00Z"},
    "has a cost that is no plain number below 1e9, such as 1,234.50": {"BilledCost": "12,x"},
    "has neither cost nor quantity": {"BilledCost": "", "EffectiveCost": "", "ConsumedQuantity": ""},
    "is in JPY, of which the ledger has no exchange rate of that time": {"BillingCurrency": "JPY"},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_row_that_cannot_be_taken_is_counted_with_its_reason(reason: str, take: Taken):
    answer = take("bill.csv", bills.table(ROW, ROW | REFUSED[reason]))
    assert (answer["rows"], answer["charges"], answer["refused"]) == (2, 1, {reason: 1})


UNREADABLE = ("14,00", "1.234,50", "0,030", "1,23", "12345678901.5", "nan", "inf", "n/a", "1 234.50")


@pytest.mark.parametrize("column", ["BilledCost", "EffectiveCost"])
@pytest.mark.parametrize("words", UNREADABLE)
def test_a_cost_that_could_be_misread_is_refused_and_never_priced_from_the_ledger(
    words: str, column: str, take: Taken
):
    answer = take("bill.csv", bills.table(ROW, ROW | {column: words}))
    assert answer["refused"] == {"has a cost that is no plain number below 1e9, such as 1,234.50": 1}
    assert answer["usd"] == "98.32"


@pytest.mark.parametrize(
    ("words", "usd"),
    [("1,234.50", "1234.50"), ("-1,234,567.5", "-1234567.50"), ("$5", "5.00"), (" 7 ", "7.00")],
)
def test_commas_part_thousands_in_threes(words: str, usd: str, take: Taken):
    assert take("bill.csv", bills.table(ROW | {"BilledCost": words, "EffectiveCost": words}))["usd"] == usd


def test_a_row_with_an_effective_cost_alone_is_a_charge(take: Taken):
    answer = take("bill.csv", bills.table(ROW | {"BilledCost": "", "ConsumedQuantity": ""}))
    assert (answer["usd"], answer["refused"]) == ("98.32", {})


@pytest.mark.parametrize(
    ("quantity", "unit", "hours"),
    [
        ("2", "Days", 384.0),
        ("28800", "GPU-Seconds", 8.0),
        ("3600000000", "Seconds", 8e6),
        ("1", "Month", None),
    ],
)
def test_hours_are_told_or_counted_as_not_told(quantity: str, unit: str, hours: float | None, take: Taken):
    answer = take("bill.csv", bills.table(ROW | {"ConsumedQuantity": quantity, "ConsumedUnit": unit}))
    assert (answer["gpu_hours"], answer["without_hours"]) == (hours, 0 if hours else 1)


def test_an_import_says_how_many_charges_count_no_longer(take: Taken):
    assert take("first.csv", bills.table(ROW, ROW))["replaced_charges"] == 0
    later = take("second.csv", bills.table(ROW | {"EffectiveCost": "50"}), at=NOW + timedelta(days=1))
    assert later["replaced_charges"] == 2


def test_runpods_bills_of_pods_and_of_volumes_stand_beside_each_other(take: Taken, tmp_path: Path):
    hour = {"time": "2026-10-05T00:00:00Z", "timeBilledMs": "3600000"}
    take(
        "pods.csv", bills.table(hour | {"podId": "p", "gpuTypeId": "NVIDIA H100 80GB HBM3", "amount": "2.99"})
    )
    second = take(
        "volumes.csv",
        bills.table(hour | {"networkVolumeId": "v", "amount": "1.5"}),
        at=NOW + timedelta(days=1),
    )
    with actuals.charges(tmp_path) as connection:
        rows = connection.execute("select kind, usd from actual_charge order by usd").fetchall()
    assert rows == [("storage", Decimal("1.5")), ("gpu", Decimal("2.99"))]
    assert second["replaced_charges"] == 0


def test_no_id_of_an_account_or_a_resource_is_on_the_disk(take: Taken, tmp_path: Path):
    take("bill.csv", bills.table(ROW))
    with actuals.charges(tmp_path) as connection:
        # what is compressed holds no word that one could search for
        rows = str(connection.execute("select * from actual_charge").fetchall())
    content = rows.encode() + b"".join(path.read_bytes() for path in (tmp_path / "actuals").iterdir())
    assert b"p5.48xlarge" in content
    for secret in (b"111122223333", b"444455556666", b"i-0abc"):
        assert secret not in content


def test_two_homes_have_different_hashes_of_one_account(take: Taken, facts, stored: Stored, tmp_path: Path):
    take("bill.csv", bills.table(ROW))
    other = tmp_path / "other"
    actuals.import_bill(tmp_path / "bill.csv", other, facts, provider=None, imported_at=NOW)
    with actuals.charges(other) as connection:
        (hashed,) = connection.execute("select account from actual_charge").fetchone()
    assert hashed != stored()[0]["account"]


def test_two_first_imports_at_once_go_on_with_one_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else the account of one of the bills would be another, and a bill delivered again would count twice."""
    write_whole, salts = actuals.write_whole, []

    def write(path: Path, content: bytes) -> None:
        write_whole(path, content)
        if not salts:
            salts.append(content)
            salts.append(actuals._salt(path.parent).encode())

    monkeypatch.setattr(actuals, "write_whole", write)
    salt = actuals._salt(tmp_path / "actuals").encode()
    assert salts[0] != salts[1] == salt
    assert [path.name for path in (tmp_path / "actuals").iterdir()] == ["salt"]


def test_a_salt_that_is_torn_hashes_nothing(take: Taken, tmp_path: Path):
    (tmp_path / "actuals").mkdir()
    (tmp_path / "actuals" / "salt").write_text("")
    with pytest.raises(StoreError, match="holds 0 letters, not 64"):
        take("bill.csv", bills.table(ROW))


def test_the_same_bill_again_changes_nothing(take: Taken, stored: Stored):
    take("bill.csv", bills.table(ROW))
    take("bill.csv", bills.table(ROW), at=NOW + timedelta(days=1))
    assert len(stored()) == 1


def test_a_bill_that_is_delivered_again_takes_the_place_of_the_earlier_one_by_day(
    take: Taken, tmp_path: Path
):
    later = ROW | {"ChargePeriodStart": "2026-10-06T00:00:00Z", "ChargePeriodEnd": "2026-10-06T01:00:00Z"}
    take("first.csv", bills.table(ROW, later))
    take("second.csv", bills.table(ROW | {"EffectiveCost": "50"}), at=NOW + timedelta(days=1))
    with actuals.charges(tmp_path) as connection:
        rows = connection.execute("select usd from actual_charge order by started_at").fetchall()
    assert rows == [(Decimal("50"),), (Decimal("98.32"),)]


CUR = bills.CUR_ROW
COMMITTED = {
    "usage under a savings plan has its effective cost": (
        {
            "line_item_line_item_type": "SavingsPlanCoveredUsage",
            "savings_plan_savings_plan_effective_cost": "60",
        },
        "60.00",
    ),
    "the negation of a savings plan is nothing more": (
        {"line_item_line_item_type": "SavingsPlanNegation", "line_item_unblended_cost": "-98.32"},
        "0.00",
    ),
    "what a savings plan did not cover stood unused": (
        {
            "line_item_line_item_type": "SavingsPlanRecurringFee",
            "savings_plan_total_commitment_to_date": "100",
            "savings_plan_used_commitment": "60",
        },
        "40.00",
    ),
    "usage under a reservation has its effective cost": (
        {"line_item_line_item_type": "DiscountedUsage", "reservation_effective_cost": "55"},
        "55.00",
    ),
    "a credit is negative": (
        {"line_item_line_item_type": "Credit", "line_item_unblended_cost": "-5"},
        "-5.00",
    ),
}


@pytest.mark.parametrize("name", COMMITTED)
def test_commitments_are_spread_over_what_they_cover(name: str, take: Taken, stored: Stored):
    more, usd = COMMITTED[name]
    take("cur.csv", bills.table(CUR | more))
    assert f"{stored()[0]['usd']:.2f}" == usd


WITHOUT_COLUMNS = ("SavingsPlanCoveredUsage", "DiscountedUsage", "SavingsPlanRecurringFee")


@pytest.mark.parametrize("kind", WITHOUT_COLUMNS)
def test_a_report_without_effective_costs_is_not_read_at_the_costs_before_them(kind: str, take: Taken):
    """What AWS would have asked without the commitment is no payment, and 0 is none either."""
    answer = take("cur.csv", bills.table(CUR, CUR | {"line_item_line_item_type": kind}))
    assert answer["usd"] == "98.32"
    assert answer["refused"] == {"is under a commitment, whose effective cost the report leaves out": 1}


@pytest.mark.parametrize("currency", ["usd", " USD ", ""])
def test_a_currency_is_read_in_any_case(currency: str, take: Taken):
    assert take("bill.csv", bills.table(ROW | {"BillingCurrency": currency}))["usd"] == "98.32"


def test_usage_that_the_ledger_cannot_price_stays_without_dollars(take: Taken, stored: Stored):
    answer = take("bill.csv", bills.table(bills.COREWEAVE_ROW | {"ProviderName": "Crusoe"}))
    assert (answer["unpriced"], answer["usd"]) == (1, None)
    assert stored()[0]["usd"] is None
