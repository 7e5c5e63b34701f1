"""The picture of prices over time, as data that the page's script draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.desk import Desk
from app.rest.parameters import instant
from core.errors import UsageError
from core.spec import parse_spec
from core.store.serving import Served

DEFAULT_GPU = "H100-SXM"
OPTIONS = ("on_demand", "spot", "reserved", "any")
SPANS = {
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": timedelta(days=3650),
}
# at most some 400 steps, whatever the span
STEPS = (
    (timedelta(days=7), "1 hour"),
    (timedelta(days=60), "6 hours"),
    (timedelta(days=400), "1 day"),
)
SECONDS = {"1 hour": 3600, "6 hours": 21_600, "1 day": 86_400, "7 days": 604_800}


@dataclass(frozen=True)
class ChartForm:
    """Which prices to draw."""

    gpu: str
    provider: str
    option: str
    region: str
    span: str
    since: datetime
    until: datetime

    @property
    def every(self) -> str:
        """Length of a step in SQL's words."""
        span = self.until - self.since
        return next((step for limit, step in STEPS if span <= limit), "7 days")

    @property
    def address(self) -> str:
        """The same question as an address of the REST interface, without a format."""
        from urllib.parse import urlencode

        named = {"gpu": self.gpu, "provider": self.provider, "region": self.region}
        if self.option != "any":
            named["purchase_option"] = self.option
        named |= {"from": self.since.date().isoformat(), "to": self.until.isoformat()}
        return urlencode({name: value for name, value in named.items() if value})


def read_chart_form(given: Mapping[str, str], now: datetime) -> ChartForm:
    """The question in an address.

    Raises:
        UsageError: a field cannot be understood.
    """
    option, span = given.get("option") or "on_demand", given.get("span") or "1y"
    if option not in OPTIONS:
        raise UsageError(f"option: {option!r} is none of {', '.join(OPTIONS)}")
    if span not in SPANS:
        raise UsageError(f"span: {span!r} is none of {', '.join(SPANS)}")
    until = instant(given.get("to") or None, "to") or now
    # to the minute, so that addresses and kept answers repeat
    until = until.replace(second=0, microsecond=0)
    since = instant(given.get("from") or None, "from") or until - SPANS[span]
    if since >= until:
        raise UsageError(f"from: {since.date()} is not before {until.date()}")
    return ChartForm(
        gpu=given.get("gpu") or DEFAULT_GPU,
        provider=given.get("provider") or "",
        option=option,
        region=given.get("region") or "",
        span=span,
        since=since,
        until=until,
    )


def chart(desk: Desk, served: Served, form: ChartForm) -> dict[str, Any]:
    """One series over all offers (cheapest and percentiles) and one per provider (its cheapest)."""
    spec = parse_spec(form.gpu)
    rows = desk.chart(
        served,
        {
            "gpu_ids": ",".join(spec.gpu_ids),
            "providers": form.provider.lower() or None,
            "purchase_options": None if form.option == "any" else form.option,
            "tiers": None,
            "region": form.region or None,
            "min_count": spec.min_count,
            "max_count": spec.max_count,
            "since": form.since,
            "until": form.until,
            "every": form.every,
        },
    )
    by_provider: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_provider.setdefault(row["provider"], []).append(row)
    overall = by_provider.pop(None, [])
    first = overall[0]["step_no"] if overall else 0
    return {
        "snapshot": served.edition.number,
        "gpu": form.gpu,
        "gpu_ids": list(spec.gpu_ids),
        "option": form.option,
        "start": int(form.since.timestamp()) + first * SECONDS[form.every],
        "step_seconds": SECONDS[form.every],
        "steps": overall[-1]["step_no"] + 1 - first if overall else 0,
        "overall": _overall(overall, first),
        "providers": [
            {"provider": name, "usd": _dense(found, "usd_min", first)} for name, found in by_provider.items()
        ],
    }


def _overall(rows: Sequence[Mapping[str, Any]], first: int) -> dict[str, list[Any]]:
    if not rows:
        return {}
    percentiles = _dense(rows, "usd_percentiles", first)
    return {
        "usd_min": _dense(rows, "usd_min", first),
        **{
            name: [None if value is None else value[index] for value in percentiles]
            for index, name in enumerate(("usd_p10", "usd_p25", "usd_median", "usd_p75"))
        },
        "offers": _dense(rows, "offers", first),
    }


def _dense(rows: Sequence[Mapping[str, Any]], name: str, first: int) -> list[Any]:
    """One value per step, null where there was no price."""
    made: list[Any] = [None] * (rows[-1]["step_no"] - first + 1)
    for row in rows:
        made[row["step_no"] - first] = row[name]
    return made
