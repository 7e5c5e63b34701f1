"""SPEC, how people name accelerators on a command line: `[vendor:]NAME[:MEMORY][:COUNT]`.

`H100`, `H100-SXM:8`, `A100:80GB`, `A100-80GB`, `RTX4090`, `nvidia:24GB..80GB:1..8`, `A10,A100`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gpuledger.core.errors import UnknownGPUError, UsageError
from gpuledger.core.gpu import GPU, gpus

VENDORS = ("nvidia", "amd", "intel", "google", "aws")
MOST = 1_000_000
"""Bound of counts and sizes; larger ones are typing errors, and do not fit the ledger's columns."""

_MEMORY = re.compile(r"^(\d+(?:\.\d+)?)?(gb|gib)?(\.\.)?(?:(\d+(?:\.\d+)?)(gb|gib))?$")
_COUNT = re.compile(r"^(\d+)?(\.\.)?(\d+)?$")
_SIZE_TOKEN = re.compile(r"^\d+gb$")
# RTX4090, RTXPRO6000, RTXA6000, GTX1080: families that people write without a space
_RUN_TOGETHER = re.compile(r"^(rtx|gtx)-?(pro)?-?(a?\d{4})")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A SPEC, resolved: the ids that it means and the instance sizes that it allows."""

    text: str
    gpu_ids: tuple[str, ...]
    min_count: int | None = None
    max_count: int | None = None


def parse_spec(text: str) -> Spec:
    """Understand a SPEC.

    Raises:
        UnknownGPUError: no accelerator has that name; suggests the nearest.
        UsageError: a part is neither vendor, name, memory nor count.
    """
    parts = [part.strip() for part in text.split(":") if part.strip()]
    if not parts:
        raise UsageError(f"empty SPEC {text!r}; expected [vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8")
    chosen: list[GPU] = list(gpus().values())
    if parts[0].lower() in VENDORS:
        vendor = parts.pop(0).lower()
        chosen = [gpu for gpu in chosen if gpu.vendor == vendor]
    if parts and _range(parts[0]) is None:
        chosen = _named(parts.pop(0), chosen)
    bounds: dict[bool, tuple[float | None, float | None]] = {}
    for part in parts:
        understood = _range(part)
        if understood is None:
            raise UsageError(
                f"SPEC {text!r}: {part!r} is neither a memory (80GB, 24GB..80GB) nor a count (8, 1..8)"
            )
        is_memory, low, high = understood
        if is_memory in bounds:
            raise UsageError(f"SPEC {text!r}: {part!r} is a second {'memory' if is_memory else 'count'}")
        if not 0 < (1 if low is None else low) <= (MOST if high is None else high) <= MOST:
            raise UsageError(
                f"SPEC {text!r}: {part!r} must go from a lower to a higher bound, in 1 to {MOST}"
            )
        bounds[is_memory] = (low, high)
    low_count, high_count = bounds.get(False, (None, None))
    return Spec(
        text=text,
        gpu_ids=tuple(gpu.gpu_id for gpu in _of_memory(chosen, bounds.get(True, (None, None)))),
        min_count=None if low_count is None else int(low_count),
        max_count=None if high_count is None else int(high_count),
    )


def _range(part: str) -> tuple[bool, float | None, float | None] | None:
    """(is it a memory, lower bound, upper bound), or `None` for a name."""
    text = part.lower()
    found = _COUNT.match(text)
    if found and (found[1] or found[3]):
        low, dots, high = found[1], found[2], found[3]
        return False, float(low) if low else None, float(high or low) if (high or not dots) else None
    found = _MEMORY.match(text)
    if found and (found[2] or found[5]):
        low, dots, high = found[1], found[3], found[4]
        return True, float(low) if low else None, float(high or low) if (high or not dots) else None
    return None


def _of_memory(chosen: Iterable[GPU], bounds: tuple[float | None, float | None]) -> list[GPU]:
    low, high = bounds
    if low is None and high is None:
        return list(chosen)
    return [
        gpu
        for gpu in chosen
        if gpu.memory_gib is not None
        and (low is None or gpu.memory_gib >= low)
        and (high is None or gpu.memory_gib <= high)
    ]


def _named(names: str, chosen: list[GPU]) -> list[GPU]:
    found: dict[str, GPU] = {}
    wanted_names = [name for name in names.split(",") if name.strip()]
    if not wanted_names:
        raise UsageError(f"SPEC {names!r} names no accelerator")
    for name in wanted_names:
        wanted = slug(name)
        matches = [gpu for gpu in chosen if _means(wanted, gpu.gpu_id)]
        if not matches:
            known = sorted({*(gpu.gpu_id for gpu in chosen), *(_family(gpu.gpu_id) for gpu in chosen)})
            raise UnknownGPUError(name.strip(), difflib.get_close_matches(wanted, known, n=3, cutoff=0.5))
        found.update((gpu.gpu_id, gpu) for gpu in matches)
    return list(found.values())


def slug(name: str) -> str:
    """Lower case, words joined by hyphens; families that are written together are taken apart."""
    text = re.sub(r"[\s_/]+", "-", name.strip().lower())
    text = re.sub(r"-?(\d+)-?gi?b\b", r"-\1gb", text).strip("-")
    return _RUN_TOGETHER.sub(lambda part: "-".join(piece for piece in part.groups() if piece), text)


def _family(gpu_id: str) -> str:
    return "-".join(token for token in gpu_id.split("-") if not _SIZE_TOKEN.match(token))


def _means(wanted: str, gpu_id: str) -> bool:
    """Whether the wanted words begin the id; a memory at the end may skip the form factor."""
    tokens, has = wanted.split("-"), gpu_id.split("-")
    sizes = [token for token in tokens if _SIZE_TOKEN.match(token)]
    words = [token for token in tokens if token not in sizes]
    return has[: len(words)] == words and all(size in has for size in sizes)
