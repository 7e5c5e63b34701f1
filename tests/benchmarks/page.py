"""`docs/benchmarks.md`: each benchmark replaces its own section, so that one can be run without the others."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`. Every section is from one run, both sides measured in turns on the same machine; read the
ratios and not the milliseconds. "Best" is the fastest of the rounds, which a busy machine disturbs least. A bar that
is missed says so.
"""


def machine() -> str:
    """What the figures were measured on."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, load average {load:.1f} when it began, Python {platform.python_version()}, "
        f"DuckDB {version('duckdb')}, pyarrow {version('pyarrow')}"
    )


def rounds(run: Callable[[], object], count: int = 7) -> tuple[float, float]:
    """Best and median milliseconds of some rounds, after one that does not count."""
    run()
    times: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return min(times), statistics.median(times)


def write_section(title: str, text: str, path: Path = PAGE) -> None:
    """Put a section into a page, in the place of the one of that title."""
    head, *sections = (path.read_text() if path.exists() else HEAD).split("\n## ")
    by_title = {section.partition("\n")[0]: section for section in sections}
    by_title[title] = f"{title}\n\n{text.strip()}\n"
    path.write_text("\n## ".join([head.rstrip() + "\n", *by_title.values()]))


SCALE = PAGE.with_name("scale.md")


def table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A Markdown table; numbers to the right."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join("---" for _ in columns) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def verdict(value: float, bar: float, *, at_least: bool = False) -> str:
    """`met`, or by how much it is missed."""
    is_met = value >= bar if at_least else value <= bar
    if is_met:
        return "met"
    return f"missed by {abs(value / bar - 1):.0%}"
