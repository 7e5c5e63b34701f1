"""The picture of prices over time, as data that the page's script draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gpuledger.core.errors import UsageError
from gpuledger.core.spec import parse_spec
from gpuledger.ledger import Ledger
from gpuledger.parse import instant

DEFAULT_GPU = "H100-SXM"
OPTIONS = ("on_demand", "spot", "reserved", "any")
SPANS = {
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": timedelta(days=3650),
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# at most some 500 steps, whatever the span
STEPS = ((7 * DAY, HOUR), (60 * DAY, 6 * HOUR), (400 * DAY, DAY))
LONGEST_STEP = 7 * DAY


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
    def step(self) -> timedelta:
        """Length of a step: some hours, or whole days."""
        span = self.until - self.since
        return next((step for limit, step in STEPS if span <= limit), LONGEST_STEP)

    @property
    def address(self) -> str:
        """The same question as an address of the REST interface, without a format."""
        from urllib.parse import urlencode

        named = {"gpu": self.gpu, "provider": self.provider, "region": self.region}
        if self.option != "any":
            named["purchase_option"] = self.option
        named |= {"from": self.since.date().isoformat(), "to": self.until.isoformat()}
        return urlencode({name: value for name, value in named.items() if value})


def read_chart_form(inputs: Mapping[str, str], now: datetime) -> ChartForm:
    """The question in an address.

    Raises:
        UsageError: a field cannot be understood.
    """
    option, span = inputs.get("option") or "on_demand", inputs.get("span") or "1y"
    if option not in OPTIONS:
        raise UsageError(f"option: {option!r} is none of {', '.join(OPTIONS)}")
    if span not in SPANS:
        raise UsageError(f"span: {span!r} is none of {', '.join(SPANS)}")
    until = instant(inputs.get("to") or None, "to") or now
    # to the minute, so that addresses and kept answers repeat
    until = until.replace(second=0, microsecond=0)
    since = instant(inputs.get("from") or None, "from") or until - SPANS[span]
    if since >= until:
        raise UsageError(f"from: {since.date()} is not before {until.date()}")
    return ChartForm(
        gpu=inputs.get("gpu") or DEFAULT_GPU,
        provider=inputs.get("provider") or "",
        option=option,
        region=inputs.get("region") or "",
        span=span,
        since=since,
        until=until,
    )


def chart(ledger: Ledger, form: ChartForm) -> dict[str, Any]:
    """One series over all offers (cheapest and percentiles) and one per provider (its cheapest).

    Steps of hours sample the prices in force then. A step of days holds the price at the end of a UTC day, that
    of the last day the price when the snapshot was published.
    """
    spec = parse_spec(form.gpu)
    chosen: dict[str, Any] = {
        "gpu_ids": ",".join(spec.gpu_ids),
        "providers": form.provider.lower() or None,
        "purchase_options": None if form.option == "any" else form.option,
        "tiers": None,
        "region": form.region or None,
        "min_count": spec.min_count,
        "max_count": spec.max_count,
    }
    if form.step < DAY:
        begins = form.since
        query = "price_chart_hours"
        chosen |= {"since": form.since, "until": form.until, "step": form.step}
    else:
        last_day = form.until.date()
        first_day = last_day - (last_day - form.since.date()) // form.step * form.step
        begins = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
        is_kept = len(spec.gpu_ids) == 1 and form.option != "any" and not form.region
        is_kept = is_kept and spec.min_count in (None, 1) and spec.max_count is None
        query = "price_chart_days" if is_kept else "price_chart_days_chosen"
        chosen |= {"first_day": first_day, "last_day": last_day, "step_days": form.step.days}
        if not is_kept:
            chosen["end_day"] = min(last_day + DAY, ledger.edition.published_at.date())
    by_provider: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in ledger.chart(query, chosen):
        by_provider.setdefault(row["provider"], []).append(row)
    overall = by_provider.pop(None, [])
    first = overall[0]["step_no"] if overall else 0
    step_seconds = int(form.step.total_seconds())
    return {
        "snapshot": ledger.edition.number,
        "gpu": form.gpu,
        "gpu_ids": list(spec.gpu_ids),
        "option": form.option,
        "start": int(begins.timestamp()) + first * step_seconds,
        "step_seconds": step_seconds,
        "steps": overall[-1]["step_no"] + 1 - first if overall else 0,
        "overall": _overall(overall, first),
        "providers": [
            {"provider": name, "usd": _dense(result, "usd_min", first)}
            for name, result in by_provider.items()
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
