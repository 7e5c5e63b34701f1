"""Small pictures as SVG: geometry only, every number shown is one that `core` computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gpuledger.core.purchase_option import option_text

if TYPE_CHECKING:
    from gpuledger.web.page.chart import Drawing

SPARK_WIDTH, SPARK_HEIGHT = 84, 20


def spark_path(points: Sequence[tuple[float, float]], start: float, end: float) -> str:
    """A stepped line through (time, price), as the `d` of a path in a box of 84 x 20; empty without a price.

    Each price holds until the next, so the line has steps and no slopes.
    """
    if not points or end <= start:
        return ""
    low, high = min(price for _, price in points), max(price for _, price in points)
    span = (high - low) or 1.0

    def x(at: float) -> float:
        return round((max(at, start) - start) / (end - start) * SPARK_WIDTH, 1)

    def y(price: float) -> float:
        if high == low:
            return SPARK_HEIGHT / 2
        return round(2 + (high - price) / span * (SPARK_HEIGHT - 4), 1)

    parts = [f"M{x(points[0][0])} {y(points[0][1])}"]
    parts += [f"H{x(at)}V{y(price)}" for at, price in points[1:]]
    return "".join((*parts, f"H{SPARK_WIDTH}"))


COLOURS = 7
"""Colours that are told apart; from the next on the same with another dash."""
DASHES = ("", "8 4", "14 4 3 4", "5 2")


@dataclass(frozen=True)
class Stroke:
    """A line of a picture."""

    name: str
    colour: int
    dash: str
    path: str
    loose: str
    """Where nobody confirmed the price."""
    label: tuple[float, float] | None
    """Where its name begins, at its end; `None` where there is no room."""


@dataclass(frozen=True)
class Picture:
    """Lines with the ticks of both axes, in a box of 960 x 380."""

    strokes: list[Stroke]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


WIDTH, HEIGHT = 960, 380
FIELD = (52.0, 12.0, 810.0, 350.0)
"""Left, top, right, bottom."""
LABEL_HEIGHT, LETTER_WIDTH, LONGEST_LABEL = 15, 6.6, 20


def lines(drawn: Drawing) -> Picture:
    """The lines of a drawing as steps."""
    left, top, right, bottom = FIELD
    values = [usd for line in drawn.lines for usd in line.usd if usd is not None] or [1.0]
    low, high = min(values), max(values)
    low, high = (low * 0.95, high * 1.05) if high > low else (low * 0.9, high * 1.1)

    def x(step: float) -> float:
        return round(left + (right - left) * step / max(drawn.steps - 1, 1), 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - top) * (value - low) / (high - low), 1)

    strokes: list[Stroke] = []
    labels: list[tuple[float, float]] = []
    for number, line in enumerate(drawn.lines):
        firm = [None if loose else usd for usd, loose in zip(line.usd, line.loose, strict=True)]
        soft = [usd if loose else None for usd, loose in zip(line.usd, line.loose, strict=True)]
        last = next((step for step in reversed(range(len(line.usd))) if line.usd[step] is not None), None)
        label = None if last is None else _label(line.name, x(last + 1), y(line.usd[last] or 0.0), labels)
        if label is not None:
            labels.append(label)
        dash = DASHES[number // COLOURS % len(DASHES)]
        strokes.append(
            Stroke(line.name, number % COLOURS, dash, _steps(firm, x, y), _steps(soft, x, y), label)
        )
    return Picture(
        strokes, _calendar(drawn, x), [(y(value), _tick(value)) for value in _round_values(low, high)]
    )


def _label(
    name: str, x: float, y: float, others: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """Where the name of a line that ends there begins: beside the picture if the line goes on to its edge, else at the
    line's own end, above it where the edge is near."""
    right = FIELD[2]
    width = LETTER_WIDTH * min(len(name), LONGEST_LABEL)
    if x >= right - 6:
        begin, base = right + 6, y + 4
    elif x + 6 + width <= right:
        begin, base = x + 6, y + 4
    else:
        begin, base = x - 6 - width, y - 8
    is_free = all(abs(base - other) >= LABEL_HEIGHT or abs(begin - left) >= width for left, other in others)
    return (begin, base) if is_free and begin >= FIELD[0] else None


def _steps(values: Sequence[float | None], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    parts: list[str] = []
    former: float | None = None
    for step, value in enumerate(values):
        if value is None:
            if former is not None:
                parts.append(f"H{x(step)}")
        elif former is None:
            parts.append(f"M{x(step)} {y(value)}")
        elif value != former:
            parts.append(f"H{x(step)}V{y(value)}")
        former = value
    if former is not None:
        parts.append(f"H{x(len(values) - 1)}")
    return "".join(parts)


def _calendar(drawn: Drawing, x: Callable[[float], float]) -> list[tuple[float, str]]:
    """First days of months, weeks or days, whichever makes four to nine ticks."""
    start = datetime.fromtimestamp(drawn.start, UTC)
    end = start + timedelta(seconds=drawn.step_seconds * max(drawn.steps - 1, 1))
    days = (end - start).days
    ticks: list[datetime] = []
    if days > 75:
        months = next((step for step in (1, 2, 3, 6, 12, 24) if days / 30.4 / step <= 8), 36)
        year, month = start.year, 1
        while (at := datetime(year, month, 1, tzinfo=UTC)) <= end:
            ticks.append(at)
            year, month = year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1
        text = "%b %Y" if months < 12 else "%Y"
    else:
        apart = next((step for step in (1, 2, 7, 14) if days / step <= 8), 14)
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
        ticks = [midnight + timedelta(days=number) for number in range(0, days + 2, apart)]
        text = "%d %b"
    return [
        (x((at - start).total_seconds() / drawn.step_seconds), at.strftime(text))
        for at in ticks
        if start <= at <= end
    ]


def _round_values(low: float, high: float, most: int = 7) -> list[float]:
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * digit for digit in (1, 2, 5, 10) if span / (power * digit) <= most)
    first = math.ceil(low / step)
    return [round(number * step, 9) for number in range(first, math.floor(high / step) + 1)]


@dataclass(frozen=True)
class Dot:
    """One point of a scatter plot."""

    x: float
    y: float
    style: int
    is_hollow: bool
    title: str
    label: str
    anchor: str = "start"
    href: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points with the ticks of both axes, in a box of 760 x 330."""

    dots: list[Dot]
    path: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    providers: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


PLOT = (62.0, 14.0, 742.0, 286.0)
"""Left, top, right, bottom."""


def scatter(points: Sequence[Mapping[str, Any]]) -> Scatter | None:
    """Cost over hours, both on logarithmic axes; `None` without points. Colours are providers, spot is hollow;
    names are written where they do not cover each other."""
    if not points:
        return None
    hours = [max(float(point["wall_hours"]), 1e-6) for point in points]
    usd = [max(float(point["usd_total"]["mid"]), 0.01) for point in points]
    left, top, right, bottom = PLOT
    x_of, x_ticks = _axis(hours, left + 12, right - 12)
    y_of, y_ticks = _axis(usd, bottom - 12, top + 16)
    styles = {
        name: number % COLOURS
        for number, name in enumerate(dict.fromkeys(str(p["provider"]) for p in points))
    }
    dots: list[Dot] = []
    places = [(x_of(hour), y_of(dollars)) for hour, dollars in zip(hours, usd, strict=True)]
    boxes: list[tuple[float, float, float, float]] = [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    for point, hour, dollars in zip(points, hours, usd, strict=True):
        what = f"{point['gpus']} x {point['gpu_id']}, {point['provider']}"
        x, y = x_of(hour), y_of(dollars)
        width = LETTER_WIDTH * len(what)
        anchor = "start" if x + 9 + width < right else "end"
        begin = x + 9 if anchor == "start" else x - 9 - width
        box = (begin, y - 12, begin + width, y + 4)
        is_free = begin > left and not any(_overlap(box, other) for other in boxes)
        if is_free:
            boxes.append(box)
        title = f"${dollars:,.2f}, {hour:,.1f} h: {what} {point['region']}, {option_text(point['purchase_option'])}"
        dots.append(
            Dot(x, y, styles[str(point["provider"])], point["purchase_option"] == "spot", title,
                what if is_free else "", anchor, str(point.get("href", "")))
        )  # fmt: skip
    # the points that are cheapest so far, going from fast to slow; the others win by risk
    front: list[Dot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x, -dot.y)):
        if not front or dot.y > front[-1].y:
            front.append(dot)
    path = "".join(f"{'L' if index else 'M'}{dot.x} {dot.y}" for index, dot in enumerate(front))
    return Scatter(dots, path, x_ticks, y_ticks, list(styles.items()))


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _axis(
    values: Iterable[float], start: float, end: float
) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    logs = [math.log10(value) for value in values]
    low, high = min(logs), max(logs)
    if high - low < 0.1:
        low, high = low - 0.1, high + 0.1

    def place(value: float) -> float:
        return round(start + (math.log10(value) - low) / (high - low) * (end - start), 1)

    ticks: list[tuple[float, str]] = []
    for power in range(math.floor(low), math.ceil(high) + 1):
        for digit in (1, 2, 5):
            value = digit * 10.0**power
            if low <= math.log10(value) <= high:
                ticks.append((place(value), _tick(value)))
    if len(ticks) > 8:
        ticks = [tick for tick in ticks if tick[1].strip("0.kM")[:1] == "1"] or ticks[:8]
    if len(ticks) < 2:
        ticks = [(place(value), _tick(value)) for value in _round_values(10**low, 10**high, 5) if value > 0]
    return place, ticks


def _tick(value: float) -> str:
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


@dataclass(frozen=True)
class Whisker:
    """A range on a common scale of 0 to 200."""

    low: float
    mid: float
    high: float


def whiskers(quotes: Sequence[Mapping[str, Any]]) -> list[Whisker]:
    """The totals of quotes from low to high on one scale that begins at zero."""
    most = max((float(quote["usd_total"]["high"]) for quote in quotes), default=0.0) or 1.0
    return [
        Whisker(
            *(
                round(200 * max(float(quote["usd_total"][case]), 0.0) / most, 1)
                for case in ("low", "mid", "high")
            )
        )
        for quote in quotes
    ]


@dataclass(frozen=True)
class MemoryPart:
    """One part of a stacked bar of 640 x 22."""

    name: str
    gib: float
    x: float
    width: float
    style: int


def memory_bar(parts: Mapping[str, float], card_gib: float) -> tuple[list[MemoryPart], float]:
    """Memory of one card by use, and where the card's own memory ends on the same scale."""
    scale = 640 / (max(sum(parts.values()), card_gib) or 1.0)
    made: list[MemoryPart] = []
    at = 0.0
    for number, (name, gib) in enumerate(parts.items()):
        made.append(MemoryPart(name, gib, round(at, 1), round(gib * scale, 1), number % COLOURS))
        at += gib * scale
    return made, round(card_gib * scale, 1)
