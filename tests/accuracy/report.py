"""Scores of the estimation core on published rows, and `docs/accuracy.md` out of them."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuledger.core.estimate.constants import Constants, constants
from gpuledger.core.estimate.evidence import Traits, distances, traits_of
from gpuledger.core.estimate.interval import spreads
from gpuledger.core.gpu import gpus
from tests.accuracy.memory_report import MemoryScore, memory_scores, memory_section, verdict_of
from tests.accuracy.memory_report import user_scores as memory_user_scores
from tests.accuracy.online_report import online_inside, online_section
from tests.accuracy.prose import PREFACE, REASONS
from tools.calibration.calibrate import SCORED_TABLES, Peaks, Throughput
from tools.calibration.intervals import is_counted
from tools.calibration.online import Online

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ("#7a3fa0", "#1b7fbd", "#e07b00", "#2a8f5a")
PEERS = {
    "la_flops_path_eff05_err_pct": "llm-analysis, FLOPs path at 0.5",
    "la_shipped_eff05_err_pct": "llm-analysis as shipped, 0.5",
    "calculon_err_pct": "Calculon",
    "six_nd_mfu040_err_pct": "6ND at a constant MFU of 0.40",
    "six_nd_mfu0375_err_pct": "6ND at a constant MFU of 0.375",
}


@dataclass(frozen=True)
class Score:
    """Absolute relative errors of one class of rows, in percent."""

    name: str
    rows: int
    median: float
    mean: float
    within_25: float

    def line(self) -> str:
        return f"| {self.name} | {self.rows} | {self.median:.1f} | {self.mean:.1f} | {self.within_25:.0f} |"


def score(name: str, percent: Sequence[float] | np.ndarray) -> Score:
    size = np.abs(np.asarray(percent, float))
    return Score(
        name, len(size), float(np.median(size)), float(size.mean()), float((size <= 25).mean() * 100)
    )


def percent(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    return (predicted / observed - 1.0) * 100.0


GROUPS: Mapping[str, tuple[str, ...]] = {
    "whole runs of tier A, GPU-hours": ("whole_run",),
    "whole runs of tiers A and B, GPU-hours": ("whole_run", "whole_run_b"),
    "fine-tuning on one node, GPU-hours": ("finetune",),
    "llm-foundry, tokens/s": ("llm_foundry",),
    "benchmarks of tiers A and B, tokens/s": ("benchmark",),
    "MLPerf, tokens/s": ("mlperf",),
    "all throughput (the three above)": SCORED_TABLES,
    "Megatron-Bridge releases, tokens/s": ("megatron_bridge",),
    "BLOOM sweep, tokens/s": ("bloom_sweep",),
}
MEASURED: Mapping[str, tuple[str, ...]] = {
    "small models, Megatron on A100 (vTrain)": ("vTrain A100 2 to 8 GPUs, small models",),
    "18B on 256 A100 (vTrain)": ("vTrain A100 64 to 512 GPUs",),
    "adapters, Hugging Face on A100 (Qwen)": ("qwen lora speed", "qwen qlora speed"),
    "full fine-tuning, Hugging Face on A100 (Qwen)": ("qwen full_finetune speed",),
    "B200, Megatron core (SimuMax)": ("SimuMax B200 dense speed", "SimuMax B200 MoE speed"),
    "FlashAttention-2's table": ("FlashAttention-2 table 1",),
    "GRPO, NeMo RL": ("GRPO (NeMo RL)",),
    "nanotron log of 64 H100": ("nanotron 1B logs speed",),
}


def throughput_scores(rows: Throughput, predicted: np.ndarray) -> list[Score]:
    """Errors by class of rows: tables, mixtures of experts on GPUs, and measured tables."""
    error = percent(predicted, rows.observed)
    scores = [score(name, error[np.isin(rows.tables, tables)]) for name, tables in GROUPS.items()]
    is_gpu = np.array([not seen.gpu_id.startswith(("tpu", "trainium")) for seen in rows.observations])
    routed = rows.is_routed & is_gpu
    scores.append(
        score("mixtures of experts on GPUs, benchmarks", error[routed & (rows.tables == "benchmark")])
    )
    both = routed & np.isin(rows.tables, ("benchmark", "megatron_bridge"))
    scores.append(score("the same with Megatron-Bridge", error[both]))
    return scores + [score(name, error[np.isin(rows.families, f)]) for name, f in MEASURED.items()]


def named(scores: Sequence[Score], beginning: str) -> Score:
    return next(one for one in scores if one.name.startswith(beginning))


def coverage(
    levels: Sequence[tuple[Throughput, np.ndarray]], online: Online
) -> dict[tuple[str, str], tuple[int, float]]:
    """Rows, and the share of them inside the 80 percent interval, by quantity and class."""
    inside: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for level, (rows, held_out) in enumerate(levels):
        classes = rows.classes()
        for i in np.flatnonzero(is_counted(rows, as_said=level > 0)).tolist():
            name = classes[i]
            key = ("hours" if rows.is_run[i] else "rate", str(name))
            low, high = spreads()[key]
            inside[key].append(bool(-low <= np.log(rows.observed[i] / held_out[i]) <= high))
    inside["rate", "online"] = online_inside(online, online.held_out(constants())).tolist()
    return {key: (len(values), float(np.mean(values))) for key, values in sorted(inside.items())}


def halves(rows: Throughput) -> tuple[list[str], list[str]]:
    """The families in two halves, every second one in the order of their names."""
    names = sorted(set(rows.families))
    return names[::2], names[1::2]


def half_scores(rows: Throughput, held_out: np.ndarray) -> list[Score]:
    """Errors of both halves, families left out: forms were chosen on the first, and the second had no say."""
    error, first = percent(held_out, rows.observed), np.isin(rows.families, halves(rows)[0])
    routed = rows.is_routed & np.isin(rows.tables, ("benchmark", "megatron_bridge"))
    kinds = {
        "throughput": np.isin(rows.tables, SCORED_TABLES),
        "whole runs of tiers A and B": rows.is_whole,
        "mixtures of experts": routed,
    }
    return [
        score(f"{kind}, family left out, {name} half", error[chosen & part])
        for kind, chosen in kinds.items()
        for name, part in (("first", first), ("second", ~first))
    ]


def across_halves(rows: Throughput, k: Constants) -> np.ndarray:
    """Predictions of each half by constants that were fitted on the other half alone."""
    out = np.zeros(len(rows.rows))
    first = np.isin(rows.families, halves(rows)[0])
    for test in (first, ~first):
        train, index = np.flatnonzero(~test), np.flatnonzero(test)
        fold = rows.with_overhead(rows.fitted(train[rows.is_fitted_on[train]], k), train)
        out[index], _ = rows.predicted(fold, index)
    return out


def peer_scores(folder: Path, rows: Throughput, held_out: np.ndarray) -> list[Score]:
    """Peers and ours on the runs that both have."""
    with (folder / "peer_estimator_error.csv").open(newline="", encoding="utf-8") as file:
        peers = {row["run_id"]: row for row in csv.DictReader(file)}
    ids = [seen.row_id for seen in rows.observations]
    common = [i for i, name in enumerate(ids) if rows.is_whole[i] and name in peers]
    ours = percent(held_out, rows.observed)[common]
    out = [score("**gpuledger, family held out**", ours)]
    for column, name in PEERS.items():
        values = [float(peers[ids[i]][column]) for i in common if peers[ids[i]][column]]
        out.append(score(name, values))
    return out


def sources(rows: Throughput) -> np.ndarray:
    """Who published a row: the table, or the first part of the name of a row of training_runs.csv."""
    names = zip(rows.tables, rows.observations, strict=True)
    single = ("benchmark", "whole_run")
    return np.array([seen.row_id.split("-")[0] if table in single else table for table, seen in names])


def plot(rows: Throughput, held_out: np.ndarray, path: Path) -> None:
    """Predicted against published, whole runs left and throughput right, both axes logarithmic."""
    import altair
    import vl_convert

    names = {
        "whole_run": "whole run",
        "llm_foundry": "llm-foundry",
        "benchmark": "benchmark",
        "mlperf": "MLPerf",
    }
    panels = []
    for title, tables, unit in (
        ("Whole runs", ("whole_run",), "GPU-hours"),
        ("Throughput", SCORED_TABLES, "tokens per second of the whole job"),
    ):
        chosen = np.isin(rows.tables, tables)
        data = [
            {"published": float(p), "predicted": float(q), "class": names[str(t)]}
            for p, q, t in zip(rows.observed[chosen], held_out[chosen], rows.tables[chosen], strict=True)
        ]
        low, high = min(d["published"] for d in data) / 2, max(d["published"] for d in data) * 2
        scale = altair.Scale(type="log", domain=[low, high])
        line = altair.Data(values=[{"published": x, "predicted": x} for x in (low, high)])
        base = altair.Chart(altair.Data(values=data)).encode(
            x=altair.X("published:Q", scale=scale, title=f"published {unit}"),
            y=altair.Y("predicted:Q", scale=scale, title=f"predicted {unit}"),
        )
        colours = altair.Scale(domain=list(names.values()), range=list(COLOURS))
        points = base.mark_circle(size=34, opacity=0.6).encode(
            color=altair.Color("class:N", title=None, scale=colours)
        )
        rule = (
            altair.Chart(line)
            .mark_line(color="#666", strokeDash=[4, 3])
            .encode(x="published:Q", y="predicted:Q")
        )
        panels.append((rule + points).properties(width=360, height=340, title=title))
    chart = altair.hconcat(*panels).configure_axis(grid=True, gridColor="#eee", format="~s")
    path.write_text(vl_convert.vegalite_to_svg(json.loads(chart.to_json())), encoding="utf-8")


def families(rows: Throughput, held_out: np.ndarray) -> list[str]:
    error = percent(held_out, rows.observed)
    lines = []
    for family in sorted(set(rows.families)):
        for table in sorted(set(rows.tables[rows.families == family])):
            chosen = (rows.families == family) & (rows.tables == table)
            bias = float(np.median(error[chosen]))
            lines.append(score(f"{family}, {table}", error[chosen]).line() + f" {bias:+.0f} |")
    return lines


HEAD = "| Rows | n | median % | mean % | within 25 % |\n| --- | ---: | ---: | ---: | ---: |"
FAMILY_HEAD = (
    "| Rows | n | median % | mean % | within 25 % | bias % |\n| --- | ---: | ---: | ---: | ---: | ---: |"
)
BARS = (
    ("whole runs of tier A", "9 / 13", "whole runs of tier A,"),
    ("whole runs of tiers A and B", "16 / 25", "whole runs of tiers A and B"),
    ("throughput", "7.5 / 11", "all throughput"),
    ("mixtures of experts", "15 / 22", "mixtures of experts"),
    ("small models", "12 / 20", "small models"),
    ("adapters, speed", "12 / 22", "adapters"),
    ("full fine-tuning", "20 / 35", "full fine-tuning"),
    ("B200", "15 / 20", "B200"),
)
USER_BARS = (("throughput", "12 / 18", "all throughput"), ("adapters, speed", "35 / 50", "adapters"))


def bars(
    scores: Sequence[Score],
    user: Sequence[Score],
    peaks: MemoryScore,
    said: Sequence[MemoryScore],
    verdict: dict[str, float],
) -> list[str]:
    def line(what: str, wanted: str, reached: str) -> str:
        return f"| {what} | {wanted} | {reached} |"

    def reached(of: Sequence[Score], beginning: str) -> str:
        found = named(of, beginning)
        return f"{found.median:.1f} / {found.mean:.1f}"

    return [
        *(line(f"{what}, stated", wanted, reached(scores, name)) for what, wanted, name in BARS),
        *(
            line(f"{what}, as a user says it", wanted, reached(user, name))
            for what, wanted, name in USER_BARS
        ),
        line("peak memory, stated", "10 / 18", f"{peaks.median:.1f} / {peaks.mean:.1f}"),
        *(
            line(f"peak memory, {of.name}, as a user says it", "25 / 40", f"{of.median:.1f} / {of.mean:.1f}")
            for of in said
        ),
        line("fits or not, right in percent", "95", f"{verdict['right'] * 100:.1f}"),
        line("fits or not, wrong on the unsafe side", "1", f"{verdict['wrong and unsafe']:.0f}"),
    ]


def side_by_side(left_out: Sequence[Score], fitted: Sequence[Score], user: Sequence[Score]) -> list[str]:
    """One line per class: rows, then median / mean of families left out, of all fitted, and as users say it."""
    out = ["| Rows | n | left out | fitted | as a user says it |\n| --- | ---: | ---: | ---: | ---: |"]
    for a, b, c in zip(left_out, fitted, user, strict=True):
        columns = " | ".join(f"{one.median:.1f} / {one.mean:.1f}" for one in (a, b, c))
        out.append(f"| {a.name} | {a.rows} | {columns} |")
    return out


def evidence_corrected(rows: Throughput, held_out: np.ndarray) -> np.ndarray:
    """Predictions moved by the residuals of the nearest rows of other families, shrunk with their distance."""
    traits = [traits_of(seen.plan, gpus()[seen.gpu_id], seen.gpus) for seen in rows.observations]
    columns = {name: np.array([getattr(one, name) for one in traits]) for name in Traits._fields}
    ratio = rows.observed / held_out
    residual = np.log(np.where(rows.is_run, ratio, 1.0 / ratio))
    out = np.zeros(len(traits))
    for i, one in enumerate(traits):
        weight = np.exp(-2.0 * distances(one, columns)) * (rows.families != rows.families[i])
        nearest = np.argsort(-weight)[:10]
        moved = float((weight[nearest] * residual[nearest]).sum() / (weight[nearest].sum() + 1.0))
        out[i] = held_out[i] * math.exp(moved if rows.is_run[i] else -moved)
    return out


def write(
    folder: Path,
    levels: Sequence[tuple[Throughput, np.ndarray]],
    peaks: Peaks,
    online: Online,
    path: Path,
) -> None:
    """`docs/accuracy.md` and its plot, out of rows as stated and as users say them with their held-out predictions."""
    k = constants()
    (rows, held_out), (user, user_held_out) = levels
    scores, user_scores = throughput_scores(rows, held_out), throughput_scores(user, user_held_out)
    remembered, verdict = memory_scores(peaks, k)["all"][0], verdict_of(peaks, k)
    halved = percent(across_halves(rows, k), rows.observed)
    corrected = percent(evidence_corrected(rows, held_out), rows.observed)
    scored, whole = np.isin(rows.tables, SCORED_TABLES), rows.tables == "whole_run"
    transfer = [
        score("throughput, constants of the other half of the families", halved[scored]),
        score("whole runs of tier A, constants of the other half", halved[whole]),
        score("throughput, family left out, corrected by the nearest rows", corrected[scored]),
        score("whole runs of tier A, family left out, corrected by the nearest rows", corrected[whole]),
        *half_scores(rows, held_out),
    ]
    plot(rows, held_out, path.with_suffix(".svg"))
    first, second = (", ".join(names) for names in halves(rows))
    parts = [
        PREFACE,
        "## Bars\n\nMedian / mean in percent, families left out.\n\n"
        "| Bar | wanted | reached |\n| --- | --- | --- |",
        *bars(scores, user_scores, remembered, memory_user_scores(peaks), verdict),
        REASONS,
        "## By class, median / mean in percent\n",
        *side_by_side(scores, throughput_scores(rows, rows.predicted(k)[0]), user_scores),
        "\n![Predicted against published, each family held out](accuracy.svg)\n",
        "## The 80 % intervals\n\nShare of published values inside, families left out. Classes of fewer than 20 rows "
        "are given a width by hand.\n\n| Quantity | class | n | inside % |\n| --- | --- | ---: | ---: |",
        *(
            f"| {q} | {c} | {n} | {share * 100:.0f} |"
            for (q, c), (n, share) in coverage(levels, online).items()
        ),
        "\n## Transfers\n\n" + HEAD,
        *(s.line() for s in transfer),
        f"\nFirst half: {first}.\n\nSecond half: {second}.\n",
        "## Whole runs beside other estimators\n\n" + HEAD,
        *(s.line() for s in peer_scores(folder, rows, held_out)),
        "\nErrors of the others are those of the published comparison, on the runs that both have.\n",
        *online_section(online, k),
        "",
        *memory_section(folder, peaks, k),
        "## By family, left out\n\n" + FAMILY_HEAD,
        *families(rows, held_out),
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
