"""The picture of prices over time, as data: what the page's script draws, and what it shows without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import urlencode

from gpuledger.core.errors import UsageError
from gpuledger.core.gpu import gpus
from gpuledger.core.spec import Spec, parse_spec
from gpuledger.ledger import Ledger
from gpuledger.parse import instant

DEFAULT_GPU = "h100-sxm-80gb"
OPTIONS = ("on_demand", "spot", "reserved", "capacity_block")
SPANS = {
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": timedelta(days=3650),
}
STATS = ("min", "median")
SHOWN = ("price", "index")
MOST_CARDS = 4
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# at most some 500 steps, whatever the span
STEPS = ((7 * DAY, HOUR), (60 * DAY, 6 * HOUR), (400 * DAY, DAY))
LONGEST_STEP = 7 * DAY
_YEAR = 365 * 86_400


@dataclass(frozen=True)
class Card:
    """One accelerator that is drawn, with the instance sizes that are meant."""

    gpu_id: str
    min_count: float | None
    max_count: float | None

    @property
    def name(self) -> str:
        """For people."""
        chip = gpus().get(self.gpu_id)
        name = self.gpu_id if chip is None else chip.name
        return f"{name} x{self.max_count:g}" if self.max_count is not None else name

    @property
    def spec(self) -> str:
        """As one asks for it elsewhere."""
        if self.max_count is None:
            return self.gpu_id
        counts = (
            f"{self.max_count:g}"
            if self.min_count == self.max_count
            else f"{self.min_count:g}..{self.max_count:g}"
        )
        return f"{self.gpu_id}:{counts}"


@dataclass(frozen=True)
class ChartForm:
    """Which prices to draw."""

    gpu: str
    cards: tuple[Card, ...]
    left_out: tuple[str, ...]
    """Accelerators that the question means as well, beyond the most that are compared."""
    providers: tuple[str, ...]
    option: str
    region: str
    span: str
    stat: str
    show: str
    since: datetime
    until: datetime

    @property
    def is_comparison(self) -> bool:
        """Whether lines are accelerators and not providers."""
        return len(self.cards) > 1

    @property
    def step(self) -> timedelta:
        """Length of a step: some hours, or whole days."""
        span = self.until - self.since
        return next((step for limit, step in STEPS if span <= limit), LONGEST_STEP)

    @property
    def rest(self) -> str:
        """The same question as an address of the REST interface, without a format."""
        if self.show == "index":
            named = {"gpu": ",".join(card.gpu_id for card in self.cards), "purchase_option": self.option}
        else:
            named = {
                "gpu": ",".join(card.spec for card in self.cards),
                "provider": ",".join(self.providers),
                "region": self.region,
                "purchase_option": self.option,
            }
        named |= {"from": self.since.date().isoformat(), "to": self.until.isoformat()}
        return urlencode({name: value for name, value in named.items() if value})


def read_chart_form(
    inputs: Mapping[str, str], now: datetime, offers: Mapping[str, int] | None = None
) -> ChartForm:
    """The question in an address.

    Args:
        offers: on sale of each accelerator, which decides where a name means more than four.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: a field cannot be understood.
    """
    option = _one_of("option", inputs.get("option") or "on_demand", OPTIONS)
    span = _one_of("span", inputs.get("span") or "1y", tuple(SPANS))
    stat = _one_of("stat", inputs.get("stat") or "min", STATS)
    show = _one_of("show", inputs.get("show") or "price", SHOWN)
    until = instant(inputs.get("to") or inputs.get("as_of") or None, "to") or now
    # to the minute, so that addresses and kept answers repeat
    until = until.replace(second=0, microsecond=0)
    since = instant(inputs.get("from") or None, "from") or until - SPANS[span]
    if since >= until:
        raise UsageError(f"from: {since.date()} is not before {until.date()}")
    text = ",".join(part for part in (inputs.get("gpu") or DEFAULT_GPU, inputs.get("add", "")) if part)
    cards, left_out = _cards(text, offers or {})
    return ChartForm(
        gpu=",".join(card.spec for card in cards),
        cards=cards,
        left_out=left_out,
        providers=tuple(
            name.strip().lower() for name in inputs.get("provider", "").split(",") if name.strip()
        ),
        option=option,
        region=inputs.get("region") or "",
        span=span,
        stat=stat,
        show=show,
        since=since,
        until=until,
    )


def as_filled_in(inputs: Mapping[str, str], form: ChartForm) -> ChartForm:
    """A form with the words of an address that cannot be answered, to be mended."""
    typed = {name: inputs[name] for name in ("gpu", "option", "region", "span", "show") if inputs.get(name)}
    return replace(form, providers=tuple(filter(None, [inputs.get("provider")])), **typed)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UsageError(f"{name}: {value[:40]!r} is none of {', '.join(allowed)}")
    return value


def _cards(text: str, offers: Mapping[str, int]) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    """Each accelerator that the SPECs mean is a line of its own: A100 is several cards."""
    card_by_gpu: dict[str, Card] = {}
    for piece in (piece.strip() for piece in text.split(",")):
        if piece:
            spec: Spec = parse_spec(piece)
            for gpu_id in sorted(spec.gpu_ids, key=lambda gpu_id: -offers.get(gpu_id, 0)):
                low = None if spec.min_count in (None, 1) and spec.max_count is None else spec.min_count
                card_by_gpu.setdefault(gpu_id, Card(gpu_id, low, spec.max_count))
    sold = [card for card in card_by_gpu.values() if offers.get(card.gpu_id, 0)] or list(card_by_gpu.values())
    return tuple(sold[:MOST_CARDS]), tuple(card.name for card in sold[MOST_CARDS:])


@dataclass(frozen=True)
class Line:
    """One line of the picture: a value per step, null where there was no price."""

    key: str
    name: str
    usd: tuple[float | None, ...]
    loose: tuple[bool, ...]
    """Of each step, whether nobody confirmed the price then: it was believed until it lapses."""
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


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
                | ({"low": list(line.low), "high": list(line.high)} if line.low else {})
                for line in self.lines
            ],
        }


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
            Line(name, name, _placed(one["usd"], offset, steps), _flags(one["loose"], offset, steps))
            for name, one in part["providers"].items()
            if not form.providers or name in form.providers
        ]
        over = tuple(_median([line.usd[at] for line in providers]) for at in range(steps))
        if not form.is_comparison:
            lines, middle = providers, over
        elif form.stat == "median":
            lines.append(Line(card.spec, card.name, over, (False,) * steps))
        else:
            least = [_least([(line.usd[at], line.loose[at]) for line in providers]) for at in range(steps)]
            lines.append(
                Line(card.spec, card.name, tuple(usd for usd, _ in least), tuple(loose for _, loose in least))
            )
    return Drawing(start, step_seconds, steps, tuple(lines), middle)


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return round(median(there), 6) if there else None


def _least(values: Sequence[tuple[float | None, bool]]) -> tuple[float | None, bool]:
    """What was confirmed goes before what was not, as `cheapest` has it."""
    there = [(loose, usd) for usd, loose in values if usd is not None]
    loose, usd = min(there) if there else (False, None)
    return usd, loose


def _placed(values: Sequence[Any], offset: int, steps: int) -> tuple[Any, ...]:
    made: list[Any] = [None] * steps
    made[offset : offset + len(values)] = values
    return tuple(made)


def _flags(values: Sequence[bool], offset: int, steps: int) -> tuple[bool, ...]:
    return tuple(bool(value) for value in _placed(values, offset, steps))


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
    rows = [row for row in ledger.chart(query, chosen) if row["provider"] is not None]
    step_seconds = int(form.step.total_seconds())
    if not rows:
        return {"start": 0, "steps": 0, "providers": {}}
    first, last = min(row["step_no"] for row in rows), max(row["step_no"] for row in rows)
    steps = last - first + 1
    providers: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        series = providers.setdefault(row["provider"], {"usd": [None] * steps, "loose": [False] * steps})
        series["usd"][row["step_no"] - first] = row["usd_min"]
        series["loose"][row["step_no"] - first] = not row["is_confirmed"]
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
                (False,) * steps,
                tuple(values["low"]),
                tuple(values["high"]),
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
    now = [(line.usd[last], line.name) for line in drawn.lines if drawn.steps and line.usd[last] is not None]
    if form.is_comparison:
        parts = [f"{name} ${usd:,.2f}" for usd, name in sorted(now, key=lambda pair: pair[0] or 0)]
        what = "cheapest" if form.stat == "min" else "median of providers"
        begin = option[:1].upper() + option[1:]
        return f"{begin}, {what} per GPU-hour: {', '.join(parts)}" if parts else f"{begin}: no price now"
    card = form.cards[0]
    if not now:
        return f"{card.name}, {option}: no price now"
    usd, provider = min(now, key=lambda pair: pair[0] or 0)
    text = f"{card.name}, {option}: from ${usd:,.2f} ({provider})"
    middle = drawn.median[last]
    if middle is not None and len(now) > 1:
        text += f", median ${middle:,.2f}"
        moved = _moved_in_a_year(drawn)
        if len(moved) > 1:
            change = round(100 * (median(moved) - 1))
            text += (
                f"; in a year {len(moved)} providers moved by a median of {f'{change:+d}' if change else 0} %"
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
