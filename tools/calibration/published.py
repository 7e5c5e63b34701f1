"""Write `sql/seeds/published_run.csv`: `GPULEDGER_TRUTH=DIR python -m tools.calibration.published`.

Facts of the tables that the truth readers read, each as the plan that its source states, with what was reached and
where that is written. Of tables of one job in many variants a few rows stand for the rest.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpuledger.core import seeds
from gpuledger.core.estimate.evidence import traits_of
from gpuledger.core.gpu import gpus
from gpuledger.core.plan import plan_from_mapping
from tools.calibration.truth import tables
from tools.calibration.truth.runs import Observation

MOST_OF_A_TABLE = {"mlperf": 4, "measured": 16, "llm_foundry": 12}
"""Rows of one family of those tables."""
LEFT_OUT = ("bloom_sweep",)
SOURCES = {
    "llm_foundry": "mosaicml/llm-foundry, scripts/train/benchmarking/README.md",
    "mlperf": "MLCommons, MLPerf Training result repositories, rounds v3.0 to v5.1",
    "megatron_bridge": "NVIDIA-NeMo/Megatron-Bridge, docs/performance-summary.md",
}
LONGEST_SOURCE = 110
# how a row was read says nothing about where it is written
ASIDE = re.compile(r"\s*\((?:confirmed in )?stored index\)|\s*\([^)]*from memory\)|,? figures from memory.*")
COLUMNS = (
    *("run", "family", "measure", "reached", "method", "gpu_id", "gpus", "precision", "stack", "kernels"),
    *("has_experts", "active_parameters", "sequence_length", "plan", "source"),
)
IS_HOURS = ("whole_run", "whole_run_b", "finetune", "finetune_b", "measured_hours")


def citation(source: str) -> str:
    """The source in one line."""
    text = ASIDE.sub("", source)
    if len(text) <= LONGEST_SOURCE:
        return text
    # whole words, and an address whole however long
    return text[:LONGEST_SOURCE].rpartition(" ")[0].rstrip(" ,;(") or text.split()[0]


def plan_keys(seen: Observation) -> dict[str, Any]:
    """The plan of a row with its hardware, as JSON holds it."""
    keys = seen.plan.model_dump(exclude_unset=True, exclude_none=True, mode="json")
    keys.pop("name", None)
    keys["hardware"] = keys.get("hardware", {}) | {"gpu": seen.gpu_id, "gpus": seen.gpus}
    return {key: value for key, value in keys.items() if value != {}}


def chosen(folder: Path) -> Iterator[Observation]:
    """The rows that stand for their tables, spread evenly over each family."""
    found, _ = tables.read(folder)
    sizes = Counter((seen.table, seen.family) for seen in found)
    places = Counter[tuple[str, str]]()
    for seen in found:
        key = (seen.table, seen.family)
        most = MOST_OF_A_TABLE.get(seen.table, sizes[key])
        place, places[key] = places[key], places[key] + 1
        step = max(sizes[key] / most, 1.0)
        if seen.table not in LEFT_OUT and int(place / step) != int((place - 1) / step):
            yield seen


def sources(folder: Path) -> Mapping[str, str]:
    """Where each row of the tables that say it was read."""
    out = dict[str, str]()
    for name, column in (("training_runs.csv", "run_id"), ("measured_2026_11.csv", "id")):
        out |= {row[column]: row["source"] for row in tables.rows(folder, name)}
    return out


def main() -> int:
    folder = os.environ.get("GPULEDGER_TRUTH")
    if not folder:
        print("GPULEDGER_TRUTH names no folder: nothing to read", file=sys.stderr)  # noqa: T201
        return 2
    cited = sources(Path(folder))
    path = seeds.FOLDER / "published_run.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for seen in chosen(Path(folder)):
            measure = "gpu_hours" if seen.table in IS_HOURS else "tokens_per_second"
            source = SOURCES.get(seen.table) or citation(cited[seen.row_id])
            keys = plan_keys(seen)
            traits = traits_of(plan_from_mapping(keys), gpus()[seen.gpu_id], seen.gpus)
            writer.writerow(
                [
                    seen.row_id,
                    seen.family,
                    measure,
                    f"{seen.observed:.6g}",
                    traits.method,
                    seen.gpu_id,
                    seen.gpus,
                    seen.plan.precision,
                    traits.stack,
                    traits.kernels,
                    "true" if traits.is_routed else "false",
                    f"{2**traits.log_parameters:.4g}",
                    f"{2**traits.log_sequence:.0f}",
                    json.dumps(keys, separators=(",", ":"), sort_keys=True),
                    source,
                ]
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
