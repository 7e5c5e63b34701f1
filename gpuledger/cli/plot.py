# altair types its builders loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Answers as pictures: Vega-Lite in a file, in the colours of the page; blocks in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpuledger.core.errors import ConfigError, UsageError
from gpuledger.core.purchase_option import option_text
from gpuledger.core.validity import state_rank
from gpuledger.formats import Row

SUFFIXES = (".svg", ".png", ".pdf", ".html", ".json")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7580")
"""Okabe and Ito's, told apart by all eyes, in the order of the page."""
DASHES = ([1, 0], [8, 4], [14, 4, 3, 4], [5, 2])
DOTS = [2, 3]
"""Where no source confirmed the price, as on the page."""
PIXEL_RATIO = 2
Box = tuple[float, float, float, float]
"""Left, bottom, right and top of what is drawn, in pixels."""
_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """The values as blocks, lowest and highest named; neighbours share a block where there are many."""
    if not values:
        return ""
    per_cell = max(1, -(-len(values) // width))
    cells = [
        sum(part) / len(part)
        for part in (values[start : start + per_cell] for start in range(0, len(values), per_cell))
    ]
    low, high = min(cells), max(cells)
    span = high - low
    blocks = "".join(_BLOCKS[int((cell - low) / span * 7) if span else 0] for cell in cells)
    return f"{blocks}  {min(values):.4g} .. {max(values):.4g} $/GPU/h"


def check_plot_path(path: Path) -> Path:
    """The path of a picture, before anything is computed for it.

    Raises:
        UsageError: its suffix names no form of a picture.
        ConfigError: the extra `plot` is not installed.
    """
    from importlib.util import find_spec

    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot: {path.name!r} ends in none of {', '.join(SUFFIXES)}")
    if find_spec("altair") is None:
        raise ConfigError("drawing needs the extra `plot`; pip install 'gpuledger[plot]'")
    return path


def write_plot(rows: Sequence[Row], path: Path, *, title: str, caption: str = "") -> None:
    """Draw a series as steps.

    Args:
        rows: of sql/queries/price_series.sql.

    Raises:
        UsageError: another kind of file, or it cannot be written.
    """
    values = [
        {
            "time": row["step_at"].isoformat(),
            "usd": float(row["usd_per_gpu_hour"]),
            "line": option_text(row["purchase_option"]),
            "provider": row["cheapest_provider"],
            "offers": row["offers"],
            "state": row["price_state"],
            "is_dotted": state_rank(row["price_state"]) > 0,
        }
        for row in rows
    ]
    _save(_lines(values, "US dollars per GPU-hour", "$,.2f"), path, title, caption)


def write_index_plot(rows: Sequence[Row], path: Path, *, title: str, caption: str) -> None:
    """Draw the index of accelerators with the range that leaving any one provider out gives.

    Args:
        rows: of sql/queries/price_index.sql.
    """
    alt = _altair()
    values = [
        {"time": row["price_date"].isoformat(), "usd": row["price_index"], "low": row["low"], "high": row["high"],
         "line": row["gpu_id"], "provider": row["state"], "offers": row["matched_offers"], "state": row["state"]}
        for row in rows
        if row["price_index"] is not None
    ]  # fmt: skip
    band = (
        alt.Chart(alt.Data(values=values))
        .mark_area(opacity=0.15, interpolate="step-after")
        .encode(
            x=alt.X("time:T"), y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=_colour(alt, "line", legend=False)
        )
    )
    _save(band + _lines(values, "index, 100 on the first published day", ",.0f"), path, title, caption)


def write_frontier_plot(points: Sequence[Row], path: Path, *, title: str, caption: str) -> None:
    """Draw ways to run a plan: hours across, US dollars up, both logarithmic; spot is hollow.

    Args:
        points: as `Point.to_dict` gives them.
    """
    alt = _altair()
    values: list[dict[str, Any]] = [
        {
            "hours": max(float(point["wall_hours"]), 1e-6),
            "usd": max(float(point["usd_total"]["mid"]), 0.01),
            "provider": point["provider"],
            "option": "spot" if point["purchase_option"] == "spot" else "not spot",
            "what": f"{point['gpus']} x {point['gpu_id']}",
            "region": point["region"],
        }
        for point in points
    ]
    _label(values)
    scale = alt.Scale(type="log", nice=False, padding=24)
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "hours:Q",
            title="hours, logarithmic",
            scale=scale,
            axis=alt.Axis(values=_round_values([value["hours"] for value in values]), format="~g"),
        ),
        y=alt.Y(
            "usd:Q",
            title="US dollars in all, logarithmic",
            scale=scale,
            axis=alt.Axis(values=_round_values([value["usd"] for value in values]), format="$~s"),
        ),
    )
    front = (
        base.transform_filter("datum.is_front")
        .mark_line(color="#9aa5b1", strokeDash=[3, 4])
        .encode(order="hours:Q")
    )
    dots = base.mark_point(size=90, strokeWidth=2.5).encode(
        color=_colour(alt, "provider", legend=True),
        fill=alt.condition("datum.option == 'spot'", alt.value("white"), _colour(alt, "provider", legend=False)),
        tooltip=["what:N", "provider:N", "region:N", "option:N", "usd:Q", "hours:Q"],
    )  # fmt: skip
    right, left = (
        base.transform_filter(f"datum.label != '' && datum.is_left == {is_left}")
        .mark_text(align=align, dx=dx, dy=dy, fontSize=11)
        .encode(text="label:N")
        for is_left, align, dx, dy in (("false", "left", 7, -9), ("true", "right", -7, 10))
    )
    _save(front + dots + right + left, path, title, f"{caption} Hollow: spot.")


def write_comparison_plot(rows: Sequence[Row], path: Path, *, title: str, caption: str) -> None:
    """Draw plans side by side: each total from low to high, with a mark at the middle.

    Args:
        rows: as `Ledger.compare` gives them.
    """
    alt = _altair()
    values = [
        {
            "plan": row["plan"],
            **{case: float(row["usd_total"][case]) for case in ("low", "mid", "high")},
            "what": f"{row['paid_gpus']} x {row['gpu_id']}, {row['provider']}, "
            + option_text(row["purchase_option"]),
            "amount": "${:,.2f} (${:,.2f} to ${:,.2f})".format(
                *(float(row["usd_total"][case]) for case in ("mid", "low", "high"))
            ),
        }
        for row in rows
        if row["usd_total"] is not None
    ]
    if not values:
        raise UsageError("--plot: none of the plans has a quote to draw")
    base = alt.Chart(alt.Data(values=values)).encode(y=alt.Y("plan:N", title=None, sort=None))
    bars = base.mark_bar(height=16, color="#56b4e9", opacity=0.6).encode(
        x=alt.X("low:Q", title="US dollars in all, low to high", axis=alt.Axis(tickCount=8, format="$~s")),
        x2=alt.X2("high:Q"),
    )
    marks = base.mark_tick(thickness=3, size=22, color="#0072b2").encode(
        x="mid:Q", tooltip=["plan:N", "what:N", "mid:Q"]
    )
    text = base.mark_text(align="left", dx=6, dy=-15, fontSize=11).encode(x="low:Q", text="what:N")
    amount = base.mark_text(align="left", dx=6, fontSize=12, fontWeight="bold").encode(
        x="high:Q", text="amount:N"
    )
    _save(bars + marks + text + amount, path, title, caption, height=54 * len(values) + 20)


def _lines(values: Sequence[Row], unit: str, format: str) -> Any:
    alt = _altair()
    names = list(dict.fromkeys(value["line"] for value in values))
    last = {value["line"]: value for value in values}
    dashes = [DASHES[place // len(COLOURS) % len(DASHES)] for place in range(len(names))]
    stretches = _stretches(values)
    base = alt.Chart(alt.Data(values=stretches)).encode(
        x=alt.X("time:T", title=None, axis=alt.Axis(labelOverlap=True)),
        y=alt.Y("usd:Q", title=unit, scale=alt.Scale(zero=False), axis=alt.Axis(format=format)),
        color=_colour(alt, "line", legend=len(names) > 1),
        detail="stretch:N",
        tooltip=[
            "time:T",
            "line:N",
            alt.Tooltip("usd:Q", format=format),
            "provider:N",
            "offers:Q",
            "state:N",
        ],
    )
    line = (
        base.transform_filter("!datum.is_dotted")
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(strokeDash=alt.StrokeDash("line:N", legend=None, scale=alt.Scale(domain=names, range=dashes)))
    )
    if any(value["is_dotted"] for value in stretches):
        line += base.transform_filter("datum.is_dotted").mark_line(
            interpolate="step-after", strokeWidth=2, strokeDash=DOTS
        )
    ends = (
        alt.Chart(alt.Data(values=[last[name] for name in names]))
        .mark_text(align="left", dx=6, fontSize=11)
        .encode(x="time:T", y="usd:Q", text="line:N", color=_colour(alt, "line", legend=False))
    )
    return line + ends


def _stretches(values: Sequence[Row]) -> list[Row]:
    """The points of each line with the number of the stretch in which it is drawn alike; a stretch ends with the point
    at which the next one begins, so that the line has no gap."""
    stretches: list[Row] = []
    former: dict[str, Row] = {}
    for value in values:
        before = former.get(value["line"])
        is_dotted = bool(value.get("is_dotted"))
        number = 0 if before is None else before["number"]
        if before is not None and before["is_dotted"] != is_dotted:
            stretches.append(
                {**value, "is_dotted": before["is_dotted"], "stretch": f"{value['line']} {number}"}
            )
            number += 1
        former[value["line"]] = {"number": number, "is_dotted": is_dotted}
        stretches.append({**value, "is_dotted": is_dotted, "stretch": f"{value['line']} {number}"})
    return stretches


def _round_values(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 of each power of ten around some values, so that every label of a logarithmic axis has its place; more
    of them where fewer than three would lie between the values."""
    import math

    if not values:
        return []
    first, last = math.floor(math.log10(min(values))) - 1, math.ceil(math.log10(max(values))) + 1
    digits = ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8))
    few, many = (
        [float(f"{digit}e{power}") for power in range(first, last) for digit in each] for each in digits
    )
    return few if sum(min(values) <= one <= max(values) for one in few) > 2 else many


def _label(values: list[dict[str, Any]]) -> None:
    """Names where they do not cover each other, and which points are cheapest so far, going from fast to slow."""
    import math

    least = math.inf
    for value in sorted(values, key=lambda value: (value["hours"], value["usd"])):
        value["is_front"] = value["usd"] < least
        least = min(least, value["usd"])
    hours, usd = ([math.log(value[name]) for value in values] for name in ("hours", "usd"))
    across, up = (max(hours) - min(hours)) or 1.0, (max(usd) - min(usd)) or 1.0
    places = [
        (24 + (x - min(hours)) / across * 672, 24 + (y - min(usd)) / up * 292)
        for x, y in zip(hours, usd, strict=True)
    ]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    # the cheapest and the fastest have a name before all others
    first = {min(range(len(values)), key=one.__getitem__) for one in (usd, hours)} if values else set[int]()
    for at in sorted(range(len(values)), key=lambda at: (at not in first, at)):
        value, (x, y) = values[at], places[at]
        label = f"{value['what']}, {value['provider']}"
        width = 6.2 * len(label)
        # a line of ways comes from the upper left and goes on to the lower right
        boxes = (x + 7, y + 2, x + 7 + width, y + 17), (x - 7 - width, y - 18, x - 7, y - 3)
        box = next((one for one in boxes if _is_free(one, taken)), None)
        value["label"], value["is_left"] = label if box else "", box == boxes[1]
        taken += [box] if box else []


def _is_free(box: Box, taken: Sequence[Box]) -> bool:
    """Whether a box is inside the picture, margin included, and covers no other."""
    return (
        box[0] > 0
        and box[2] < 830
        and not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for other in taken
        )
    )


def _colour(alt: Any, field: str, *, legend: bool) -> Any:
    scale = alt.Scale(range=list(COLOURS))
    return alt.Color(
        f"{field}:N", scale=scale, title=None, legend=alt.Legend(orient="top") if legend else None
    )


def _altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise ConfigError("drawing needs the extra `plot`; pip install 'gpuledger[plot]'") from error
    return altair


def _save(chart: Any, path: Path, title: str, caption: str, height: int = 340) -> None:
    alt = _altair()
    kind = check_plot_path(path).suffix.lower()
    heading = alt.TitleParams(
        textwrap.wrap(title, 90), subtitle=textwrap.wrap(caption, 120), anchor="start", offset=14,
        fontSize=15, subtitleColor="#57606a",
    )  # fmt: skip
    made = chart.properties(title=heading, width=720, height=height).configure(
        font="DejaVu Sans, system-ui, sans-serif",
        background="white",
        padding={"left": 12, "right": 16, "top": 12, "bottom": 12},
        axis=alt.AxisConfig(
            gridColor="#e3e7eb", domainColor="#7d8894", tickColor="#7d8894", titleFontWeight="normal"
        ),
        view=alt.ViewConfig(stroke=None),
    )
    try:
        if kind == ".html":
            # the page carries its scripts: it must open without a network
            made.save(str(path), format="html", inline=True)
        elif kind == ".png":
            made.save(str(path), format="png", scale_factor=PIXEL_RATIO)
        else:
            made.save(str(path), format=kind.removeprefix("."))
    except OSError as error:
        raise UsageError(f"--plot: cannot write {path}: {error.strerror}") from error
