"""All tables of published rows of the folder that `GPULEDGER_TRUTH` names, each by its reader."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gpuledger.core.errors import InvalidPlanError
from tools.calibration.truth.runs import Observation, Row, bloom_sweep, llm_foundry, measured, training_run
from tools.calibration.truth.vendor import megatron_bridge, mlperf

READERS: Mapping[str, Callable[[Row], Observation | None]] = {
    "training_runs.csv": training_run,
    "llm_foundry_bench.csv": llm_foundry,
    "mlperf_training.csv": mlperf,
    "bloom_topology_sweep.csv": bloom_sweep,
    "nvidia_megatron_bridge.csv": megatron_bridge,
    "measured_2026_11.csv": measured,
}


def rows(folder: Path, name: str) -> Iterator[Row]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def read(folder: Path) -> tuple[list[Observation], Counter[str]]:
    """Every usable observation of hours and throughput, and the count of rows left out by reason."""
    found, skipped = list[Observation](), Counter[str]()
    seen = set[str]()
    for name, reader in READERS.items():
        for row in rows(folder, name):
            if name == "training_runs.csv" and not is_read(row):
                skipped[f"{name}: {row['row_kind']} tier {row['trust_tier']}"] += 1
                continue
            try:
                observation = reader(row)
            except InvalidPlanError as error:
                skipped[f"{name}: {error}"] += 1
                continue
            if (row.get("run_id") or row["id"]).replace("mbridge-", "mb-") in seen:
                skipped[f"{name}: a row of training_runs.csv too"] += 1
            elif observation is None:
                skipped[f"{name}: an input or the outcome is missing"] += 1
            else:
                found.append(observation)
                seen.add(observation.row_id)
    return found, skipped


def is_read(row: Row) -> bool:
    """Whole runs and steady-state benchmarks of tiers A and B."""
    kinds = ("full_run", "finetune_run", "throughput_benchmark")
    return row["row_kind"] in kinds and row["trust_tier"] in ("A", "B")
