"""What a run needs besides accelerators: list prices of storage and transfer, and how often spot is
reclaimed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.assumption import default_value
from gpuledger.core.cost.spot import rate_from_monthly_share

SidePriceRow = Mapping[str, Any]
KINDS = ("object", "file", "block")
"""Storage that keeps checkpoints and data sets, the usual choice first."""
SIDE_PRICE_QUERIES = {
    "storage": "storage_list_price",
    "transfer": "transfer_list_price",
    "bands": "interruption_band_latest",
    "losses": "spot_loss",
}
"""The query in sql/queries that each list comes from."""
ENOUGH_HOURS = 168
"""A week of observed availability before the ledger's own history speaks."""


@dataclass(frozen=True, kw_only=True)
class UnitPrice:
    """US dollars per GB, or per GB and month, and where that is from."""

    usd: Decimal
    basis: str


@dataclass(frozen=True, kw_only=True)
class SpotRate:
    """Interruptions per instance-hour in three cases, and where that is from."""

    low: float
    mid: float
    high: float
    basis: str


class SidePrices:
    """The rows of four queries, found again by provider and region.

    A region without a row of its own takes the provider's `global` row; a volume takes the tier it reaches.
    """

    def __init__(
        self,
        *,
        storage: Iterable[SidePriceRow] = (),
        transfer: Iterable[SidePriceRow] = (),
        bands: Iterable[SidePriceRow] = (),
        losses: Iterable[SidePriceRow] = (),
    ) -> None:
        self._storage: dict[tuple[str, str, str], list[SidePriceRow]] = defaultdict(list)
        self._transfer: dict[tuple[str, str, str], list[SidePriceRow]] = defaultdict(list)
        for row in storage:
            self._storage[row["provider"], row["region"], row["kind"]].append(row)
        for row in transfer:
            self._transfer[row["provider"], row["region"], row["direction"]].append(row)
        self._bands = {(r["provider"], r["instance_type"], r["region"]): r for r in bands}
        self._losses = {(r["provider"], r["instance_type"], r["region"]): r for r in losses}

    def rows_for(self, places: Collection[tuple[str, str, str]]) -> dict[str, list[dict[str, Any]]]:
        """The rows that concern some (provider, region, instance type), for a lock file."""
        near = {(provider, place) for provider, region, _ in places for place in (region, "global")}
        types = {(provider, instance_type, region) for provider, region, instance_type in places}
        dearest = {
            self._dearest(key[2], row["from_gb"]) for key, rows in self._transfer.items() for row in rows
        }
        return {
            "storage": [dict(r) for k, rows in self._storage.items() if k[:2] in near for r in rows],
            "transfer": [
                dict(r) for k, rows in self._transfer.items() if k[:2] in near or k in dearest for r in rows
            ],
            "bands": [dict(row) for key, row in self._bands.items() if key in types],
            "losses": [dict(row) for key, row in self._losses.items() if key in types],
        }

    def storage(self, provider: str, region: str, gb: Decimal) -> UnitPrice:
        """Price of a GB and month at that volume; the assumed one where the ledger has none."""
        for kind in KINDS:
            for place in (region, "global"):
                row = _tier(self._storage.get((provider, place, kind), ()), gb)
                if row is not None:
                    return UnitPrice(
                        usd=row["usd_per_gb_month"], basis=f"{provider} {kind} storage in {place}, list price"
                    )
        return UnitPrice(
            usd=default_value("storage_usd_per_gb_month"),
            basis=f"assumed: the ledger has no storage price of {provider}",
        )

    def transfer(self, provider: str, region: str, direction: str, gb: Decimal) -> UnitPrice | None:
        """Price of a GB moved; `None` where the ledger has none. Zero is a price here."""
        for place in (region, "global"):
            row = _tier(self._transfer.get((provider, place, direction), ()), gb)
            if row is not None:
                return UnitPrice(
                    usd=row["usd_per_gb"], basis=f"{provider} {direction} from {place}, list price"
                )
        return None

    def dearest_transfer(self, direction: str, gb: Decimal) -> UnitPrice | None:
        """The highest price of a GB moved that any provider asks at that volume: the upper end where a provider's
        own is not known. `None` where nobody's ingress is known."""
        key = self._dearest(direction, gb)
        row = None if key is None else _tier(self._transfer[key], gb)
        if key is not None and row is not None:
            return UnitPrice(usd=row["usd_per_gb"], basis=f"{key[0]} in {key[1]}, the dearest known")
        if direction != "egress":
            return None
        return UnitPrice(
            usd=default_value("egress_usd_per_gb_high"), basis="assumed, as the ledger has no egress price"
        )

    def _dearest(self, direction: str, gb: Decimal) -> tuple[str, str, str] | None:
        """Whose price of a GB moved is highest at that volume."""
        prices = [
            (row["usd_per_gb"], key)
            for key, rows in self._transfer.items()
            if key[2] == direction and (row := _tier(rows, gb)) is not None
        ]
        return max(prices)[1] if prices else None

    def spot_rate(self, provider: str, instance_type: str, region: str, plan_rate: float | None) -> SpotRate:
        """The rate: as the user gives it, else the published band, else the ledger's history, else
        assumed."""
        if plan_rate is not None:
            return SpotRate(low=plan_rate, mid=plan_rate, high=plan_rate, basis="interruption rate as given")
        key = (provider, instance_type, region)
        if key in self._bands:
            low, high = float(self._bands[key]["low"]), float(self._bands[key]["high"])
            return SpotRate(
                low=rate_from_monthly_share(low),
                mid=rate_from_monthly_share((low + high) / 2),
                high=rate_from_monthly_share(high),
                basis=f"{provider} says {low:.0%} to {high:.0%} of {instance_type} interrupted a month",
            )
        seen = self._losses.get(key)
        if seen is not None and seen["available_hours"] >= ENOUGH_HOURS:
            rate = float(seen["losses"]) / float(seen["available_hours"])
            return SpotRate(
                low=rate / 2,
                mid=rate,
                high=rate * 2,
                basis=f"{seen['losses']} losses in {float(seen['available_hours']):.0f} observed hours",
            )
        return SpotRate(
            low=float(default_value("spot_interruptions_per_hour_low")),
            mid=float(default_value("spot_interruptions_per_hour_mid")),
            high=float(default_value("spot_interruptions_per_hour_high")),
            basis=f"assumed: nothing known of interruptions at {provider}",
        )


def _tier(rows: Iterable[SidePriceRow], gb: Decimal) -> SidePriceRow | None:
    """The row of the highest tier that the volume reaches."""
    reached = [row for row in rows if row["from_gb"] <= gb]
    return max(reached, key=lambda row: row["from_gb"]) if reached else None
