# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""A published release as a source: what another ledger saw, row by row, as dated observations.

One document per file of the release and source in it, so that a receipt names both. A price event says what was seen,
and when the price before was last seen; the offers on sale say when each was seen last.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document
from gpuledger.core.offer import Fact
from gpuledger.core.parquet import parquet_table
from gpuledger.scrapers.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_STRINGS = (
    *(
        "offer_id",
        "provider",
        "via",
        "sku",
        "instance_type",
        "region",
        "zone",
        "tier",
        "gpu_label",
        "purchase_option",
    ),
    *("payment", "operating_system", "currency", "unit", "network", "availability"),
)
_SIZES = ("gpu_count", "gpu_memory_gib", "vcpus", "memory_gib", "local_storage_gb")
_MONEY = ("term_months", "amount", "upfront_amount")
_INTEGERS = ("min_gpus", "max_gpus", "billing_increment_seconds", "minimum_billing_seconds")
_TIMES = ("observed_at", "effective_at")
_PRICE = ("amount", "upfront_amount", "currency", "unit")


def parse_table(document: Document) -> pa.Table:
    """The observations of one source in one file, as the ledger stores them.

    Raises:
        ParseError: not Parquet, or a column is missing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        table = _read(document.body)
        table = table.filter(pc.equal(table["source"], document.context.get("source")))
        if document.context.get("table") == "offers":
            return _shaped(table.append_column("observed_at", table["last_seen_at"]))
        has_former_price = pc.and_(pc.is_valid(table["before_seen_at"]), pc.is_valid(table["before_amount"]))
        before = table.filter(has_former_price)
        for name in _PRICE:
            before = before.set_column(before.column_names.index(name), name, before[f"before_{name}"])
        before = before.set_column(
            before.column_names.index("observed_at"), "observed_at", before["before_seen_at"]
        )
        return pa.concat_tables([_shaped(table), _shaped(before)])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise document.error(f"no table of a release: {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=1)
def _read(body: bytes) -> pa.Table:
    """Several documents are of one file."""
    return parquet_table(body)


def _shaped(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    kinds = {
        **dict.fromkeys(_STRINGS, pa.string()),
        **dict.fromkeys(_SIZES, pa.decimal128(18, 4)),
        **dict.fromkeys(_MONEY, pa.decimal128(18, 6)),
        **dict.fromkeys(_INTEGERS, pa.int32()),
        **dict.fromkeys(_TIMES, pa.timestamp("us", tz="UTC")),
    }
    return pa.table(
        {
            name: table[name].cast(kind) if name in table.column_names else pa.nulls(table.num_rows, kind)
            for name, kind in kinds.items()
        }
    )


def parse(document: Document) -> Iterator[Fact]:
    """It is read as columns alone."""
    raise document.error("a release is read by `gpuledger pull`")
    yield


SOURCE = Source(
    name="release",
    provider="several",
    homepage="https://gpuledger.github.io/gpuledger/",
    every=timedelta(days=1),
    requests=(),
    is_dated_list=True,
    is_weighed_list=True,
    confidence="observed",
    parse=parse,
    parse_table=parse_table,
    contract=Contract(min_offers=1, usd_per_gpu_hour=(Decimal("0.001"), Decimal(500))),
    covers="a published release of another ledger, taken with `gpuledger pull`",
    licence="CC BY 4.0; of each source see the release's README",
)
