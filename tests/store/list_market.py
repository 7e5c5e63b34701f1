"""A market of each state, way to buy and shape, in memory, whose lists are compared with rules in Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from gpuledger.core.alias import Alias, Aliases
from gpuledger.core.store import sql
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.offers import LatestOffer, OfferQuery, offer_page
from gpuledger.core.store.publish import write_latest
from gpuledger.core.store.record import record

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime.fromisoformat("2026-09-30T12:00:00Z")
ALIASES = (
    Alias("", "H100 SXM", None, "h100-sxm-80gb"),
    Alias("", "A100", Decimal(80), "a100-sxm-80gb"),
    Alias("", "L4", None, "l4-24gb"),
    Alias("", "GH200", None, "gh200-96gb"),
    Alias("", "MI300X", None, "mi300x-192gb"),
)
H100, A100 = {"gpu_label": "H100 SXM"}, {"gpu_label": "A100", "gpu_memory_gib": Decimal(80)}
SEVERAL = {"unit": "gpu_hour", "min_gpus": 2, "max_gpus": 8}
# sku, US dollars, hours before NOW at which it was last shown, other terms
LIVE: list[tuple[str, Any, int, dict[str, Any]]] = [
    ("a1", "2.5", 1, H100 | {"provider": "aws", "region": "us-east-1", "vcpus": Decimal(8), "memory_gib": Decimal(64)}),
    ("a2", "20", 1, H100 | {"provider": "aws", "region": "us-west-2", "gpu_count": Decimal(8), "vcpus": Decimal(96),
                            "memory_gib": Decimal(768), "local_storage_gb": Decimal(1000), "instance_type": "P5.big"}),
    ("a3", "1", 1, H100 | {"provider": "aws", "region": "us-east-1", "purchase_option": "spot"}),
    ("a4", "1.5", 1, H100 | {"provider": "aws", "region": "eu-west-1", "purchase_option": "reserved",
                             "term_months": Decimal(12)}),
    ("r1", "2.4", 1, H100 | {"tier": "secure", "region": "US", **SEVERAL}),
    ("r2", "2.2", 1, H100 | {"tier": "community", "region": "CA", "availability": "limited"}),
    ("r3", "2.6", 1, H100 | {"availability": "sold_out", "region": "global"}),
    ("r4", "1.2", 1, A100 | {"region": "nowhere", "memory_gib": Decimal(64), "local_storage_gb": Decimal(200)}),
    ("r5", "0.4", 1, {"gpu_label": "L4", "region": "US", "gpu_count": Decimal("0.5"), "availability": "unknown"}),
    ("r6", "0.9", 1, {"gpu_label": "GH200", "region": "US", "vcpus": Decimal(72)}),
    ("r7", "3.1", 1, {"gpu_label": "MI300X", "region": "US", "tier": "secure"}),
    ("r8", "5", 1, {"gpu_label": "Mystery 9000", "region": "US"}),
    ("r9", "2.4", 1, H100 | {"tier": "secure", "region": "CA"}),
]  # fmt: skip
OLD: list[tuple[str, Any, int, dict[str, Any]]] = [
    ("o1", "2", 40 * 24, H100 | {"provider": "lambda", "region": "global"}),
    ("o2", "0.8", 20 * 24, H100 | {"provider": "lambda", "region": "global", "purchase_option": "spot"}),
    ("o3", "0.7", 40 * 24, H100 | {"provider": "vast", "region": "US"}),
    ("o4", "1.9", 20 * 24, A100 | {"provider": "vast", "region": "US"}),
]


class Market:
    """A market in memory."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, books: Any, an_offer: Any) -> None:
        self.connection = connection
        books = replace_aliases(books)
        seen = [an_offer(sku, usd, **terms) for sku, usd, _, terms in LIVE]
        unlisted = an_offer("u1", "2.1", **H100, provider="aws", region="us-east-1")
        before = {"a1": "3", "r6": "1"}
        dear = [
            one.model_copy(update={"price": an_offer(one.sku, before[one.sku]).price})
            if one.sku in before
            else one
            for one in seen
        ]
        for batch in (
            books.batch(*dear, unlisted, at=NOW - 5 * HOUR),
            books.batch(*seen, unlisted, at=NOW - 2 * HOUR),
            books.batch(*seen, at=NOW - HOUR),
            books.batch(
                *(
                    an_offer(sku, usd, **terms, observed_at=NOW - hours * HOUR)
                    for sku, usd, hours, terms in OLD
                ),
                an_offer("o1", "2.3", **OLD[0][3], observed_at=NOW - 60 * DAY),
                source="list",
                at=NOW,
            ),
        ):
            record(connection, batch, Aliases(ALIASES))
        self.publish()

    def publish(self) -> None:
        write_latest(self.connection)

    def page(self, *, as_of: datetime | None = None, **named: Any) -> list[LatestOffer]:
        return offer_page(self.connection, OfferQuery(**named), at=as_of or NOW, as_of=as_of).offers


def replace_aliases(books: Any) -> Any:
    books.aliases = ALIASES
    return books


@contextmanager
def opened(books: Any, an_offer: Any) -> Iterator[Market]:
    books = replace_aliases(books)
    with duckdb.connect() as connection:
        sql.prepare(connection)
        migrate(connection, sources=books.sources, aliases=ALIASES)
        yield Market(connection, books, an_offer)
