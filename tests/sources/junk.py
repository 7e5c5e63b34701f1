"""Run as a program with a number: feeds every source so many MB of junk of several kinds and prints what came of it.

One JSON object a line: source, kind, outcome, seconds of processor time, and the most memory that the process
has had so far beyond the junk itself, in MB.
"""

import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import SourceError
from gpuledger.scrapers.registry import SOURCES

SIZE = int(sys.argv[1]) * 10**6

KINDS = {
    "noise": bytes(range(256)),
    "letters": b"x",
    "open arrays": b"[",
    "open objects": b'{"a":',
    "empty objects": b"{},",
    "empty elements": b"<i/>",
    "open elements": b"<div>",
    "table rows": b"<tr><td>H100</td><td>$2.99</td></tr>\n",
    "lines of CSV": b"p5.48xlarge,us-east-1,98.32\n",
    "lines of YAML": b"a100: 3.67\n",
}


def megabytes() -> float:
    """The most memory so far. What `getrusage` says starts with that of whoever started this process."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    for kind, unit in KINDS.items():
        body = (unit * (SIZE // len(unit) + 1))[:SIZE]
        for source in SOURCES:
            request = next(iter((*source.requests, *source.fallback)), Request(url="file:junk"))
            document = Document(
                source=source.name, request=request, body=body, fetched_at=datetime(2026, 10, 7, tzinfo=UTC)
            )
            started = time.process_time()
            try:
                outcome = f"{sum(1 for _ in source.parse(document))} facts"
            except SourceError as error:
                outcome = type(error).__name__
            seconds = round(time.process_time() - started, 3)
            del document
            row = {"source": source.name, "kind": kind, "outcome": outcome, "seconds": seconds}
            sys.stdout.write(json.dumps({**row, "extra_mb": round(megabytes() - SIZE / 10**6)}) + "\n")


if __name__ == "__main__":
    main()
