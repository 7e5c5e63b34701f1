"""The forms that bills come in, told by their columns.

Names of columns are compared without case and signs, so `ChargePeriodStart`, `charge_period_start` and, in the first
cost and usage report of AWS, `lineItem/UsageStartDate` and `line_item_usage_start_date` are one. The SQL of a form,
`sql/actuals/form/<name>.sql`, reads the columns listed here from a relation `bill`, where every one of them is there
as text; what a file does not have is null.

Columns: FOCUS 1.0 to 1.3 (FinOps Open Cost and Usage Specification, columns of the Cost and Usage dataset); AWS Data
Exports CUR 2.0 and the CUR before it; RunPod REST API v1 and v2 `billing/pods`; Vast `show invoices`. Read 2026-11-29.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gpuledger.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class BillForm:
    """One form: the columns that it is told by, and those that are read of it."""

    name: str
    needs: tuple[str, ...]
    """Each of these, or one of those parted by `|`."""
    reads: tuple[str, ...]
    """Names as the form's SQL says them."""
    provider: str | None = None
    """Whose bill it can only be."""


_FOCUS = """
AllocatedTags AvailabilityZone BilledCost BillingAccountId BillingCurrency BillingPeriodStart CapacityReservationStatus
ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart CommitmentDiscountId
CommitmentDiscountStatus ConsumedQuantity ConsumedUnit ContractedCost EffectiveCost HostProviderName
InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit ProviderName PublisherName
RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName ServiceProviderName
ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId SubAccountId Tags x_InstanceType x_SkuMeterName
x_SkuDescription x_SkuDetails x_UsageType x_Operation
"""
_CUR = """
bill_billing_period_start_date bill_payer_account_id line_item_currency_code line_item_line_item_description
line_item_line_item_type line_item_net_unblended_cost line_item_operation line_item_product_code line_item_resource_id
line_item_unblended_cost line_item_usage_account_id line_item_usage_amount line_item_usage_end_date
line_item_usage_start_date line_item_usage_type pricing_public_on_demand_cost pricing_term pricing_unit product
product_instance_type product_product_family product_region_code product_region product_sku
reservation_effective_cost reservation_reservation_a_r_n
reservation_unused_amortized_upfront_fee_for_billing_period reservation_unused_recurring_fee resource_tags
savings_plan_savings_plan_effective_cost savings_plan_total_commitment_to_date
savings_plan_used_commitment
"""
_RUNPOD = """
time startTime bucketStart endTime podId endpointId networkVolumeId gpuTypeId gpuId amount totalAmount gpuAmount
diskAmount cpuAmount timeBilledMs diskSpaceBilledGb gpuCount
"""
_NAMED = """
date day start start_date start_time started_at time timestamp usage_start from end end_date end_time ended_at usage_end
to instance_type instance machine_type product sku item resource_type description resource instance_id resource_id
name region location zone quantity hours usage amount_used duration_hours unit units currency unit_price rate price
price_per_hour cost amount total total_cost usd cost_usd amount_usd gpu_type gpu gpu_count gpus project account
account_id tags
"""

FORMS = (
    BillForm(
        name="focus",
        needs=("ChargePeriodStart", "ChargePeriodEnd", "BilledCost|EffectiveCost|ConsumedQuantity"),
        reads=tuple(_FOCUS.split()),
    ),
    BillForm(
        name="cur",
        needs=("line_item_usage_start_date", "line_item_line_item_type", "line_item_unblended_cost"),
        reads=tuple(_CUR.split()),
        provider="aws",
    ),
    BillForm(
        name="runpod",
        needs=(
            "time|startTime|bucketStart",
            "podId|gpuTypeId|endpointId|networkVolumeId",
            "amount|totalAmount",
        ),
        reads=tuple(_RUNPOD.split()),
        provider="runpod",
    ),
    BillForm(
        name="vast",
        needs=("type", "timestamp", "rate", "amount", "instance_id"),
        reads=("type", "description", "timestamp", "quantity", "rate", "amount", "instance_id"),
        provider="vast",
    ),
    # whatever names its columns in these words, such as the CSV of Lambda's usage page
    BillForm(
        name="named",
        needs=(
            "date|day|start|start_date|start_time|started_at|time|timestamp|usage_start|from",
            "cost|amount|total|total_cost|usd|cost_usd|amount_usd|unit_price|rate|price|price_per_hour",
            "quantity|hours|usage|duration_hours|amount_used",
        ),
        reads=tuple(_NAMED.split()),
    ),
)


def assumed_form(form: str, provider: str) -> str | None:
    """What is taken for granted where no description of a provider's bill was to be had (2026-11-29): its columns are
    read by their usual names, or as the specification says, and no bill of its own was seen."""
    check = "compare rows and sum with the bill"
    if form == "named":
        return f"the form of {provider}'s bill is assumed: columns are read by their usual names; {check}"
    if form == "runpod":
        return "runpod's records tell no count of GPUs where they have no `gpuCount`: hours of a pod are of one GPU"
    if form == "focus" and provider == "coreweave":
        return (
            f"the form of coreweave's usage is assumed: FOCUS without dollars, GPU-hours by instance; {check}"
        )
    return None


def squeezed(name: str) -> str:
    """A column's name without case and signs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def form_of(columns: Iterable[str], origin: str) -> BillForm:
    """The form that a file with these columns is in; the most special one that fits.

    Raises:
        UsageError: in none; says what is missing for the nearest.
    """
    seen = {squeezed(column) for column in columns}
    missing: dict[str, list[str]] = {}
    for form in FORMS:
        lacking = [need for need in form.needs if not any(squeezed(name) in seen for name in need.split("|"))]
        if not lacking:
            return form
        missing[form.name] = lacking
    nearest = min(FORMS, key=lambda form: len(missing[form.name]) / len(form.needs))
    raise UsageError(
        f"{origin}: the form of this bill is not known; nearest is {nearest.name}, for which"
        f" {', '.join(need.replace('|', ' or ') for need in missing[nearest.name])} is missing"
    )


def check_once(form: BillForm, columns: Iterable[str], origin: str) -> None:
    """No column that is read of the form may be there twice, for which of the two counts is not told.

    Raises:
        UsageError: one is; says which.
    """
    read = {squeezed(name) for name in form.reads}
    seen: dict[str, str] = {}
    for column in columns:
        word = squeezed(column)
        if word in read and word in seen:
            raise UsageError(
                f"{origin}: has the columns {seen[word]!r} and {column!r}, which are one; leave one out"
            )
        seen[word] = column


def places(form: BillForm, columns: Iterable[str]) -> Mapping[str, str | None]:
    """For each name that the form's SQL reads, the column of the file, or `None` where there is none."""
    seen = {squeezed(column): column for column in columns}
    return {name: seen.get(squeezed(name)) for name in form.reads}
