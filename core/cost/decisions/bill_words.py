"""What the lines of a bill or of somebody's own table are called, and which line of a quote that is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_TOTAL = re.compile(r"(grand |sub)?total( (usd|cost|costs|amount|due))?|sum|balance due")
_STORAGE = ("checkpoint_storage", "dataset_storage", "storage")
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"egress|outbound|(transfer|traffic|bandwidth|data) out|out to internet|bandwidth", ("egress",)),
    (r"ingress|inbound|(transfer|traffic|data) in\b", ("dataset_transfer_in",)),
    (r"checkpoints?", ("checkpoint_storage",)),
    (r"storage|disks?|volumes?|buckets?|ebs|s3|blob|snapshots?|block device|file ?system", _STORAGE),
    (r"interruptions?|preempt\w*|evictions?", ("expected_interruptions",)),
    (r"sweeps?|hyper-?parameters?", ("hyperparameter_sweep",)),
    (r"failed|crash\w*", ("failed_runs",)),
    (r"experiments?|trials?|ablations?", ("experiments",)),
    (r"idle", ("idle_time",)),
    (r"commitments?|reservation fees?|unused reserv\w*", ("unused_commitment",)),
    (r"credits?|promotion\w*|voucher\w*", ("credit",)),
    (r"discounts?|rebates?", ("discount", "contracted_rate")),
    (r"people|salar\w+|staff|wages?|payroll|personnel|engineers?|contractors?|labou?r", ("people",)),
    (r"label\w*|annotat\w+", ("labels",)),
    (r"safety|red[ -]?team\w*", ("safety",)),
    (r"teacher|distill\w*", ("teacher",)),
    (r"hosting|serving|inference|endpoints?", ("hosting",)),
    (r"data ?sets?|data|corpus|licen[cs]ed? data", ("data",)),
    (r"network\w*|vpc|nat|load balancers?", ("network",)),
    (
        r"gpus?|compute|instances?|ec2|vms?|virtual machines?|pods?|rentals?|accelerators?|servers?|nodes?|tpus?"
        r"|[abhlvt]\d{2,3}s?|machines?",
        ("gpu_time",),
    ),
)
"""Patterns of whole words, the first that is in a name decides; the lines that they may mean."""
_PATTERNS = tuple((re.compile(rf"\b(?:{words})\b"), lines) for words, lines in _WORDS)


def is_total(name: str) -> bool:
    """Whether a row sums up the others, so that it must not be added to them."""
    return bool(_TOTAL.fullmatch(_plain(name)))


def quote_line(name: str, planned: Collection[str]) -> str | None:
    """The planned line that a name means; `None` where it means none of them, or could mean several.

    Args:
        planned: names of the lines that the quote has dollars for.
    """
    words = _plain(name)
    exact = words.replace(" ", "_")
    if exact in planned:
        return exact
    for pattern, lines in _PATTERNS:
        if pattern.search(words):
            meant = [line for line in lines if line in planned]
            return meant[0] if len(meant) == 1 else None
    return None


def by_quote_line(names: Iterable[str], planned: Collection[str]) -> dict[str, list[str]]:
    """The names of a bill by the line that they mean; a name that means no planned line stands for itself."""
    result: dict[str, list[str]] = {}
    for name in names:
        result.setdefault(quote_line(name, planned) or name, []).append(name)
    return result


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9]+", " ", name.casefold()).split())
