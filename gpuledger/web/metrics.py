"""Counts and durations of requests, in Prometheus' text format; no client library needed."""

from __future__ import annotations

import os
import shutil
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gpuledger.core.store.home import Home
from gpuledger.core.store.snapshot_pool import Edition
from gpuledger.flows.polling.note import PollerNote, poller_notes

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestMeter:
    """What this process has answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: Counter[str] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answered request."""
        with self._lock:
            self._requests[method, route, status] += 1
            self._buckets[route][bisect_left(BUCKETS, seconds)] += 1
            self._seconds[route] += seconds  # pyright: ignore[reportArgumentType]

    def lines(self) -> Iterator[str]:
        """Counters and histograms; each process counts for itself, so its id is a label."""
        worker = os.getpid()
        with self._lock:
            requests = sorted(self._requests.items())
            buckets = {route: list(counts) for route, counts in sorted(self._buckets.items())}
            seconds = dict(self._seconds)
        yield "# HELP gpuledger_requests_total Requests answered."
        yield "# TYPE gpuledger_requests_total counter"
        for (method, route, status), count in requests:
            labels = f'method="{method}",route="{route}",status="{status}",worker="{worker}"'
            yield f"gpuledger_requests_total{{{labels}}} {count}"
        yield "# HELP gpuledger_request_seconds Time from request to the end of its answer."
        yield "# TYPE gpuledger_request_seconds histogram"
        for route, counts in buckets.items():
            labels, running = f'route="{route}",worker="{worker}"', 0
            for bound, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
                running += count
                yield f'gpuledger_request_seconds_bucket{{{labels},le="{bound}"}} {running}'
            yield f"gpuledger_request_seconds_sum{{{labels}}} {seconds[route]:.6f}"
            yield f"gpuledger_request_seconds_count{{{labels}}} {running}"


def gauge(name: str, sentence: str) -> Iterator[str]:
    """The head of a gauge."""
    yield f"# HELP {name} {sentence}"
    yield f"# TYPE {name} gauge"


def run_lines(counts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Runs by source and outcome, and how long the last of each took: facts of the ledger, so that every process of a
    server tells the same."""
    rows = list(counts)
    yield "# HELP gpuledger_runs_total Runs recorded, by source and outcome."
    yield "# TYPE gpuledger_runs_total counter"
    for row in rows:
        yield f'gpuledger_runs_total{{source="{row["source"]}",outcome="{row["outcome"]}"}} {row["runs"]}'
    yield from gauge("gpuledger_last_run_seconds", "From the start to the last answer of the newest run.")
    for row in rows:
        labels = f'source="{row["source"]}",outcome="{row["outcome"]}"'
        yield f"gpuledger_last_run_seconds{{{labels}}} {row['last_run_seconds']:.3f}"
    yield from gauge("gpuledger_last_run_time_seconds", "When that was, Unix time.")
    for row in rows:
        labels = f'source="{row["source"]}",outcome="{row["outcome"]}"'
        yield f"gpuledger_last_run_time_seconds{{{labels}}} {_unix(row['last_run_at'])}"


def disk_lines(home: Home) -> Iterator[str]:
    """Bytes of the home, and what its file system has left. The archive is a file per document, too many to look at for
    each answer; what is left shows its growth."""
    yield from gauge("gpuledger_disk_bytes", "Size of the ledger and of its published snapshots.")
    parts = {"ledger": [home.database], "snapshots": [*home.snapshots.glob("*.duckdb")]}
    for part, files in parts.items():
        size = sum(file.stat().st_size for file in files if file.exists())
        yield f'gpuledger_disk_bytes{{part="{part}"}} {size}'
    yield from gauge("gpuledger_disk_free_bytes", "Free on the file system of the home.")
    yield f"gpuledger_disk_free_bytes {shutil.disk_usage(home.path).free}"


def poller_lines(home: Home) -> Iterator[str]:
    """What the pollers of the home said of themselves; one that was killed is named for a day, so that its silence
    shows."""
    notes = poller_notes(home)
    gauges: tuple[tuple[str, str, Callable[[PollerNote], object]], ...] = (
        (
            "seen_seconds",
            "When a poller last spoke, Unix time.",
            lambda n: _unix(n.said_at),
        ),
        ("sources", "Sources that a poller holds.", lambda n: n.sources),
        ("reads", "Reads since it began.", lambda n: n.reads),
        ("missed", "Times of its sources that passed without a read.", lambda n: n.missed),
        ("failing_sources", "Sources whose last run had no believable answer.", lambda n: n.failures),
        ("latest_seconds", "The most that a read began after its time.", lambda n: f"{n.latest_seconds:.3f}"),
        ("cpu_seconds", "Processor time since it began.", lambda n: f"{n.cpu_seconds:.3f}"),
    )
    for name, sentence, value in gauges if notes else ():
        yield from gauge(f"gpuledger_poller_{name}", sentence)
        for note in notes:
            yield f'gpuledger_poller_{name}{{poller="{note.holder}"}} {value(note)}'


def ledger_lines(edition: Edition, status: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Gauges of the ledger: which snapshot, how new, how many offers, and the age of each source."""
    yield from gauge("gpuledger_snapshot", "Number of the snapshot served.")
    yield f"gpuledger_snapshot {edition.number}"
    yield from gauge("gpuledger_snapshot_published_seconds", "When it was published, Unix time.")
    yield f"gpuledger_snapshot_published_seconds {edition.published_at.timestamp():.3f}"
    yield from gauge("gpuledger_offers", "Offers on sale.")
    yield f"gpuledger_offers {edition.offers}"
    yield from gauge("gpuledger_last_observation_seconds", "Newest observation, Unix time.")
    yield f"gpuledger_last_observation_seconds {_unix(edition.last_observed_at)}"
    rows = list(status)
    yield from gauge("gpuledger_source_age_seconds", "Age of the last accepted run of a source.")
    for row in rows:
        if row["age_hours"] is not None:
            seconds = float(row["age_hours"]) * 3600
            yield f'gpuledger_source_age_seconds{{source="{row["source"]}"}} {seconds:.0f}'
    yield from gauge("gpuledger_source_is_stale", "1: past its freshness target, or never accepted.")
    for row in rows:
        yield f'gpuledger_source_is_stale{{source="{row["source"]}"}} {int(row["is_stale"])}'
    yield from gauge("gpuledger_disputed_offers", "Prices and absences that the ledger contradicts.")
    for row in rows:
        yield f'gpuledger_disputed_offers{{source="{row["source"]}"}} {row["disputed"]}'


def _unix(at: datetime | None) -> str:
    return "NaN" if at is None else f"{at.timestamp():.3f}"
