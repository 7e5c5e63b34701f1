"""Price watches: what is waited for, and when somebody is to be told: once for each time that the price falls below."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from gpuledger.core.count import decimal_text
from gpuledger.core.errors import UsageError
from gpuledger.core.purchase_option import option_text

FILE = "watches.json"
"""In the home."""


@dataclass(frozen=True, kw_only=True)
class PriceWatch:
    """One price that is waited for."""

    gpu: str
    """SPEC."""
    below: Decimal
    """US dollars per GPU-hour."""
    purchase_option: str = "on_demand"
    providers: tuple[str, ...] = ()
    is_below: bool = False
    """At the last look; whoever waits was told then."""
    looked_at: str | None = None
    usd_per_gpu_hour: Decimal | None = None
    """The cheapest at the last look."""

    @property
    def watch_id(self) -> str:
        """Eight hex digits of what is waited for; 2.00 and 2 are one price."""
        usd = decimal_text(self.below) or ""
        words = "|".join((self.gpu, usd, self.purchase_option, *self.providers))
        return f"{zlib.crc32(words.encode()):08x}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        return {
            "watch_id": self.watch_id,
            **asdict(self),
            "below": decimal_text(self.below),
            "usd_per_gpu_hour": decimal_text(self.usd_per_gpu_hour),
            "providers": list(self.providers),
        }


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A price fell below what was waited for."""

    watch: PriceWatch
    provider: str
    instance_type: str
    region: str

    def to_body(self, at: datetime) -> dict[str, Any]:
        """What is sent: `text` for people, the rest for programs."""
        watch, usd = self.watch, decimal_text(self.watch.usd_per_gpu_hour)
        return {
            "event": "gpuledger.price_below",
            "at": at.isoformat(),
            "text": f"gpuledger: {watch.gpu}, {option_text(watch.purchase_option)}, is {usd} USD per GPU-hour at"
            f" {self.provider} ({self.instance_type}, {self.region}), below {decimal_text(watch.below)}",
            "watch": watch.to_dict(),
            "provider": self.provider,
            "instance_type": self.instance_type,
            "region": self.region,
        }


def looked(watch: PriceWatch, usd: Decimal | None, at: datetime) -> tuple[PriceWatch, bool]:
    """The watch after a look at the cheapest fresh price, and whether it fell below since the last one. Where nothing
    is on sale nothing is known, and nothing changes."""
    if usd is None:
        return replace(watch, looked_at=at.isoformat()), False
    is_below = usd < watch.below
    after = replace(watch, is_below=is_below, looked_at=at.isoformat(), usd_per_gpu_hour=usd)
    return after, is_below and not watch.is_below


def read_watches(text: str, origin: str) -> list[PriceWatch]:
    """The watches of a file.

    Raises:
        UsageError: it is none.
    """
    try:
        return [
            PriceWatch(
                gpu=row["gpu"],
                below=Decimal(row["below"]),
                purchase_option=row["purchase_option"],
                providers=tuple(row["providers"]),
                is_below=bool(row["is_below"]),
                looked_at=row["looked_at"],
                usd_per_gpu_hour=None
                if row["usd_per_gpu_hour"] is None
                else Decimal(row["usd_per_gpu_hour"]),
            )
            for row in json.loads(text)
        ]
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise UsageError(f"{origin}: cannot be read as watches: {error!r:.100}") from error


def watches_text(watches: Sequence[PriceWatch]) -> str:
    """The file's text."""
    return json.dumps([watch.to_dict() for watch in watches], indent=1) + "\n"
