"""Fit the constants of inference on published throughputs, models left out in turn, beside a rule of bandwidth alone.

python -m tools.calibration.serving            what is fitted, and how far off models are that were left out
python -m tools.calibration.serving --write    write sql/seeds/serving_constant.csv
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.optimize import least_squares  # pyright: ignore[reportUnknownVariableType, reportMissingTypeStubs]

from gpuledger.core import seeds
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from gpuledger.core.serving.engine import Deployment, ServingConstants, deployment_of

NAMES = ("weight_read", "gemm", "cache_read", "layer_seconds", "tensor_seconds", "host_seconds")
START = (0.75, 0.5, 0.6, 8e-6, 1.5e-5, 8e-6)
MEANING = {
    "weight_read": ("share of memory bandwidth at which weights are read", "share"),
    "gemm": ("share of the peak rate that matrix multiplies of prefill and large batches reach", "share"),
    "cache_read": ("share of memory bandwidth at which keys and values are read", "share"),
    "layer_seconds": ("fixed time of one layer in one step", "s"),
    "tensor_seconds": ("fixed time of the sums over accelerators of one layer in one step", "s"),
    "host_seconds": ("time of the host for one token of one sequence", "s"),
    "low_log": ("logarithm of computed over the tenth percentile of published, models left out", "log"),
    "high_log": ("logarithm of the ninetieth percentile of published over computed, models left out", "log"),
}


class Benchmark(NamedTuple):
    """One published throughput."""

    model: str
    at: Deployment
    input_tokens: float
    output_tokens: float
    batch: float
    rate: float


def family(model: str) -> str:
    """What is left out together: models of one shape under two names are one."""
    return {"llama-2-70b": "llama-70b", "llama-3.3-70b": "llama-70b"}.get(model, model)


def benchmarks() -> list[Benchmark]:
    """The rows of the table; where the batch is not published, as many sequences as fit."""
    out: list[Benchmark] = []
    for row in seeds.rows("serving_benchmark"):
        shape = resolve(
            plan_from_mapping(
                {
                    "name": "x",
                    "model": row["model"],
                    "method": "pretrain",
                    "training_tokens": 1e9,
                    "sequence_length": 2048,
                }
            )
        )[0]
        at = deployment_of(
            shape,
            gpu(row["gpu_id"]),
            int(row["gpus"]),
            precision=row["precision"],
            cache_precision=row["cache_precision"],
        )
        tokens = float(row["input_tokens"]), float(row["output_tokens"])
        batch = float(row["batch"] or at.most_sequences(*tokens))
        out.append(
            Benchmark(row["model"], at, *tokens, max(batch, 1.0), float(row["output_tokens_per_second"]))
        )
    return out


def record(values: Sequence[float], low: float = 0.0, high: float = 0.0) -> ServingConstants:
    """Constants from the logarithms that the solver moves."""
    named = dict(zip(NAMES, np.exp(values).tolist(), strict=True))
    return ServingConstants(**named, low_log=low, high_log=high)


def error(row: Benchmark, k: ServingConstants) -> float:
    """Logarithm of published over computed."""
    return math.log(row.rate / row.at.rate(row.input_tokens, row.output_tokens, row.batch, k))


def fitted(rows: Sequence[Benchmark]) -> ServingConstants:
    """The constants with the least soft absolute error, each family weighing the same."""
    counts = {name: sum(family(r.model) == name for r in rows) for name in {family(r.model) for r in rows}}
    weights = np.array([1.0 / math.sqrt(counts[family(row.model)]) for row in rows])

    def residuals(values: Any) -> Any:
        k = record(values)
        return weights * np.array([error(row, k) for row in rows])

    low, high = np.log([0.3, 0.1, 0.1, 1e-7, 1e-7, 1e-8]), np.log([1.0, 0.9, 1.0, 2e-4, 5e-4, 2e-4])
    found = cast("Any", least_squares)(
        residuals, np.log(START), bounds=(low, high), loss="soft_l1", f_scale=0.05
    )
    return record(found.x)


def bandwidth_error(rows: Sequence[Benchmark], of: Sequence[Benchmark]) -> list[float]:
    """The rule that a step takes what it takes to read weights and cache once, at a share fitted on `rows`."""

    def log_rate(row: Benchmark) -> float:
        context = row.input_tokens + row.output_tokens / 2
        read = row.at.weight_bytes + row.batch * context * row.at.cache_bytes_per_token
        return math.log(row.batch * row.at.gpus * (row.at.gpu.memory_bytes_per_second or 0.0) / read)

    share = float(np.median([math.log(row.rate) - log_rate(row) for row in rows]))
    return [math.log(row.rate) - log_rate(row) - share for row in of]


def held_out(rows: Sequence[Benchmark]) -> tuple[list[float], list[float], list[str]]:
    """Errors of each family by constants of the others, of both rules, and which family."""
    ours, theirs, names = list[float](), list[float](), list[str]()
    for name in sorted({family(row.model) for row in rows}):
        kept = [row for row in rows if family(row.model) != name]
        left = [row for row in rows if family(row.model) == name]
        k = fitted(kept)
        ours += [error(row, k) for row in left]
        theirs += bandwidth_error(kept, left)
        names += [name] * len(left)
    return ours, theirs, names


def percent(errors: Sequence[float]) -> tuple[float, float]:
    """Median and mean of |computed / published - 1|, in percent."""
    each = np.abs(np.exp(-np.array(errors)) - 1) * 100
    return float(np.median(each)), float(np.mean(each))


def quantiles(errors: Sequence[float], names: Sequence[str]) -> tuple[float, float]:
    """The 80 percent interval of the errors, each family weighing the same."""
    values = np.array(errors)
    weight = np.array([1.0 / names.count(name) for name in names])
    order = np.argsort(values)
    at = (np.cumsum(weight[order]) - 0.5 * weight[order]) / weight.sum()
    low, high = np.interp([0.1, 0.9], at, values[order])
    return float(-low), float(high)


def coverage(errors: Sequence[float], names: Sequence[str]) -> float:
    """Share of the errors inside an interval that was made of the other families' errors alone."""
    inside = 0
    for name in set(names):
        others = [(e, n) for e, n in zip(errors, names, strict=True) if n != name]
        low, high = quantiles([e for e, _ in others], [n for _, n in others])
        inside += sum(-low <= e <= high for e, n in zip(errors, names, strict=True) if n == name)
    return inside / len(errors)


def main() -> None:
    """Fit, tell, and write where told."""
    rows = benchmarks()
    ours, theirs, names = held_out(rows)
    k = fitted(rows)
    low, high = quantiles(ours, names)
    say = sys.stdout.write
    say(f"{len(rows)} rows, {len(set(names))} families\n")
    for label, errors in (("this model", ours), ("bandwidth alone", theirs)):
        say("{}: median {:.1f} %, mean {:.1f} %\n".format(label, *percent(errors)))
    for name in sorted(set(names)):
        of = [e for e, n in zip(ours, names, strict=True) if n == name]
        other = [e for e, n in zip(theirs, names, strict=True) if n == name]
        say(
            "  {:18} {:3} median {:5.1f} mean {:5.1f}   bandwidth {:5.1f} {:5.1f}  bias {:+.2f}\n".format(
                name, len(of), *percent(of), *percent(other), float(np.median(of))
            )
        )
    say(f"interval -{low:.3f} +{high:.3f}, coverage of families left out {coverage(ours, names):.1%}\n")
    say(f"{k}\n")
    if "--write" in sys.argv:
        _write(k, low, high, len(rows))


def _write(k: ServingConstants, low: float, high: float, count: int) -> None:
    path = Path(seeds.FOLDER) / "serving_constant.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "value", "unit", "meaning", "source"))
        source = f"fitted on the {count} rows of serving_benchmark.csv, tools/calibration/serving.py"
        for name, (meaning, unit) in MEANING.items():
            value = {"low_log": low, "high_log": high}.get(name, getattr(k, name))
            writer.writerow((name, f"{value:.6g}", unit, meaning, source))


if __name__ == "__main__":
    main()
