"""Fit the constants again: `GPULEDGER_TRUTH=DIR python -m tools.calibration.calibrate [--write] [--folds]`.

Robust least squares of the logarithm of predicted over published, with the prior of each constant as a
residual of its own, so that rows can move a constant only as far as they insist. A family weighs as the square
root of its rows, as forty sizes of one model say less than forty models. Needs scipy, a development dependency.
"""

from __future__ import annotations

import csv
import math
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuledger.core import seeds
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.estimate.best_layout import (
    DOUBLINGS,
    Choice,
    Columns,
    LayoutProblem,
    LayoutRow,
    choose,
    problem,
    whole_run_overhead,
)
from gpuledger.core.estimate.constants import Constants, constants
from gpuledger.core.estimate.interval import plan_class
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.memory import memory_half_width
from gpuledger.core.estimate.throughput import step_time
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import gpus
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration import intervals
from tools.calibration.layout_row import row_of
from tools.calibration.online import Online
from tools.calibration.solver import Array, priors, solved, weighted_median
from tools.calibration.truth import memory, tables
from tools.calibration.truth.runs import Observation

SCORED_TABLES = ("benchmark", "llm_foundry", "mlperf")
FITTED_TABLES = (
    *SCORED_TABLES,
    "measured",
    "whole_run",
    "whole_run_b",
    "finetune",
    "finetune_b",
    "measured_hours",
)
APART_TABLES = ("bloom_sweep", "megatron_bridge")
"""Neither fitted on nor part of the score: one machine whose links the table does not state, and releases of one
vendor's container, of the same few jobs again and again."""
UNEXPLAINED = ("GRPO (NeMo RL)", "nanotron 1B logs speed")
"""Families that are only predicted: generation has constants of its own, and one log is of a run that idles."""
STEADY_TABLES = (*SCORED_TABLES, "measured", *APART_TABLES)
RUN_TABLES = ("whole_run", "whole_run_b", "finetune", "finetune_b", "measured_hours")
"""Of which hours were published, not rates. The latter, all on one node, are only predicted."""
TIMED_LOOPS = ("finetune",)
"""Of which the hours are those of the steps alone: AnswerDotAI/fsdp_qlora times its loop over 1,024 samples."""
RESIDUAL_SCALE = 0.1
"""Error of the logarithm that counts as much as one spread of a prior."""
LOSS_SCALE = 0.1
PEAK_LOSS_SCALE = 0.2
"""Residuals beyond it count by their size, not its square, as errors are scored."""
PEAK_SCALE = 0.25
FIT_SCALE = 1.0 / 6.0
"""Errors of the logarithm that count as much as one spread of a prior: of peaks, and of what fitted or did not."""
ROUNDS = 3


SAID = (
    "name",
    "method",
    "model",
    "parameters",
    "architecture",
    "training_tokens",
    "precision",
    "sequence_length",
)


def said(plan: TrainingPlan) -> TrainingPlan:
    """What a user says of a plan: model, tokens, GPU, count, precision, sequence length."""
    keys = plan.model_dump(exclude_unset=True)
    hardware = {name: keys["hardware"][name] for name in ("gpu", "gpus") if name in keys.get("hardware", {})}
    return plan_from_mapping({name: keys[name] for name in SAID if name in keys} | {"hardware": hardware})


def taken(of: LayoutProblem, index: NDArray[np.intp]) -> LayoutProblem:
    """Those rows of a problem."""
    parts: dict[str, Any] = {}
    for field in fields(of):
        value = getattr(of, field.name)
        if isinstance(value, np.ndarray):
            parts[field.name] = value[index]
        else:
            columns = {f.name: np.asarray(getattr(value, f.name))[index] for f in fields(value)}
            parts[field.name] = type(value)(**columns)
    return LayoutProblem(**parts)


def flat(columns: Columns) -> Columns:
    """Columns of one per row as plain vectors."""
    return type(columns)(**{f.name: np.ravel(getattr(columns, f.name)) for f in fields(columns)})


class Throughput:
    """The published hours and rates, as one problem."""

    def __init__(self, folder: Path, *, as_said: bool = False) -> None:
        """Read the folder; `as_said` leaves of each plan what a user says of it."""
        observations, self.skipped = tables.read(folder)
        if as_said:
            observations = [replace(seen, plan=said(seen.plan)) for seen in observations]
        self.rows = list[LayoutRow]()
        self.observations = list[Observation]()
        for seen in observations:
            try:
                row = row_of(seen.plan, seen.gpu_id, seen.gpus)
            except GPULedgerError as error:
                self.skipped[str(error)] += 1
                continue
            if problem([row]).is_possible.any():
                self.rows.append(row)
                self.observations.append(seen)
            else:
                self.skipped["the parallelism given does not divide the GPUs given"] += 1
        self.problem = problem(self.rows)
        self.tables = np.array([seen.table for seen in self.observations])
        self.families = np.array([seen.family for seen in self.observations])
        self.observed = np.array([seen.observed for seen in self.observations])
        self.gpus = np.array([row.gpus for row in self.rows], float)
        self.batch = np.array([row.need.workload.global_batch_tokens for row in self.rows])
        self.tokens = np.array([row.need.workload.tokens for row in self.rows])
        self.nodes = np.array([max(row.gpus / row.gpus_per_node, 1.0) for row in self.rows])
        self.is_tuned_team = np.array([row.need.workload.team_is_tuned > 0 for row in self.rows])
        self.is_run = np.isin(self.tables, RUN_TABLES)
        self.is_whole = np.isin(self.tables, ("whole_run", "whole_run_b"))
        self.generations = np.array([gpus()[seen.gpu_id].architecture for seen in self.observations])
        self.is_routed = np.array([row.need.architecture.experts > 1 for row in self.rows])
        self.is_fitted_on = np.isin(self.tables, FITTED_TABLES) & ~np.isin(self.families, UNEXPLAINED)
        sizes = Counter(self.families[self.is_fitted_on])
        self.weights = np.array([max(sizes[f], 1) ** -0.5 for f in self.families])

    def predicted(self, k: Constants, index: NDArray[np.intp] | None = None) -> tuple[Array, Choice]:
        """GPU-hours of whole runs and tokens per second of benchmarks, for those rows."""
        rows = np.arange(len(self.rows)) if index is None else index
        found = choose(self.problem if index is None else taken(self.problem, index), k)
        rate: Array = self.batch[rows] / np.asarray(found.time.total)
        hours = (
            self.tokens[rows]
            / self.batch[rows]
            * found.time.total
            * found.overhead
            / 3600.0
            * self.gpus[rows]
        )
        return np.where(self.is_run[rows], hours, rate), found

    def fitted(self, index: NDArray[np.intp], k: Constants) -> Constants:
        """`k` with the throughput constants fitted on those rows, from their priors on.

        Divisions that rows leave open are chosen by the constants at hand, the constants fitted to those
        divisions, and so on. Hours of fine-tuning on one node count as rates, of whole runs at their overhead.
        """
        names = priors("throughput")
        weights = self.weights[index] / self.weights[index].mean() / RESIDUAL_SCALE
        part, is_run = taken(self.problem, index), self.is_run[index]
        is_whole = is_run & ~np.isin(self.tables[index], TIMED_LOOPS)
        seconds = self.observed[index] * 3600.0 / self.gpus[index] * self.batch[index] / self.tokens[index]
        expected = np.log(np.where(is_run, seconds, self.batch[index] / self.observed[index]))
        workload, rates = flat(part.workload), flat(part.device)
        k = replace(k, **{prior.constant: prior.value for prior in names})
        for _ in range(ROUNDS):
            layout = choose(part, k).layout
            overhead = np.where(is_whole, whole_run_overhead(workload, layout, k), 1.0)

            def residuals(
                values: dict[str, Any], k: Constants = k, layout: Layout = layout, overhead: Array = overhead
            ) -> Array:
                seconds = step_time(workload, layout, rates, replace(k, **values)).total * overhead
                return (expected - np.log(seconds)) * weights

            found = solved(names, residuals, loss_scale=LOSS_SCALE, takes_columns=True)
            k = replace(k, **found)
        return k

    def with_overhead(self, k: Constants, index: NDArray[np.intp]) -> Constants:
        """`k` with what runs of typical teams on many nodes lose beyond their steady state, fitted to those runs.

        The weighted median minimises the error as it is scored, |predicted / published - 1|.
        """
        whole = index[self.is_whole[index] & (self.nodes[index] > 1) & ~self.is_tuned_team[index]]
        if not len(whole):
            return k
        found = choose(taken(self.problem, whole), k)
        hours = self.tokens[whole] / self.batch[whole] * np.asarray(found.time.total) / 3600.0
        ratio, nodes = self.observed[whole] / (hours * self.gpus[whole]), self.nodes[whole]
        lost = k.failures_per_node_day * nodes * k.hours_per_failure / 24.0
        doublings = np.log2(nodes) / DOUBLINGS
        wanted = (ratio / k.typical_overhead - 1.0 - lost) / doublings
        # a doubling more or less moves the hours of a run by so much
        return replace(k, typical_scale_overhead=max(weighted_median(wanted, doublings / ratio), 0.0))

    def folds(self, k: Constants, groups: NDArray[np.str_] | None = None) -> dict[str, Constants]:
        """For each group, by default each family, constants that were fitted without it, from their priors on."""
        groups = self.families if groups is None else groups
        out = dict[str, Constants]()
        for group in sorted(set(groups)):
            train = np.flatnonzero(groups != group)
            out[group] = self.with_overhead(self.fitted(train[self.is_fitted_on[train]], k), train)
        return out

    def held_out(self, folds: Mapping[str, Constants], groups: NDArray[np.str_] | None = None) -> Array:
        """Predictions of every row by the constants of the fold that left out its group."""
        groups = self.families if groups is None else groups
        out = np.zeros(len(self.rows))
        for group in sorted(set(groups)):
            test = np.flatnonzero(groups == group)
            out[test], _ = self.predicted(folds[group], test)
        return out

    def classes(self) -> NDArray[np.str_]:
        """The class of each row's interval."""
        quantities = np.where(self.is_run, "hours", "rate")
        rows = zip(self.rows, self.nodes, quantities, strict=True)
        return np.array([plan_class(row.need, nodes, quantity) for row, nodes, quantity in rows])


class Peaks:
    """The published peaks and facts about what fits, as one problem."""

    def __init__(self, folder: Path) -> None:
        self.facts, self.skipped = memory.read(folder)
        self.problem = problem([row_of(f.plan, f.gpu_id, f.gpus, f.gpu_memory_gib) for f in self.facts])
        self.peak = np.array([f.peak_gib or math.nan for f in self.facts])
        self.limit = np.array([f.gpu_memory_gib for f in self.facts])
        self.fits = np.array([f.fits for f in self.facts])
        self.is_loose = np.array([f.is_loose for f in self.facts])
        self.is_measured = np.isfinite(self.peak)
        self.families = np.array([f.family for f in self.facts])
        sizes = Counter(f.source for f in self.facts)
        self.weights = np.array([sizes[f.source] ** -0.4 for f in self.facts])

    def predicted(self, k: Constants) -> Array:
        return np.asarray(choose(self.problem, k).memory.total)

    def widths(self, k: Constants) -> Array:
        """Half width of the interval of each fact, as a logarithm."""
        return np.array([memory_half_width(demand(fact.plan), k) for fact in self.facts])

    def held_out(self, k: Constants) -> Array:
        """Predictions of every fact by constants that were fitted without its family."""
        out = np.zeros(len(self.facts))
        for family in sorted(set(self.families)):
            test = self.families == family
            out[test] = self.predicted(self.fitted(k, ~test))[test]
        return out

    def fitted(self, k: Constants, use: NDArray[np.bool_] | None = None) -> Constants:
        """`k` with the memory constants fitted on those facts."""
        use = np.ones(len(self.facts), bool) if use is None else use
        exact = use & self.is_measured & ~self.is_loose
        bound = use & ~self.is_measured

        def residuals(values: dict[str, Any]) -> Array:
            total = self.predicted(replace(k, **values))
            peaks = (
                np.where(exact, np.log(total / np.where(exact, self.peak, 1.0)), 0.0)
                * self.weights
                / PEAK_SCALE
            )
            over = np.maximum(np.log(total / (0.97 * self.limit)), 0.0) * (bound & self.fits)
            under = np.maximum(np.log(self.limit / total), 0.0) * (bound & ~self.fits)
            return np.concatenate([peaks, over / FIT_SCALE, under / FIT_SCALE])

        names = priors("memory")
        return replace(k, **solved(names, residuals, loss_scale=PEAK_LOSS_SCALE, takes_columns=False))


def errors(predicted: Array, observed: Array) -> str:
    """Median and mean of the absolute relative error, in percent."""
    size = np.abs(predicted / observed - 1.0) * 100
    return f"{len(size):4d} rows, median {np.median(size):5.1f}, mean {size.mean():5.1f}"


def write(k: Constants, path: Path = seeds.FOLDER / "calibration.csv") -> None:
    """Put the values into the table, everything else in it unchanged."""
    rows = seeds.read_rows(path)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "value": f"{getattr(k, row['constant']):.4g}"} for row in rows)


def report(throughput: Throughput, predicted: Array) -> Iterator[str]:
    """Lines of errors by table."""
    scored = np.isin(throughput.tables, SCORED_TABLES)
    for table in (*STEADY_TABLES, *RUN_TABLES):
        rows = throughput.tables == table
        yield f"{table:12s} {errors(predicted[rows], throughput.observed[rows])}"
    yield f"{'throughput':12s} {errors(predicted[scored], throughput.observed[scored])}"


def main(arguments: Sequence[str]) -> int:
    folder = os.environ.get("GPULEDGER_TRUTH")
    if not folder:
        print("GPULEDGER_TRUTH names no folder: nothing to fit on", file=sys.stderr)  # noqa: T201
        return 2
    peaks, throughput = Peaks(Path(folder)), Throughput(Path(folder))
    k = peaks.fitted(constants())
    steady = np.flatnonzero(throughput.is_fitted_on)
    k = throughput.fitted(steady, k)
    k = throughput.with_overhead(k, np.arange(len(throughput.rows)))
    online = Online(Path(folder))
    k = online.fitted(k, np.ones(len(online.rows), bool))
    lines = ["fitted on all rows", *report(throughput, throughput.predicted(k)[0])]
    if "--folds" in arguments:
        folds = throughput.folds(k)
        held_out = throughput.held_out(folds)
        lines += ["leave one family out", *report(throughput, held_out)]
        user = Throughput(Path(folder), as_said=True)
        lines += ["as a user says it, one family left out", *report(user, user.held_out(folds))]
        if "--write" in arguments:
            levels = [(throughput, held_out), (user, user.held_out(folds))]
            intervals.write(levels, online.observed / online.held_out(k))
    total, exact = peaks.predicted(k), peaks.is_measured & ~peaks.is_loose
    right = (total <= peaks.limit * k.memory_margin) == peaks.fits
    lines.append(f"memory       {errors(total[exact], peaks.peak[exact])}")
    lines.append(
        f"fits or not  {int((~peaks.is_measured).sum())} facts, {right[~peaks.is_measured].mean():.3f} right"
    )
    if "--write" in arguments:
        write(k)
    print("\n".join(lines))  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
