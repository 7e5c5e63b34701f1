"""What was paid, written in the columns of FOCUS 1.2, against the rules of the specification.

The rules that tell of one row or one column are those of focus-validator 2.2.1 (model 1.2.0.1, every applicability
criterion, read and run 2026-11-30). Three of its rules are broken, which no file can keep:
CommitmentDiscountStatus-C-004 asks for a status where there is no commitment, and C-003 for none; InvoiceId-C-004 asks
for none and C-005 for one, of whatever row; CapacityReservationStatus-C-004 is tested without its condition.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gpuledger.core.store import actuals
from gpuledger.core.store.actuals import LedgerFacts
from tests.actuals import bills
from tests.actuals.conftest import NOW, Taken

CUR = bills.CUR_ROW
FOCUS = bills.FOCUS_ROW | {"ProviderName": "Oracle"}
GIVEN_BACK = {"BilledCost": "-5", "EffectiveCost": "-5", "ListCost": "-5"}
COMMITTED = {"CommitmentDiscountId": "ri-1", "PricingCategory": "Committed"}


def cur(kind: str, **more: str) -> dict[str, Any]:
    return CUR | {"line_item_line_item_type": kind} | more


OF_AWS = (
    CUR,
    *(cur(kind, line_item_unblended_cost="-4") for kind in ("Refund", "Credit", "BundledDiscount")),
    *(cur(kind, line_item_unblended_cost="10") for kind in ("Tax", "Fee", "SavingsPlanUpfrontFee", "RIFee")),
    cur("SavingsPlanCoveredUsage", savings_plan_savings_plan_effective_cost="60"),
    cur("DiscountedUsage", reservation_effective_cost="55"),
    cur(
        "SavingsPlanRecurringFee",
        savings_plan_total_commitment_to_date="100",
        savings_plan_used_commitment="60",
    ),
    cur("Usage", line_item_usage_type="SpotUsage:p5.48xlarge"),
    cur("Usage", line_item_usage_type="EBS:VolumeUsage.gp3", pricing_unit="GB-Mo", product_instance_type=""),
    cur(
        "Usage", line_item_usage_type="USE1-DataTransfer-Out-Bytes", pricing_unit="GB", product_region_code=""
    ),
    cur("Usage", line_item_usage_amount="", pricing_unit="", line_item_resource_id=""),
    cur("Usage", line_item_usage_amount="0"),
    cur("Usage", pricing_unit="Weeks of 5 days", line_item_unblended_cost="0"),
)
OF_OTHERS = (
    FOCUS,
    FOCUS | GIVEN_BACK,
    FOCUS | GIVEN_BACK | {"ConsumedQuantity": "-1"},
    FOCUS | COMMITTED,
    FOCUS | COMMITTED | {"CommitmentDiscountStatus": "Unused"},
    *(FOCUS | {"ChargeCategory": kind} for kind in ("Purchase", "Tax", "Credit", "Adjustment")),
    FOCUS | {"ChargePeriodEnd": FOCUS["ChargePeriodStart"], "ConsumedUnit": "GPU-Hours"},
)


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, facts: LedgerFacts
) -> Callable[[str], list[tuple[Any, ...]]]:
    """Asks a question of the exported table `t`, every kind of charge in it."""
    home = tmp_path_factory.mktemp("focus")
    texts = {
        "cur.csv": bills.table(*OF_AWS),
        "focus.csv": bills.table(*OF_OTHERS),
        "coreweave.csv": bills.table(bills.COREWEAVE_ROW),
        "runpod.json": bills.json_text(bills.RUNPOD),
        "vast.json": bills.json_text(bills.VAST),
        "lambda.csv": bills.LAMBDA,
    }
    for number, (name, text) in enumerate(texts.items()):
        (home / name).write_text(text)
        provider = "lambda" if name == "lambda.csv" else None
        actuals.import_bill(
            home / name, home, facts, provider=provider, imported_at=NOW + timedelta(hours=number)
        )
    count = actuals.export_focus(home, home / "out.csv")
    assert count == len(OF_AWS) + len(OF_OTHERS) + 4
    connection = duckdb.connect(":memory:")
    connection.execute(
        f"create table t as select * from read_csv('{home / 'out.csv'}', header = true, all_varchar = true)"
    )
    return lambda question: connection.execute(question).fetchall()


OF_THE_SPECIFICATION = """
AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency BillingPeriodEnd
BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription
ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName
CommitmentDiscountQuantity CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity
ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice
PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost
PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName ResourceId
ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId
SubAccountId SubAccountName SubAccountType Tags
"""
COLUMNS = set(OF_THE_SPECIFICATION.split())


def test_the_columns_are_those_of_the_specification_and_marked_others(exported):
    names = {row[0] for row in exported("describe t")}
    assert {name for name in names if not name.startswith("x_")} == COLUMNS


OF_EVERY_ROW = """
BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory
ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName
ListCost PricingCurrency PricingCurrencyEffectiveCost ProviderName PublisherName ServiceCategory ServiceName
ServiceSubcategory
"""
# each is null where, and only where, the other is
TOGETHER = {
    "BillingAccountType": "BillingAccountId",
    "CapacityReservationStatus": "CapacityReservationId",
    "CommitmentDiscountCategory": "CommitmentDiscountId",
    "CommitmentDiscountType": "CommitmentDiscountId",
    "CommitmentDiscountUnit": "CommitmentDiscountQuantity",
    "ConsumedUnit": "ConsumedQuantity",
    "PricingUnit": "PricingQuantity",
    "RegionName": "RegionId",
    "ResourceType": "ResourceId",
    "SkuMeter": "SkuId",
    "SubAccountName": "SubAccountId",
    "SubAccountType": "SubAccountId",
}
OF_NO_TAX = """
ContractedUnitPrice ListUnitPrice PricingCategory PricingCurrencyContractedUnitPrice PricingCurrencyListUnitPrice
PricingQuantity SkuId SkuPriceId
"""
NOT_OF_TAXES = OF_NO_TAX.split()
ALLOWED = {
    "ChargeCategory": "Usage|Purchase|Tax|Credit|Adjustment",
    "ChargeClass": "Correction",
    "ChargeFrequency": "One-Time|Recurring|Usage-Based",
    "CommitmentDiscountCategory": "Spend|Usage",
    "CommitmentDiscountStatus": "Used|Unused",
    "PricingCategory": "Standard|Dynamic|Committed|Other",
    "ServiceCategory": "Compute|Storage|Networking|Other",
    "ServiceSubcategory": r"Virtual Machines|Other \((Compute|Storage|Networking|Other)\)",
    "BillingCurrency": "USD",
    "PricingCurrency": "USD",
    **dict.fromkeys(
        ("PricingUnit", "ConsumedUnit", "CommitmentDiscountUnit"),
        r"(GPU-)?(Hours|Minutes|Seconds)|Days|Months|[GMT]i?B|Gi?B-(Months|Hours)|Units|Charges",
    ),
    **{name: r"-?\d+(\.\d+)?([eE]-?\d+)?" for name in sorted(COLUMNS) if name.endswith(("Cost", "Quantity"))},
    **{name: r"\d+(\.\d+)?([eE]-?\d+)?" for name in sorted(COLUMNS) if name.endswith("UnitPrice")},
    **{
        name: r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        for name in sorted(COLUMNS)
        if name.endswith(("PeriodStart", "PeriodEnd"))
    },
}
VIOLATIONS = {
    **{f"{name} is null": f"{name} is null" for name in OF_EVERY_ROW.split()},
    **{
        f"{one} without {other}, or the other way": f"({one} is null) <> ({other} is null)"
        for one, other in TOGETHER.items()
    },
    **{
        f"{name} of a tax": f"ChargeCategory = 'Tax' and {name} is not null"
        for name in (*NOT_OF_TAXES, "PricingUnit")
    },
    **{
        f"no {name} of a usage or purchase": "ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null"
        f" and {name} is null"
        for name in NOT_OF_TAXES
    },
    **{
        f"{name} is none of the allowed": f"not regexp_full_match({name}, '{pattern}')"
        for name, pattern in ALLOWED.items()
    },
    "a purchase with a cost of its own": "ChargeCategory = 'Purchase' and EffectiveCost::double <> 0",
    "a purchase by usage": "ChargeCategory = 'Purchase' and ChargeFrequency = 'Usage-Based'",
    "consumed by what is no usage, or unused": "ConsumedQuantity is not null"
    " and (ChargeCategory <> 'Usage' or CommitmentDiscountStatus = 'Unused')",
    "usage that consumed nothing": "ConsumedQuantity is null and ChargeCategory = 'Usage' and ChargeClass is null"
    " and CommitmentDiscountStatus is distinct from 'Unused'",
    "usage of a commitment with no status": "CommitmentDiscountId is not null and ChargeCategory = 'Usage'"
    " and CommitmentDiscountStatus is null",
    "a status without a commitment": "CommitmentDiscountId is null and CommitmentDiscountStatus is not null",
    "a commitment without quantity": "CommitmentDiscountId is not null and ChargeClass is null"
    " and CommitmentDiscountQuantity is null",
    "details of no price": "SkuPriceId is null and SkuPriceDetails is not null",
    "tags that are no object": "json_type(try_cast(Tags as json)) <> 'OBJECT'",
    **{
        f"{unit} x quantity is not {cost}": f"ChargeClass is null"
        f" and abs({unit}::double * PricingQuantity::double - {cost}::double) > 1e-6 * greatest(abs({cost}::double), 1)"
        for unit, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost"))
    },
}
# of one, exactly one of the other
ONE_OF = {
    "ServiceName": "ServiceCategory",
    "ServiceName ": "ServiceSubcategory",
    "ServiceSubcategory": "ServiceCategory",
    "SkuPriceId": "SkuId",
    "SkuPriceId ": "SkuPriceDetails",
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_no_row_breaks_a_rule(name: str, exported):
    assert exported(f"select * from t where {VIOLATIONS[name]}") == []


@pytest.mark.parametrize(("one", "other"), ONE_OF.items())
def test_one_name_has_one_parent(one: str, other: str, exported):
    assert (
        exported(
            f"select {one}, list(distinct {other}) from t group by {one} having count(distinct {other}) > 1"
        )
        == []
    )


def test_dollars_and_hours_are_those_of_the_charges(exported):
    assert exported("select sum(BilledCost::double) > 0, count(distinct ChargeCategory) from t") == [
        (True, 5)
    ]
    # the unit and quantity of the bill stand beside what FOCUS calls them
    assert ("weeks of 5 days", "Units") in exported("select distinct x_Unit, PricingUnit from t")


@pytest.mark.parametrize("form", ["focus.csv", "focus.parquet"])
def test_what_is_exported_is_read_again_as_the_same(form: str, take: Taken, facts, tmp_path: Path):
    first = take("cur.csv", bills.table(*OF_AWS))
    actuals.export_focus(tmp_path, tmp_path / form)
    again = actuals.import_bill(
        tmp_path / form, tmp_path / "again", facts, provider=None, imported_at=NOW
    ).to_dict()
    names = ("charges", "usd", "gpu_hours", "unpriced", "refused")
    assert again["form"] == "focus"
    assert {name: again[name] for name in names} == {name: first[name] for name in names}
