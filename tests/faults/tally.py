"""Counts of what was injected, written to docs/reliability.md by the run itself."""

import platform
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
COMMAND = "make faults"

HEAD = """# Reliability

Written by `{command}` on {day} (Python {python}, DuckDB {duckdb}, {system}); run it again to write it
again. Every line is a fault that was injected into a running ledger. After each: the ledger opens, the checks
of `sql/checks` find nothing, every price and run committed before is there exactly once, every run in the
archive is recorded, a replay of the archive gives the same history, and the next refresh succeeds.
"""


def _sections(page: str) -> Iterator[tuple[str, str]]:
    for part in page.split("\n## ")[1:]:
        yield part.partition("\n")[0], f"## {part.rstrip()}\n"


class Tally:
    """What one session injected, by section."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, str]] = defaultdict(dict)

    def kills(self, what: str, number: int) -> None:
        self.note("Killed with SIGKILL", what, str(number))

    def more(self, section: str, what: str, number: int) -> None:
        self.note(section, what, str(int(self._counts[section].get(what, "0")) + number))

    def note(self, section: str, what: str, seen: str) -> None:
        self._counts[section][what] = seen

    def page(self, day: date, before: str = "") -> str:
        """The page; sections of `before` that this session did not count stay as they are."""
        head = HEAD.format(
            command=COMMAND,
            day=day.isoformat(),
            python=platform.python_version(),
            duckdb=duckdb.__version__,
            system=platform.system(),
        )
        sections = dict(_sections(before))
        for section, rows in self._counts.items():
            lines = [f"## {section}", "", "| What | Count |", "| --- | --- |"]
            lines += [f"| {what} | {seen} |" for what, seen in rows.items()]
            numbers = [int(seen) for seen in rows.values() if seen.isdigit()]
            if len(numbers) == len(rows) > 1:
                lines.append(f"| **all** | **{sum(numbers)}** |")
            lines += ["", f"Counted on {day.isoformat()}."]
            sections[section] = "\n".join(lines) + "\n"
        return "\n".join([head, *sections.values()])

    @property
    def is_empty(self) -> bool:
        return not self._counts
