"""Ten processes read while others write: nobody meets a lock, a half-written file or an old price."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

CAPTURE = Path(__file__).resolve().parents[1] / "captures" / "runpod" / "prices.json"
READERS = 10
READS = (
    ("offers", "--gpu", "H100", "--format", "jsonl"),
    (
        "sql",
        "select count(*) as offers, max(number) as number from offer_latest, snapshot",
        "--format",
        "jsonl",
    ),
)


def gpuledger(home: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as its own process, with no settings but these."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GPULEDGER_HOME": str(home),
        "GPULEDGER_SOURCE_RUNPOD_URL": url,
        "GPULEDGER_FETCH_ATTEMPTS": "1",
    }
    program = [sys.executable, "-c", "from gpuledger.cli.main import run; run()"]
    return subprocess.run([*program, *arguments], env=environ, capture_output=True, text=True, timeout=120)


def moving_prices() -> Any:
    """The provider's answer, a little dearer each time it is asked."""
    answer = json.loads(CAPTURE.read_text())
    asked = iter(range(1, 1_000_000))
    guard = threading.Lock()

    def body() -> bytes:
        with guard:
            step = next(asked)
        for row in answer["data"]["gpuTypes"]:
            if row["id"] == "NVIDIA H100 80GB HBM3":
                row["securePrice"] = round(3 + step / 1000, 4)
        return json.dumps(answer).encode()

    return body


def read_while_writing(
    home: Path, provider: Any, seconds: float
) -> tuple[Counter[str], list[str], list[int]]:
    """Counts of what ran, what went wrong, and the newest snapshot that each reader saw."""
    body = moving_prices()
    provider.answer = lambda seen: type(
        "Answer", (), {"status": 200, "body": body(), "headers": {}, "cut_at": None}
    )()
    first = gpuledger(home, provider.url, "refresh", "runpod")
    assert first.returncode == 0, first.stderr
    ran: Counter[str] = Counter()
    wrong: list[str] = []
    highest: list[int] = []
    ends_at = time.monotonic() + seconds

    def write() -> None:
        while time.monotonic() < ends_at:
            done = gpuledger(home, provider.url, "refresh", "runpod")
            ran["refresh"] += 1
            if done.returncode:
                wrong.append(f"refresh: {done.stderr}")

    def read(number: int) -> None:
        seen = 0
        while time.monotonic() < ends_at:
            command = READS[number % len(READS)]
            done = gpuledger(home, provider.url, *command)
            ran[command[0]] += 1
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            if done.returncode or done.stderr or not rows:
                wrong.append(f"{command[0]}: {done.returncode} {done.stderr}")
                continue
            latest = rows[0].get("number", seen)
            if latest < seen:
                wrong.append(f"snapshot {latest} after {seen}")
            seen = latest
        highest.append(seen)

    threads = [threading.Thread(target=write) for _ in range(2)]
    threads += [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ran, wrong, highest


@pytest.mark.faults
def test_ten_readers_and_two_writers_never_meet_a_lock(tmp_path: Path, provider: Any):
    ran, wrong, highest = read_while_writing(tmp_path, provider, seconds=4)
    assert wrong == []
    assert ran["refresh"] >= 2
    assert ran["offers"] >= READERS // 2
    assert ran["sql"] >= READERS // 2
    assert max(highest) >= 2


@pytest.mark.faults
def test_not_one_error_in_a_minute(tmp_path: Path, provider: Any):
    ran, wrong, highest = read_while_writing(tmp_path, provider, seconds=60)
    print(f"\n{dict(ran)}, snapshots up to {max(highest)}, {len(wrong)} errors")  # noqa: T201
    assert wrong == []
    assert ran["offers"] + ran["sql"] >= 100
    assert max(highest) >= 10
