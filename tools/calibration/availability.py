"""Brier scores of availability on recorded traces: the first 60 percent of each is known, the rest is forecast.

python -m tools.calibration.availability FOLDER     of traces, each {"metadata": {"gap_seconds": n}, "data": [1, 0]}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gpuledger.core.availability.chance import History, Span, brier, joined_spans

WITHIN_HOURS = (1.0, 4.0, 12.0, 24.0)
KNOWN = 0.6


def trace(path: Path) -> list[Span]:
    """The spans of one trace, in hours."""
    loaded = json.loads(path.read_bytes())
    gap = float(loaded["metadata"]["gap_seconds"]) / 3600
    return joined_spans(Span(n * gap, (n + 1) * gap, bool(there)) for n, there in enumerate(loaded["data"]))


def parted(spans: list[Span], share: float) -> tuple[History, History]:
    """What was known and what is held out."""
    at = spans[0].begun + share * (spans[-1].ended - spans[0].begun)
    before = joined_spans(Span(s.begun, min(s.ended, at), s.is_there) for s in spans if s.begun < at)
    after = joined_spans(Span(max(s.begun, at), s.ended, s.is_there) for s in spans if s.ended > at)
    return History(spans=tuple(before)), History(spans=tuple(after))


def main() -> None:
    """One line per question, over all traces."""
    say = sys.stdout.write
    sums: dict[tuple[str, float], list[float]] = {}
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        spans = trace(path)
        train, held_out = parted(spans, KNOWN)
        days = History(spans=tuple(spans)).days
        say(f"{path.stem}: {days:.1f} days, {len(spans)} spans, there {train.share_there:.2f}\n")
        if len(train.spans) < 6:
            continue
        for hours in WITHIN_HOURS:
            for name, is_survival in (("there within", False), ("stays for", True)):
                found: dict[str, Any] = brier(train, held_out, within_hours=hours, is_survival=is_survival)
                if found["moments"]:
                    total = sums.setdefault((name, hours), [0.0, 0.0, 0.0])
                    total[0] += found["moments"]
                    total[1] += found["moments"] * found["brier"]
                    total[2] += found["moments"] * found["climatology"]
    for (name, hours), (count, ours, theirs) in sorted(sums.items()):
        say(
            f"{name} {hours:g} h: Brier {ours / count:.4f}, climatology {theirs / count:.4f}, {count:.0f} moments\n"
        )


if __name__ == "__main__":
    main()
