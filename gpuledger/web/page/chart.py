"""The picture of prices over time, as data: what the page's script draws, and what it shows without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple

from gpuledger.core.validity import state_rank
from gpuledger.ledger import Ledger
from gpuledger.web.page.chart_form import DAY, Card, ChartForm

NOT_THERE = ("unlisted", "sold_out")
"""States in which nothing could be had at a price."""
_YEAR = 365 * 86_400


@dataclass(frozen=True)
class Line:
    """One line of the picture: a value per step, null where there was no price."""

    key: str
    name: str
    usd: tuple[float | None, ...]
    states: tuple[str | None, ...] = ()
    """Of each step the state of the price then (docs/validity.md); empty: it has none, as an index."""
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()

    @property
    def loose(self) -> tuple[bool, ...]:
        """Of each step, whether the price could not be relied upon: old, or not to be had."""
        return tuple(state is not None and state_rank(state) > 0 for state in self.states) or (False,) * len(
            self.usd
        )


@dataclass(frozen=True)
class Drawing:
    """What is drawn."""

    start: int
    step_seconds: int
    steps: int
    lines: tuple[Line, ...]
    median: tuple[float | None, ...] = ()
    """Over the providers of one accelerator, of the cheapest of each."""
    unit: str = "usd"

    def to_dict(self) -> dict[str, Any]:
        """For the script and for programs."""
        return {
            "start": self.start,
            "step_seconds": self.step_seconds,
            "steps": self.steps,
            "unit": self.unit,
            "median": list(self.median),
            "lines": [
                {"key": line.key, "name": line.name, "usd": list(line.usd), "loose": _ranges(line.loose)}
                | _short(line)
                | ({"low": list(line.low), "high": list(line.high)} if line.low else {})
                for line in self.lines
            ],
        }


def _short(line: Line) -> dict[str, Any]:
    """Where nothing was to be had at the price, by state."""
    ranges = {state: _ranges([one == state for one in line.states]) for state in NOT_THERE}
    return {state: steps for state, steps in ranges.items() if steps}


def _ranges(flags: Sequence[bool]) -> list[list[int]]:
    """First and last of each run of true ones."""
    runs: list[list[int]] = []
    for place, flag in enumerate(flags):
        if flag and runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        elif flag:
            runs.append([place, place])
    return runs


def drawing(ledger: Ledger, form: ChartForm) -> Drawing:
    """The lines of the question: providers of one accelerator, or accelerators, or their index.

    A step of hours samples the prices in force then; a step of days holds the price at the end of a UTC day, the last
    day the price when the snapshot was published.
    """
    if form.show == "index":
        return _index(ledger, form)
    parts = [_of_card(ledger, form, card) for card in form.cards]
    begun = [part for part in parts if part["steps"]]
    step_seconds = int(form.step.total_seconds())
    if not begun:
        return Drawing(0, step_seconds, 0, ())
    start = min(part["start"] for part in begun)
    steps = max((part["start"] - start) // step_seconds + part["steps"] for part in begun)
    lines: list[Line] = []
    middle: tuple[float | None, ...] = ()
    for card, part in zip(form.cards, parts, strict=True):
        offset = (part["start"] - start) // step_seconds if part["steps"] else 0
        providers = [
            Line(name, name, _placed(one["usd"], offset, steps), _placed(one["states"], offset, steps))
            for name, one in part["providers"].items()
            if not form.providers or name in form.providers
        ]
        over = tuple(_median(_prices(providers, at)) for at in range(steps))
        if not form.is_comparison:
            lines, middle = providers, over
        elif form.stat == "median":
            lines.append(Line(card.spec, card.name, over))
        else:
            least = [min(_prices(providers, at), default=_NOTHING) for at in range(steps)]
            lines.append(
                Line(card.spec, card.name, tuple(one.usd for one in least), tuple(one.state for one in least))
            )
    return Drawing(start, step_seconds, steps, tuple(lines), middle)


class _Price(NamedTuple):
    """Of one line at one step, in the order of `cheapest`."""

    rank: int
    usd: float | None
    name: str
    state: str | None


_NOTHING = _Price(0, None, "", None)


def _prices(lines: Sequence[Line], at: int) -> list[_Price]:
    there = [(line, line.states[at] if line.states else None) for line in lines if line.usd[at] is not None]
    return [
        _Price(state_rank(state) if state else 0, line.usd[at], line.name, state) for line, state in there
    ]


def _median(prices: Sequence[_Price]) -> float | None:
    """Of what was to be had, else of the rest."""
    there = [one.usd for one in prices if one.state not in NOT_THERE] or [one.usd for one in prices]
    return round(median(usd for usd in there if usd is not None), 6) if there else None


def _placed(values: Sequence[Any], offset: int, steps: int) -> tuple[Any, ...]:
    made: list[Any] = [None] * steps
    made[offset : offset + len(values)] = values
    return tuple(made)


def _of_card(ledger: Ledger, form: ChartForm, card: Card) -> dict[str, Any]:
    """The cheapest of each provider of one accelerator, by step."""
    chosen: dict[str, Any] = {
        "gpu_ids": card.gpu_id,
        "providers": None,
        "purchase_options": form.option,
        "tiers": None,
        "region": form.region or None,
        "min_count": card.min_count or 1,
        "max_count": card.max_count,
    }
    is_kept = False
    if form.step < DAY:
        begins, query = form.since, "price_chart_hours"
        chosen |= {"since": form.since, "until": form.until, "step": form.step}
    else:
        last_day = form.until.date()
        first_day = last_day - (last_day - form.since.date()) // form.step * form.step
        begins = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
        is_kept = not form.region and card.min_count is None and card.max_count is None
        query = "price_chart_days" if is_kept else "price_chart_days_chosen"
        chosen |= {"first_day": first_day, "last_day": last_day, "step_days": form.step.days}
        if not is_kept:
            chosen["end_day"] = min(last_day + DAY, ledger.edition.published_at.date())
    if not is_kept and len(form.providers) == 1:
        chosen["providers"] = form.providers[0]
    rows = ledger.chart(query, chosen)
    step_seconds = int(form.step.total_seconds())
    if not rows:
        return {"start": 0, "steps": 0, "providers": {}}
    first, last = min(row["step_no"] for row in rows), max(row["step_no"] for row in rows)
    steps = last - first + 1
    providers: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        series = providers.setdefault(row["provider"], {"usd": [None] * steps, "states": [None] * steps})
        series["usd"][row["step_no"] - first] = row["usd_min"]
        series["states"][row["step_no"] - first] = row["price_state"]
    return {
        "start": int(begins.timestamp()) + first * step_seconds,
        "steps": steps,
        "providers": providers,
    }


def _index(ledger: Ledger, form: ChartForm) -> Drawing:
    """The index of each accelerator with the range without any one provider; gaps where it is withheld."""
    rows_by_card = {
        card: ledger.index(card.gpu_id, purchase_option=form.option, since=form.since, until=form.until)
        for card in form.cards
    }
    days = [row["price_date"] for rows in rows_by_card.values() for row in rows]
    if not days:
        return Drawing(0, 86_400, 0, (), unit="index")
    first, steps = min(days), (max(days) - min(days)).days + 1
    lines: list[Line] = []
    for card, rows in rows_by_card.items():
        values: dict[str, list[float | None]] = {
            name: [None] * steps for name in ("price_index", "low", "high")
        }
        for row in rows:
            if row["state"] != "withheld":
                for name, column in values.items():
                    column[(row["price_date"] - first).days] = row[name]
        lines.append(
            Line(
                card.gpu_id,
                card.name,
                tuple(values["price_index"]),
                low=tuple(values["low"]),
                high=tuple(values["high"]),
            )
        )
    start = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
    return Drawing(start, 86_400, steps, tuple(lines), unit="index")


def finding(form: ChartForm, drawn: Drawing, option: str) -> str:
    """What the picture says, as its title: the cheapest now, the median, and how providers moved in a year."""
    if form.show == "index":
        names = ", ".join(card.name for card in form.cards)
        return f"{names}, {option}: price index of matched offers"
    last = drawn.steps - 1
    now = sorted(_prices(drawn.lines, last)) if drawn.steps else []
    if form.is_comparison:
        parts = [f"{one.name} ${one.usd:,.2f}" for one in sorted(now, key=lambda one: one.usd or 0)]
        what = "cheapest" if form.stat == "min" else "median of providers"
        begin = option[:1].upper() + option[1:]
        return f"{begin}, {what} per GPU-hour: {', '.join(parts)}" if parts else f"{begin}: no price now"
    card = form.cards[0]
    if not now:
        return f"{card.name}, {option}: no price now"
    least = [one.name for one in now if one.usd == now[0].usd]
    more = f" and {len(least) - 2} more" if len(least) > 2 else ""
    text = f"{card.name}, {option}: from ${now[0].usd:,.2f} ({', '.join(least[:2])}{more})"
    middle = drawn.median[last]
    if middle is not None and len(now) > 1:
        text += f", median ${middle:,.2f}"
        moved = _moved_in_a_year(drawn)
        if len(moved) > 1:
            change = round(100 * (median(moved) - 1))
            text += (
                f"; in a year {len(moved)} providers moved by a median of {change:+d} %"
                if change
                else f"; in a year the middle one of {len(moved)} providers stood still"
            )
    return text


def _moved_in_a_year(drawn: Drawing) -> list[float]:
    """Today's price over that of a year ago of the providers that have both: the median of all falls as cheap ones
    come, though no price has moved."""
    last, steps = drawn.steps - 1, _YEAR // drawn.step_seconds
    if drawn.steps <= 0.9 * steps:
        return []
    ends = [(line.usd[max(last - steps, 0)], line.usd[last]) for line in drawn.lines]
    return [now / before for before, now in ends if before and now]
