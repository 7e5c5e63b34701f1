"""Cyclenerd's `pricing.yml` of Google Cloud: per machine type and region, computed from Google's SKUs.

`hour` and `hour_spot` are USD per instance and hour; `month_1y` and `month_3y` the monthly bill of a
commitment. `about.timestamp` says when the file was built. The accelerator of a type is a key of its own
(`a100-80gb: 8`).
Prices exist for regions where the GPU is not offered, so the rows are labelled as derived.
A change list cut from the file's versions, as CSV with these metrics, is read as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import yaml

from gpuledger.core.document import Document
from gpuledger.core.money import Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.archives import changes
from gpuledger.scrapers.archives.archive_row import Sighting, fact, instant_of_text
from gpuledger.scrapers.read_json import fields
from gpuledger.scrapers.source import Source

# key of a region's cost -> (how it is bought, months committed, unit); `month` and `month_spot` are the
# hours again
_COSTS = {
    "hour": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "hour_spot": (PurchaseOption.SPOT, None, Unit.HOUR),
    "month_1y": (PurchaseOption.RESERVED, 12, Unit.MONTH),
    "month_3y": (PurchaseOption.RESERVED, 36, Unit.MONTH),
}

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(document: Document) -> Iterator[Fact]:
    """All machine types with an accelerator.

    Raises:
        ParseError: not this YAML, or without the time it was built.
    """
    if document.body[:11] == b"observed_at":
        yield from changes.parse(_as_google(document))
        return
    try:
        content = fields(yaml.load(document.text(), _Loader))
    except (yaml.YAMLError, RecursionError) as error:
        raise document.error(f"not YAML: {str(error).splitlines()[0]}") from error
    observed_at = instant_of_text(fields(content.get("about")).get("timestamp"))
    machines = fields(fields(content.get("compute")).get("instance"))
    if observed_at is None or not machines:
        raise document.error("no about.timestamp or no compute.instance")
    for machine, what in machines.items():
        for region, cost in fields(fields(what).get("cost")).items():
            for name, (option, months, unit) in _COSTS.items():
                amount = fields(cost).get(name)
                if amount is None:
                    continue
                row = {"machine": machine, "region": region, name: amount}
                yield (
                    fact(
                        Sighting(
                            provider="gcp",
                            sku=str(machine),
                            observed_at=observed_at,
                            amount=str(amount),
                            unit=unit,
                            option=option,
                            region=str(region),
                            term_months=None if months is None else Decimal(months),
                        ),
                        row,
                    )
                    if what
                    else Skipped("no accelerator", row)
                )


def _as_google(document: Document) -> Document:
    from dataclasses import replace

    context = {**document.context, "provider": "gcp"}
    return replace(document, request=replace(document.request, context=context))


def _list_kind(document: Document) -> str:
    is_csv = document.request.url.lower().endswith(".csv")
    return changes.list_kind(document) if is_csv else "snapshots"


SOURCE = Source(
    name="cyclenerd",
    provider="gcp",
    homepage="https://github.com/Cyclenerd/google-cloud-pricing-cost-calculator",
    every=timedelta(days=7),
    list_kind=_list_kind,
    requests=(),
    is_dated_list=True,
    confidence="derived",
    parse=parse,
    contract=changes.LIST_CONTRACT,
    covers="Google Cloud machine types in all regions since 2022-02, weekly",
    licence="Apache-2.0",
)
