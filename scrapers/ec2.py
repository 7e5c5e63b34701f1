"""What the sources of EC2 prices share: regions, shapes, the price page's old feed, and the offer of a type.

AWS names no GPU in its prices, so the instance type is the GPU label; `sql/seeds/gpu_alias_aws.csv` says what
it holds and `instance_type.csv` how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from gpuledger.core.document import Credential, Document
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer, PurchaseOption, Skipped
from gpuledger.core.provider import InstanceShape, instance_shape
from gpuledger.scrapers.read_json import priced, rows

MOST_USD = 10_000
"""No instance-hour costs this much."""

FAMILIES = frozenset({"GPU instance", "Machine Learning ASIC Instances"})
"""Families of accelerator types; one of these that the seed lacks is told apart from all the others."""

NOT_A_REGION = "a local or wavelength zone, not a region"

MOST_TAGS = 500_000
"""A page of the API has up to 1,000 items of a dozen tags each."""

CREDENTIALS = tuple(
    Credential(variable=variable, travels_as="header", name="Authorization")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
)
"""What signs a request to the API; see `gpuledger.scrapers.http.aws_api`."""

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,2}-\d")


def is_region(code: str) -> bool:
    """Whether this is the code of a region, and not of a local or wavelength zone."""
    return _REGION.fullmatch(code) is not None


def is_zone(name: str, region: str) -> bool:
    """Whether this names an availability zone of the region."""
    return re.fullmatch(r"[a-z0-9-]{1,60}", name) is not None and name.startswith(region)


def shape_or_reason(instance_type: Any, *, is_accelerated: bool) -> InstanceShape | str:
    """The seed's shape, or why there is none.

    Args:
        is_accelerated: the list itself files the type under accelerators.
    """
    shape = instance_shape("aws", instance_type) if isinstance(instance_type, str) else None
    if shape is None:
        return "an accelerator type that the seed lacks" if is_accelerated else "no accelerator"
    return shape if shape.gpu_count else "no GPU or AI accelerator"


def sold(
    row: Any, shape: InstanceShape, region: str, option: PurchaseOption, price: Decimal | Price, **terms: Any
) -> Offer | Skipped:
    """The offer of an instance type; a plain amount is US dollars per instance-hour."""
    shape_terms: dict[str, Any] = {
        "provider": "aws",
        "sku": shape.instance_type,
        "instance_type": shape.instance_type,
        "region": region,
        "gpu_label": shape.instance_type,
        "gpu_count": shape.gpu_count,
        "gpu_memory_gib": shape.gpu_memory_gib,
        "vcpus": shape.vcpus,
        "memory_gib": shape.memory_gib,
        "purchase_option": option,
        "price": price if isinstance(price, Price) else Price(amount=price, unit=Unit.HOUR),
    }
    return priced(row, **(shape_terms | terms))


def feed_rows(config: Mapping[str, Any], document: Document) -> Iterator[dict[str, Any]]:
    """The columns of all sizes in a feed of the old price page, with their `region`, `family` and `size`.

    Raises:
        ParseError: one of the nested lists is none.
    """
    for region in rows(config.get("regions"), document, "regions"):
        for family in rows(region.get("instanceTypes"), document, "instanceTypes"):
            for size in rows(family.get("sizes"), document, "sizes"):
                for column in rows(size.get("valueColumns"), document, "valueColumns"):
                    place = {"region": str(region.get("region")), "family": family.get("type")}
                    yield {**place, "size": size.get("size"), "vCPU": size.get("vCPU"), **column}


def feed_instant(text: Any) -> datetime | None:
    """A time in ISO 8601, taken as UTC where it names no offset."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def asked_region(document: Document) -> str:
    """The region that an answer of the EC2 API is about, which only the request says.

    Raises:
        ParseError: the context names none.
    """
    region = document.context.get("region", "")
    if not is_region(region):
        raise document.error(f"an answer of region {region!r}; the context must name it")
    return region


def items(document: Document, action: str, listed: str) -> Iterator[dict[str, str]]:
    """The items of an answer of the EC2 API, with the text of their members.

    Args:
        action: of the API, such as `DescribeSpotPriceHistory`.
        listed: the element that has the items.

    Raises:
        ParseError: not XML, a DOCTYPE, too many tags, or the answer to another action.
    """
    if b"<!DOCTYPE" in document.body or b"<!ENTITY" in document.body:
        raise document.error("XML with a document type")
    if document.body.count(b"<") > MOST_TAGS:
        raise document.error(f"XML of more than {MOST_TAGS} tags")
    try:
        root = ElementTree.fromstring(document.body)
    except ElementTree.ParseError as error:
        raise document.error(f"not XML: {error}") from error
    if root.tag.rpartition("}")[2] != f"{action}Response":
        raise document.error(f"an answer of {root.tag.rpartition('}')[2][:60]!r}")
    listed_items = root.find(f"{{*}}{listed}")
    if listed_items is None:
        raise document.error(f"an answer without {listed}")
    for item in listed_items.iterfind("{*}item"):
        yield {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in item}
