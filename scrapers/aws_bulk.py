"""AWS: reserved instances and savings plans of EC2 accelerator types, from the official bulk list.

Two region indexes, keyless, lead to one CSV per region each: EC2 (300 MB and more; all purchase options) and
savings plans. `FILTERS` keeps the lines about plain Linux (operation `RunInstances`) on shared accelerator
machines while the answer arrives; whatever else is in the body has a reason for being left out. Prices
are US dollars per *instance*-hour (lists of 2025-09 and 2026-09; AWS documents the format). Local zones have
their own keys in the index and are left out.

- Reserved: a term has a row per hour (`Hrs`) and one for the upfront fee (`Quantity`). All Upfront is 0 per
  hour, so its price is the fee for the term. `convertible` and both savings plans are skus of their own.
- Savings plans quote the hourly rate that results, whatever is paid upfront.
- Capacity Block rows carry only the operating system's fee, 0 for Linux, so as a rule they hold no price.
- On-demand is read from the regional maps, which are the same numbers in a thousandth of the bytes.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped
from gpuledger.core.provider import InstanceShape
from gpuledger.scrapers.ec2 import FAMILIES, MOST_USD, feed_instant, is_region, shape_or_reason, sold
from gpuledger.scrapers.line_filter import LineFilter
from gpuledger.scrapers.read_json import each_once, fields, mapping, price_or_reason, rows
from gpuledger.scrapers.source import Source

HOST = "https://pricing.us-east-1.amazonaws.com"
EC2 = "/offers/v1.0/aws/AmazonEC2/"
SAVINGS = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/"

MOST_UPFRONT_USD = 3 * 8760 * MOST_USD

TERM_MONTHS = {"1yr": Decimal(12), "3yr": Decimal(36), "1year": Decimal(12), "3year": Decimal(36)}
PAYMENTS = {
    "No Upfront": "no_upfront",
    "Partial Upfront": "partial_upfront",
    "All Upfront": "all_upfront",
}
SKUS = {
    "standard": "{}",
    "convertible": "{}/convertible",
    "ComputeSavingsPlans": "{}/compute-savings-plan",
    "EC2InstanceSavingsPlans": "{}/instance-savings-plan",
}
"""Offering class or product family: our sku of an instance type."""

MOST_LINES = 2_000_000
"""What is kept of a region's list has some tens of thousands."""

_VERSION = re.compile(rf"(?:{re.escape(EC2)}|{re.escape(SAVINGS)})[0-9a-z]+/[a-z0-9-]+/index\.json")
_ACCELERATOR_USAGE = re.compile(rb"BoxUsage:(?:p|g|gr|trn|inf|dl)[0-9]")
_USAGE = re.compile(r"(?:[A-Z0-9]+-)?BoxUsage:(.+)")

FILTERS = {
    EC2: LineFilter(
        head_lines=6,
        needles=tuple(f'"{family}"'.encode() for family in sorted(FAMILIES)),
        keep=lambda line: (b"BoxUsage:" in line and b'"RunInstances"' in line) or b'"CapacityBlock"' in line,
    ),
    SAVINGS: LineFilter(
        head_lines=6,
        needles=(b",RunInstances,",),
        keep=lambda line: _ACCELERATOR_USAGE.search(line) is not None,
    ),
}

_EC2_COLUMNS = frozenset({"TermType", "PricePerUnit", "Instance Type", "usageType", "Region Code"})
_SAVINGS_COLUMNS = frozenset({"DiscountedRate", "DiscountedInstanceType", "DiscountedUsageType"})


def line_filter(request: Request) -> LineFilter | None:
    """The filter of a CSV; the indexes are kept whole."""
    if not request.url.endswith(".csv"):
        return None
    return next(
        (line_filter_of_path for path, line_filter_of_path in FILTERS.items() if path in request.url), None
    )


def follow(document: Document) -> Iterator[Request]:
    """The CSV of each region of an index."""
    if not _is_index(document):
        return
    for code, path in _index(document):
        if path is not None:
            yield Request(
                url=HOST + path.removesuffix(".json") + ".csv", may_be_missing=True, context={"region": code}
            )


def parse(document: Document) -> Iterator[Fact]:
    """Facts of one CSV, filtered or whole; an index has none.

    Raises:
        ParseError: neither an index nor a CSV with the columns that one of the two lists has.
    """
    if _is_index(document):
        return (Skipped("not a region", code) for code, path in _index(document) if path is None)
    return each_once(_list(document), document)


def _is_index(document: Document) -> bool:
    return document.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def _index(document: Document) -> list[tuple[str, str | None]]:
    """Region code and path; no path for local zones and the like."""
    regions = mapping(document.json(), document, "answer").get("regions")
    entries = [fields(entry) for entry in regions.values()] if isinstance(regions, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
    regional_files: list[tuple[str, str | None]] = []
    for entry in rows(entries if entries is not None else regions, document, "regions"):
        code, path = str(entry.get("regionCode")), entry.get("currentVersionUrl", entry.get("versionUrl"))
        if not isinstance(path, str) or not _VERSION.fullmatch(path):
            raise document.error(f"region {code[:60]!r} has the path {str(path)[:120]!r}")
        regional_files.append((code, path if is_region(code) else None))
    return regional_files


def _cells(document: Document) -> Iterator[list[str]]:
    try:
        yield from csv.reader(line.decode("utf-8-sig") for line in io.BytesIO(document.body))
    except (csv.Error, UnicodeDecodeError) as error:
        raise document.error(f"not CSV: {error}") from error


def _list(document: Document) -> Iterator[Fact]:
    if document.body.count(b"\n") > MOST_LINES:
        raise document.error(f"a list of more than {MOST_LINES} lines")
    lines = _cells(document)
    header = next((cells for _, cells in zip(range(20), lines, strict=False) if cells[:1] == ["SKU"]), None)
    columns = frozenset(header or ())
    if header is None or len(columns) < len(header):
        raise document.error("no header that begins with SKU, or one that names a column twice")
    if columns >= _SAVINGS_COLUMNS:
        yield from _savings(_rows(header, lines, "DiscountedInstanceType"))
    elif columns >= _EC2_COLUMNS:
        yield from _ec2(_rows(header, lines, "Instance Type"), document)
    else:
        raise document.error(f"columns missing: {sorted((_EC2_COLUMNS - columns) or columns)}")


ShapeOrSkipped = tuple[InstanceShape, dict[str, str]] | Skipped


def _rows(header: Sequence[str], lines: Iterator[list[str]], type_column: str) -> Iterator[ShapeOrSkipped]:
    at = header.index(type_column)
    for cells in lines:
        if len(cells) != len(header):
            yield Skipped("a row of another length", cells[:3] or ["(empty)"])
            continue
        shape = shape_or_reason(cells[at], is_accelerated=not FAMILIES.isdisjoint(cells))
        if isinstance(shape, str):
            yield Skipped(shape, cells[:20])
        else:
            yield shape, {name: cell for name, cell in zip(header, cells, strict=True) if cell}


def _ec2(products: Iterator[ShapeOrSkipped], document: Document) -> Iterator[Fact]:
    terms: dict[tuple[str, str], tuple[InstanceShape, dict[str, dict[str, str]]]] = {}
    for entry in products:
        if isinstance(entry, Skipped):
            yield entry
            continue
        shape, row = entry
        reason = _unfit(shape, row)
        if reason:
            yield Skipped(reason, row)
        elif row.get("MarketOption") == "CapacityBlock":
            yield _hourly(
                shape, row, row["Region Code"], PurchaseOption.CAPACITY_BLOCK, row.get("PricePerUnit")
            )
        elif row.get("TermType") == "Reserved":
            key = row.get("SKU", ""), row.get("OfferTermCode", "")
            parts = terms.setdefault(key, (shape, {}))[1]
            first = parts.setdefault(row.get("Unit", ""), row)
            if first is not row:
                if first != row:
                    raise document.error(f"two rows per {row.get('Unit')} of term {'.'.join(key)}")
                yield Skipped("listed twice", row)
        else:
            yield Skipped("on-demand is read from the regional maps", row)
    for shape, parts in terms.values():
        yield _reserved(shape, parts)


def _unfit(shape: InstanceShape, row: Mapping[str, str]) -> str | None:
    """Why a row is not about a Linux machine of this shape on shared hardware of a region."""
    usage = _USAGE.fullmatch(row.get("usageType", ""))
    tests = (
        (not is_region(row.get("Region Code", "")), "not a region"),
        (row.get("Tenancy") != "Shared", "not shared tenancy"),
        (row.get("Operating System") != "Linux", "not Linux"),
        (row.get("Pre Installed S/W", "NA") != "NA", "with licensed software"),
        (row.get("CapacityStatus", "Used") != "Used", "a capacity reservation"),
        (shape.vcpus is None or row.get("vCPU") != format(shape.vcpus, "f"), "vCPUs differ from the seed"),
        (
            row.get("MarketOption") != "CapacityBlock" and (not usage or usage[1] != shape.instance_type),
            "not the usage of an instance",
        ),
    )
    return next((reason for is_so, reason in tests if is_so), None)


def _reserved(shape: InstanceShape, parts: Mapping[str, Mapping[str, str]]) -> Offer | Skipped:
    per_hour, fee = parts.get("Hrs", {}), parts.get("Quantity", {})
    row = {**fee, **per_hour, "fee": fee.get("PricePerUnit", "")}
    if set(parts) - {"Hrs", "Quantity"}:
        return Skipped("a unit other than hours and a fee", row)
    hourly = price_or_reason(per_hour.get("PricePerUnit", "0"), MOST_USD, zero_is_a_price=True)
    upfront = price_or_reason(fee.get("PricePerUnit", "0"), MOST_UPFRONT_USD, zero_is_a_price=True)
    if isinstance(hourly, str) or isinstance(upfront, str):
        return Skipped(str(hourly if isinstance(hourly, str) else upfront), row)
    payment = PAYMENTS.get(row.get("PurchaseOption", ""))
    # A row lost would leave a price too low: what is paid has to fit how it is said to be paid.
    if payment and (hourly > 0, upfront > 0) != (payment != "all_upfront", payment != "no_upfront"):
        return Skipped("hourly price and fee do not fit the payment", row)
    if payment == "all_upfront":
        return _offer(shape, row, row["Region Code"], PurchaseOption.RESERVED, upfront, unit=Unit.TERM)
    upfront_amount = upfront or None
    return _offer(
        shape, row, row["Region Code"], PurchaseOption.RESERVED, hourly, upfront_amount=upfront_amount
    )


def _savings(products: Iterator[ShapeOrSkipped]) -> Iterator[Fact]:
    for entry in products:
        if isinstance(entry, Skipped):
            yield entry
            continue
        shape, row = entry
        usage = _USAGE.fullmatch(row.get("DiscountedUsageType", ""))
        region = row.get("DiscountedRegionCode", "")
        if row.get("DiscountedServiceCode") != "AmazonEC2" or not usage or usage[1] != shape.instance_type:
            yield Skipped("not the usage of an instance", row)
        elif row.get("DiscountedOperation") != "RunInstances":
            yield Skipped("not Linux", row)
        elif not is_region(region):
            yield Skipped("not a region", row)
        else:
            yield _hourly(shape, row, region, PurchaseOption.RESERVED, row.get("DiscountedRate"))


def _hourly(
    shape: InstanceShape, row: Mapping[str, Any], region: str, option: PurchaseOption, price: str | None
) -> Offer | Skipped:
    amount = price_or_reason(price, MOST_USD)
    if row.get("Unit") != "Hrs":
        return Skipped("not per hour", row)
    return Skipped(amount, row) if isinstance(amount, str) else _offer(shape, row, region, option, amount)


def _offer(
    shape: InstanceShape,
    row: Mapping[str, Any],
    region: str,
    option: PurchaseOption,
    amount: Decimal,
    unit: Unit = Unit.HOUR,
    upfront_amount: Decimal | None = None,
) -> Offer | Skipped:
    commitment: dict[str, Any] = {}
    if option is PurchaseOption.RESERVED:
        length = row.get("LeaseContractLength", "") + row.get("LeaseContractLengthUnit", "")
        months, payment = TERM_MONTHS.get(length), PAYMENTS.get(row.get("PurchaseOption", ""))
        sku = SKUS.get(row.get("OfferingClass") or row.get("Product Family", ""))
        if months is None or payment is None or sku is None:
            return Skipped("an unknown kind of commitment", row)
        commitment = {"sku": sku.format(shape.instance_type), "term_months": months, "payment": payment}
    if row.get("Currency") != "USD":
        return Skipped("not in US dollars", row)
    return sold(
        row,
        shape,
        region,
        option,
        Price(amount=amount, unit=unit),
        upfront_amount=upfront_amount,
        effective_at=feed_instant(row.get("EffectiveDate")),
        **commitment,
    )


SOURCE = Source(
    name="aws_bulk",
    provider="aws",
    homepage="https://aws.amazon.com/ec2/pricing/reserved-instances/pricing/",
    every=timedelta(days=7),
    fresh_for=timedelta(days=15),
    requests=(
        Request(url=f"{HOST}{EC2}current/region_index.json"),
        Request(url=f"{HOST}{SAVINGS}current/region_index.json"),
    ),
    parse=parse,
    follow=follow,
    line_filter=line_filter,
    contract=Contract(min_offers=2000, must_have=("a100", "t4"), usd_per_gpu_hour=between("0.03", "40")),
    covers="reserved instances and savings plans, 1 and 3 years, of Linux instances with accelerators",
    licence="AWS Price List bulk files, published for use without an account; informational, AWS terms apply",
    seconds_between_requests=0.5,
)
