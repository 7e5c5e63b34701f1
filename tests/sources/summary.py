"""Tables that tests of the sources leave behind, printed once at the end of a run."""

from collections import Counter

import pytest

from tests.sources.mutate import MUTATIONS

OUTCOMES = ("unchanged", "fewer", "renamed", "revealed", "refused", "quarantined", "believed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tallies: Counter[tuple[str, str]] = Counter()
    recorded: list[tuple[str, int, int, int, dict[str, int]]] = []
    units: dict[str, dict[str, str]] = {}
    most_seconds, largest_change = 0.0, 1.0
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        properties = dict(getattr(report, "user_properties", ()))
        if report.when == "call" and "mutations" in properties:
            for kind, outcome, count in properties["mutations"]:
                tallies[kind, outcome] += count
            most_seconds = max(most_seconds, properties.get("most seconds", 0.0))
            largest_change = max(largest_change, properties.get("largest change", 1.0))
        if report.when == "call" and "recorded" in properties:
            recorded.append(properties["recorded"])
        if report.when == "call" and "units" in properties:
            name, how, outcome = properties["units"]
            units.setdefault(name, {})[how] = outcome
    write = terminalreporter.write_line
    if recorded:
        terminalreporter.section("recorded answers", sep="-")
        write(f"{'file':55} {'rows':>6} {'offers':>6} {'others':>6}  left out, by reason")
        for path, rows, offers, others, skipped in sorted(recorded):
            why = "; ".join(f"{count} {reason}" for reason, count in skipped.items())
            write(f"{path:55} {rows:6} {offers:6} {others:6}  {why}")
    if units:
        terminalreporter.section("prices misread by the count of GPUs, without an earlier run", sep="-")
        write(f"{'answer':55} {'multiplied':>12} {'divided':>12}")
        for name, found in sorted(units.items()):
            write(f"{name:55} {found.get('multiplied', ''):>12} {found.get('divided', ''):>12}")
    if tallies:
        terminalreporter.section("mutations of answers", sep="-")
        write(f"{'kind':17}" + "".join(f"{outcome:>12}" for outcome in OUTCOMES))
        for kind in [*MUTATIONS, *sorted({kind for kind, _ in tallies} - set(MUTATIONS))]:
            write(f"{kind:17}" + "".join(f"{tallies[kind, outcome]:12}" for outcome in OUTCOMES))
        write(
            f"{sum(tallies.values())} in all; the slowest took {most_seconds:.2f} s; the largest believed "
            f"change of a price was {largest_change:.2f}-fold"
        )
