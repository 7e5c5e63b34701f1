# altair types its builders loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Prices over time as a picture: Vega-Lite in a file, blocks in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpuledger.core.errors import ConfigError, UsageError

SUFFIXES = (".svg", ".png", ".html", ".json")
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


def write_plot(rows: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw a series as a step line into an SVG, PNG, HTML or Vega-Lite JSON file.

    Args:
        rows: of sql/queries/price_series.sql.

    Raises:
        UsageError: another kind of file, or it cannot be written.
        ConfigError: the extra `plot` is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--plot: {path.name!r} is none of {', '.join(SUFFIXES)}")
    try:
        import altair as alt
    except ImportError as error:
        raise ConfigError("drawing needs the extra `plot` (altair and vl-convert)") from error
    values = [
        {
            "time": row["step_at"].isoformat(),
            "usd_per_gpu_hour": float(row["usd_per_gpu_hour"]),
            "provider": row["cheapest_provider"],
            "offers": row["offers"],
        }
        for row in rows
    ]
    chart = (
        alt.Chart(alt.Data(values=values), title=title, width=720, height=320)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("time:T", title=None),
            y=alt.Y("usd_per_gpu_hour:Q", title="US dollars per GPU-hour", scale=alt.Scale(zero=False)),
            tooltip=["time:T", "usd_per_gpu_hour:Q", "provider:N", "offers:Q"],
        )
    )
    try:
        # The page carries its scripts: it must open without a network.
        chart.save(str(path), inline=path.suffix == ".html")
    except OSError as error:
        raise UsageError(f"--plot: cannot write {path}: {error.strerror}") from error
