"""Small pictures as SVG: geometry only, every number shown is one that `core` computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Bar:
    """One part of a stacked bar."""

    x: float
    width: float
    style: int
    title: str


BAR_WIDTH = 450
STYLES = 10


def stacked(quotes: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Bar]]]:
    """The lines of several quotes as stacked bars on one scale.

    Returns:
        the names of the lines in the order of their styles, and one list of parts per quote. Negative lines
        (discounts, credits) have no length; they are in the table.
    """
    names = list(
        dict.fromkeys(
            line["name"]
            for quote in quotes
            for line in quote["lines"]
            if line["usd"] and float(line["usd"]) > 0
        )
    )
    sums = [
        sum(float(line["usd"]) for line in quote["lines"] if line["usd"] and float(line["usd"]) > 0)
        for quote in quotes
    ]
    scale = BAR_WIDTH / (max(sums, default=0.0) or 1.0)
    bars: list[list[Bar]] = []
    for quote in quotes:
        at, parts = 0.0, list[Bar]()
        for line in quote["lines"]:
            usd = float(line["usd"] or 0)
            if usd > 0:
                width = usd * scale
                style = names.index(line["name"]) % STYLES
                parts.append(Bar(round(at, 1), round(width, 1), style, f"{line['name']}: {line['usd']} USD"))
                at += width
        bars.append(parts)
    return names, bars


@dataclass(frozen=True)
class Dot:
    """One point of a scatter plot."""

    x: float
    y: float
    style: int
    title: str


@dataclass(frozen=True)
class Scatter:
    """Points with the ticks of both axes, in a box of 560 x 300."""

    dots: list[Dot]
    path: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


PLOT = (56.0, 12.0, 548.0, 262.0)
"""Left, top, right, bottom."""
OPTION_STYLES = {"on_demand": 0, "spot": 1, "reserved": 2, "capacity_block": 3}


def scatter(points: Sequence[Mapping[str, Any]]) -> Scatter | None:
    """Cost over hours, both on logarithmic axes; `None` without points."""
    if not points:
        return None
    hours = [max(float(point["wall_hours"]), 1e-6) for point in points]
    usd = [max(float(point["usd_total"]["mid"]), 0.01) for point in points]
    left, top, right, bottom = PLOT
    x_of, x_ticks = _axis(hours, left + 8, right - 8)
    y_of, y_ticks = _axis(usd, bottom - 8, top + 8)
    dots = [
        Dot(
            x_of(hour),
            y_of(dollars),
            OPTION_STYLES.get(str(point["purchase_option"]), 3),
            f"{point['usd_total']['mid']} USD, {hour:,.1f} h: {point['gpus']} x {point['gpu_id']}, "
            f"{point['provider']} {point['region']} {point['purchase_option']}",
        )
        for point, hour, dollars in zip(points, hours, usd, strict=True)
    ]
    # the points that are cheapest so far, going from fast to slow; the others win by risk
    front: list[Dot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x, -dot.y)):
        if not front or dot.y > front[-1].y:
            front.append(dot)
    path = "".join(f"{'L' if index else 'M'}{dot.x} {dot.y}" for index, dot in enumerate(front))
    return Scatter(dots, path, x_ticks, y_ticks)


def _axis(values: Iterable[float], start: float, end: float) -> tuple[Any, list[tuple[float, str]]]:
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
    return place, ticks


def _tick(value: float) -> str:
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"
