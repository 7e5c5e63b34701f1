"""gpuhunt's keywords, unchanged, over the ledger: code that calls `gpuhunt.query()` finds what it knows.

    from gpuledger.gpuhunt import offers
    offers(gpu_name="H100", min_gpu_count=8, spot=False)

The filters are those of `Ledger.offers`; this file has none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gpuledger.core import validity
from gpuledger.core.errors import UsageError
from gpuledger.core.store.offers import LatestOffer
from gpuledger.questions.choice import LISTED_STATES, cards_named, offer_query

if TYPE_CHECKING:
    from gpuledger.ledger import Ledger
    from gpuledger.parse import When

GpuhuntNames = str | Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class CatalogOffer:
    """One offer under gpuhunt's names: memory in GB, `price` in US dollars per hour for the whole
    instance."""

    provider: str
    instance_name: str
    location: str
    price: float
    cpu: int | None
    cpu_arch: str
    memory: float | None
    gpu_count: float
    gpu_name: str | None
    gpu_memory: float | None
    gpu_vendor: str | None
    spot: bool
    disk_size: float | None
    flags: list[str]
    provider_data: dict[str, Any]
    offer: LatestOffer
    """The offer with its exact decimals, observation and source."""
    price_state: str

    def to_dict(self) -> dict[str, Any]:
        """gpuhunt's columns, with the offer's id and the price's state."""
        row = {name: value for name, value in asdict(self).items() if name != "offer"}
        return row | {"offer_id": self.offer.offer_id, "observed_at": self.offer.last_seen_at}


class CatalogOffers(list[CatalogOffer]):
    """The offers found; a list that turns into tables."""

    def to_arrow(self) -> Any:
        """The rows as a `pyarrow.Table`."""
        import pyarrow

        return cast(Any, pyarrow).Table.from_pylist([row.to_dict() for row in self])

    def to_df(self) -> Any:
        """The rows as a pandas frame; pandas is not a dependency and must be there."""
        return self.to_arrow().to_pandas()


def offers(
    *,
    provider: GpuhuntNames = None,
    cpu_arch: str | None = None,
    min_cpu: float | None = None,
    max_cpu: float | None = None,
    min_memory: float | None = None,
    max_memory: float | None = None,
    min_gpu_count: float | None = None,
    max_gpu_count: float | None = None,
    gpu_vendor: str | None = None,
    gpu_name: GpuhuntNames = None,
    min_gpu_memory: float | None = None,
    max_gpu_memory: float | None = None,
    min_total_gpu_memory: float | None = None,
    max_total_gpu_memory: float | None = None,
    min_disk_size: float | None = None,
    max_disk_size: float | None = None,
    min_price: float | None = None,
    max_price: float | None = None,
    min_compute_capability: tuple[int, int] | str | None = None,
    max_compute_capability: tuple[int, int] | str | None = None,
    spot: bool | None = None,
    allowed_flags: Sequence[str] | None = None,
    as_of: When = None,
    allow_stale: bool = False,
    home: Path | str | None = None,
    ledger: Ledger | None = None,
) -> CatalogOffers:
    """Offers on sale, cheapest first: gpuhunt's keywords, and a past time. The filters of `GET /v1/offers`.

    Names are matched without case, one or several. Stale prices come after the fresh ones (`price_state`); lapsed
    ones are left out unless `allow_stale`. A bound leaves out what is not known. `allowed_flags` is accepted and
    filters nothing, as offers here carry no flags.

    Raises:
        UnknownGPUError: no accelerator of that name.
        UsageError: a value cannot be understood.
    """
    from gpuledger.ledger import Ledger

    names, unknown = cards_named(gpu_name)
    query = offer_query(
        gpu_names=names,
        providers=provider,
        vendors=gpu_vendor,
        cpu_arch=None if cpu_arch is None else cpu_arch.lower(),
        min_cpu=min_cpu,
        max_cpu=max_cpu,
        min_memory=min_memory,
        max_memory=max_memory,
        min_gpu_count=min_gpu_count,
        max_gpu_count=max_gpu_count,
        min_gpu_memory=min_gpu_memory,
        max_gpu_memory=max_gpu_memory,
        min_total_gpu_memory=min_total_gpu_memory,
        max_total_gpu_memory=max_total_gpu_memory,
        min_disk_size=min_disk_size,
        max_disk_size=max_disk_size,
        min_price=min_price,
        max_price=max_price,
        min_compute_capability=_version(min_compute_capability),
        max_compute_capability=_version(max_compute_capability),
        spot=spot,
        states=validity.ALL_STATES if allow_stale else LISTED_STATES,
    )
    rows = (ledger or Ledger(home)).offer_page(query, as_of=as_of)
    if not rows and unknown is not None:
        raise unknown
    catalog = [_catalog_offer(row) for row in rows if row["usd_per_hour"] is not None]
    return CatalogOffers(
        sorted(catalog, key=lambda row: (validity.state_rank(row.price_state), row.price, row.provider))
    )


def _version(value: tuple[int, int] | str | None) -> float | None:
    """8.0 of `(8, 0)` and of `"8.0"`, which gpuhunt's own filter compares wrongly."""
    if value is None:
        return None
    parts = value.split(".") if isinstance(value, str) else [str(part) for part in value]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise UsageError(f"compute capability {value!r}: expected (8, 0) or '8.0'")
    return float(".".join(parts))


def _catalog_offer(row: Mapping[str, Any]) -> CatalogOffer:
    return CatalogOffer(
        provider=row["provider"],
        instance_name=row["instance_type"],
        location=row["region"],
        price=float(row["usd_per_hour"]),
        cpu=None if row["vcpus"] is None else int(row["vcpus"]),
        cpu_arch=row["cpu_arch"] or "x86",
        memory=_number(row["memory_gib"]),
        gpu_count=float(row["gpu_count"]),
        gpu_name=row["gpu_name"] or row["gpu_label"],
        gpu_memory=_number(row["gpu_memory_gib"]),
        gpu_vendor=row["gpu_vendor"],
        spot=row["purchase_option"] == "spot",
        disk_size=_number(row["local_storage_gb"]),
        flags=[],
        provider_data={},
        offer=LatestOffer(**{name: row[name] for name in LatestOffer.__slots__}),
        price_state=row["price_state"],
    )


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
