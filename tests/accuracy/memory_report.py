"""Scores of memory on published peaks and on facts of what fitted, and their part of `docs/accuracy.md`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.memory import MemoryGiB
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration.calibrate import Peaks
from tools.calibration.solver import priors
from tools.calibration.truth.memory import MemoryFact

Floats = NDArray[np.float64]

CLASSES = {
    "mem-bloom": "DeepSpeed, pretraining (BLOOM sweep)",
    "mem-nanotron": "nanotron, pretraining",
    "SimuMax B200 dense memory": "Megatron-Core on B200, dense",
    "SimuMax B200 MoE memory": "Megatron-Core on B200, experts",
    "fsdpqlora": "adapters, Transformers with FSDP",
    "litgpt": "adapters, litgpt",
    "qwen lora memory": "adapters, Transformers, LoRA",
    "qwen qlora memory": "adapters, Transformers, QLoRA",
    "qwen full_finetune memory": "full fine-tuning, Transformers",
    "nanotron 1B logs memory": "nanotron of 2024, one log",
}
PEERS = {
    "eleutherai_err_pct": "EleutherAI cookbook",
    "llm_analysis_err_pct": "llm-analysis",
    "textbook_err_pct": "textbook formula",
}
SAID = (
    "name",
    "method",
    "architecture",
    "model",
    "training_tokens",
    "sequence_length",
    "precision",
    "lora_rank",
)
"""What a user says beside GPU and count."""
HEAD = "| Rows | n | median % | mean % | bias % | in the interval % |\n| --- | ---: | ---: | ---: | ---: | ---: |"


@dataclass(frozen=True)
class MemoryScore:
    """Errors of one class of peaks in percent, and the share that lies inside the interval."""

    name: str
    rows: int
    median: float
    mean: float
    bias: float
    covered: float

    def line(self) -> str:
        numbers = f"{self.median:.1f} | {self.mean:.1f} | {self.bias:+.0f} | {self.covered:.0f}"
        return f"| {self.name} | {self.rows} | {numbers} |"


def memory_score(name: str, predicted: Floats, peaks: Floats, inside: NDArray[np.bool_]) -> MemoryScore:
    error = (predicted / peaks - 1.0) * 100.0
    size = np.abs(error)
    return MemoryScore(
        name,
        len(size),
        float(np.median(size)),
        float(size.mean()),
        float(np.median(error)),
        float(inside.mean() * 100.0),
    )


def as_said(plan: TrainingPlan, gpu_id: str, gpus: int) -> TrainingPlan:
    """The plan as a user says it: network, method, tokens, length, precision, GPU and count."""
    stated = plan.model_dump(exclude_none=True, exclude_unset=True)
    bare = {key: value for key, value in stated.items() if key in SAID}
    return plan_from_mapping({**bare, "hardware": {"gpu": gpu_id, "gpus": gpus}})


def shown(fact: MemoryFact, *, is_bare: bool) -> MemoryGiB | None:
    """The memory that an estimate shows for a fact, everything stated or as a user says it."""
    plan = as_said(fact.plan, fact.gpu_id, fact.gpus) if is_bare else fact.plan
    try:
        return estimate(plan, gpu(fact.gpu_id), fact.gpus).memory_gib
    except GPULedgerError:
        return None


def user_scores(peaks: Peaks) -> list[MemoryScore]:
    """Peaks as their users would say them: adapters and fine-tuning, whose recipes are alike, and pretraining."""
    groups: dict[str, list[tuple[float, float, bool]]] = {}
    for fact, is_loose in zip(peaks.facts, peaks.is_loose, strict=True):
        estimated = None if fact.peak_gib is None or is_loose else shown(fact, is_bare=True)
        if estimated is None or fact.peak_gib is None:
            continue
        name = (
            "adapters"
            if fact.plan.has_adapters
            else "full fine-tuning"
            if fact.plan.method == "full_finetune"
            else "pretraining"
        )
        row = (estimated.total, fact.peak_gib, estimated.low <= fact.peak_gib <= estimated.high)
        for key in (name, "all"):
            groups.setdefault(key, []).append(row)
    return [
        memory_score(name, *(np.array(column) for column in zip(*groups[name], strict=True)))
        for name in ("adapters", "full fine-tuning", "pretraining", "all")
        if name in groups
    ]


def memory_scores(peaks: Peaks, k: Constants) -> dict[str, list[MemoryScore]]:
    """Scores of stated peaks: all of them three ways, and each class with its family held out."""
    exact = peaks.is_measured & ~peaks.is_loose
    held_out = peaks.held_out(k)
    untouched = peaks.predicted(replace(k, **{prior.constant: prior.value for prior in priors("memory")}))
    widths = peaks.widths(k)
    inside = np.abs(np.log(held_out / peaks.peak)) <= widths

    def of(name: str, predicted: Floats, rows: NDArray[np.bool_]) -> MemoryScore:
        return memory_score(name, predicted[rows], peaks.peak[rows], inside[rows])

    adapters = np.array([fact.plan.has_adapters for fact in peaks.facts])
    sources = np.array([fact.source for fact in peaks.facts])
    return {
        "all": [
            of("family held out", held_out, exact),
            of("fitted on all rows, as released", peaks.predicted(k), exact),
            of("every constant at its source's value, nothing fitted", untouched, exact),
        ],
        "classes": [
            of("networks trained whole", held_out, exact & ~adapters),
            of("adapters", held_out, exact & adapters),
            *(of(name, held_out, exact & (sources == source)) for source, name in CLASSES.items()),
        ],
    }


def verdict_of(peaks: Peaks, k: Constants) -> dict[str, float]:
    """Facts of what fitted, and how many are told right."""
    facts = ~peaks.is_measured
    predicted = peaks.predicted(k) <= peaks.limit * k.memory_margin
    return {
        "facts": float(facts.sum()),
        "right": float((predicted == peaks.fits)[facts].mean()),
        "wrong but safe": float((facts & ~predicted & peaks.fits).sum()),
        "wrong and unsafe": float((facts & predicted & ~peaks.fits).sum()),
    }


def peer_lines(folder: Path, peaks: Peaks, k: Constants) -> Iterator[str]:
    """Ours and the peers' errors on the rows of the BLOOM sweep that all have."""
    with (folder / "peer_memory_error.csv").open(newline="", encoding="utf-8") as file:
        peers = {"mem-" + row["run_id"]: row for row in csv.DictReader(file)}
    common = [i for i, fact in enumerate(peaks.facts) if fact.row_id in peers and peaks.is_measured[i]]
    yield _peer("**gpuledger, family held out**", (peaks.held_out(k) / peaks.peak - 1.0)[common] * 100.0)
    for column, name in PEERS.items():
        yield _peer(name, [float(peers[peaks.facts[i].row_id][column]) for i in common])


def _peer(name: str, percent: Sequence[float] | Floats) -> str:
    size = np.abs(np.asarray(percent, float))
    return f"| {name} | {len(size)} | {np.median(size):.1f} | {size.mean():.1f} |"


PROTOCOL = """
Each form follows the source that `core/estimate` and `sql/seeds/stack_memory.csv` cite. Forms were chosen on the
families of the first table (BLOOM, nanotron's playbook, Llama 2); of the second (Qwen, SimuMax, nanotron's logs) one
form was looked at, the copies of ZeRO-3 with Transformers. Constants were fitted from their sources' values and hardly
move. `in the interval` is the share of peaks inside `memory_gib.low` to `high`, predicted with the family held out.
"""


def memory_section(folder: Path, peaks: Peaks, k: Constants) -> list[str]:
    """Lines of the page."""
    scores, verdict = memory_scores(peaks, k), verdict_of(peaks, k)
    told = (
        f"\nOf {verdict['facts']:.0f} facts about what fitted, {verdict['right'] * 100:.1f} % are told right; "
        f"{verdict['wrong but safe']:.0f} are wrong on the safe side, {verdict['wrong and unsafe']:.0f} are not.\n"
    )
    return [
        "## Memory per GPU\n" + PROTOCOL + "\n" + HEAD,
        *(score.line() for score in scores["all"]),
        "\nBy class, family held out:\n\n" + HEAD,
        *(score.line() for score in scores["classes"]),
        "\nAs a user says it (network, method, tokens, length, precision, GPU, count):\n\n" + HEAD,
        *(score.line() for score in user_scores(peaks)),
        "\nOn the rows of the BLOOM sweep, beside others:\n",
        "| Rows | n | median % | mean % |\n| --- | ---: | ---: | ---: |",
        *peer_lines(folder, peaks, k),
        told,
    ]
