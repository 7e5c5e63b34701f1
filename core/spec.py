"""SPEC, how people name accelerators on a command line: `[vendor:]NAME[:MEMORY][:COUNT]`.

`H100`, `H100-SXM:8`, `A100:80GB`, `8xH100`, `4090`, `nvidia:24GB..80GB:1..8`, `A10,A100`. Names are those of the
accelerators and all that the alias table knows, however they are parted into words. A part of a card (MIG, one of
two dies, a fraction as in `A10:1/2`) is meant only where it is asked for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gpuledger.core.alias import folded, read_label
from gpuledger.core.errors import UnknownGPUError, UsageError
from gpuledger.core.gpu import GPU, gpus

VENDORS = ("nvidia", "amd", "intel", "google", "aws")
MOST = 1_000_000
"""Bound of counts and sizes; larger ones are typing errors, and do not fit the ledger's columns."""

MOST_PER_INSTANCE = 16
"""More whole GPUs than this share an instance only in a rack (36 and 72 GB200); a larger number that is the
memory of the card is a memory without its unit."""

PARTS = frozenset({"mig", "gcd"})
"""Form factors of parts of a card."""

_MEMORY = re.compile(r"^(\d+(?:\.\d+)?)?(gb|gib)?(\.\.)?(?:(\d+(?:\.\d+)?)(gb|gib))?$")
_COUNT = re.compile(r"^(\d+)?(\.\.)?(\d+)?$")
_FRACTION = re.compile(r"^(?:(\d+)/(\d+)|(0?\.\d+))$")
_SIZE_TOKEN = re.compile(r"^\d+gb$")
_TIMES = re.compile(
    r"^(?:(?P<count>\d{1,3})\s*[x×]\s*(?P<name>.+)|(?P<name_first>.+?)\s+[x×]\s*(?P<count_last>\d{1,3}))$",
    re.I,
)
# RTX4090, RTXPRO6000, RTXA6000, GTX1080: families that people write without a space
_RUN_TOGETHER = re.compile(r"^(rtx|gtx)-?(pro)?-?(a?\d{4})")
# RTX 4000, 5000 and 6000 are on cards of three generations; the alias table, which takes time to read, knows which
_SEVERAL_CARDS = re.compile(r"(rtx-)?[456]000")
_VARIANTS = frozenset({"sxm", "pcie", "nvl", "oam", "workstation", "max", "q"})
"""Words after a card's name that tell its boards apart; others (`ti`, `ada`, `d`, `mig`) name another card."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A SPEC, resolved: the ids that it means and the instance sizes that it allows."""

    text: str
    gpu_ids: tuple[str, ...]
    min_count: float | None = None
    """At least one whole card, unless a part was asked for (`A10:1/2`)."""
    max_count: float | None = None


@dataclass(frozen=True)
class _Range:
    is_memory: bool
    low: float | None
    high: float | None
    is_part: bool = False


def parse_spec(text: str) -> Spec:
    """Understand a SPEC.

    Raises:
        UnknownGPUError: no accelerator has that name; suggests the nearest.
        UsageError: a part is neither vendor, name, memory nor count, or a name means different cards.
    """
    parts = [part.strip() for part in text.split(":") if part.strip()]
    if not parts:
        raise UsageError(f"empty SPEC {text!r}; expected [vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8")
    chosen: list[GPU] = list(gpus().values())
    if folded(parts[0]) in VENDORS:
        vendor = folded(parts.pop(0))
        chosen = [gpu for gpu in chosen if gpu.vendor == vendor]
    name = ""
    if parts and (_range(parts[0]) is None or _is_card_number(parts[0])):
        name, counts = _without_count(parts.pop(0))
        parts += counts
    bounds = _bounds(parts, text)
    memory, count = bounds.get(True), bounds.get(False)
    sized = _of_memory(memory)
    meant = _named(name, chosen, sized, is_sized=memory is not None) if name else sized(_whole(chosen))
    if count is not None and name:
        _refuse_memory_as_count(count, meant, name)
    return Spec(
        text=text,
        gpu_ids=tuple(gpu.gpu_id for gpu in meant),
        min_count=1 if count is None or count.low is None else count.low,
        max_count=None if count is None else count.high,
    )


def _bounds(parts: Iterable[str], text: str) -> dict[bool, _Range]:
    bounds: dict[bool, _Range] = {}
    for part in parts:
        understood = _range(part)
        if understood is None:
            raise UsageError(
                f"SPEC {text!r}: {part!r} is neither a memory (80GB, 24GB..80GB) nor a count (8, 1..8, 1/2)"
            )
        is_memory, low, high = understood.is_memory, understood.low, understood.high
        if is_memory in bounds:
            raise UsageError(f"SPEC {text!r}: {part!r} is a second {'memory' if is_memory else 'count'}")
        if (
            not understood.is_part
            and not 0 < (1 if low is None else low) <= (MOST if high is None else high) <= MOST
        ):
            raise UsageError(
                f"SPEC {text!r}: {part!r} must go from a lower to a higher bound, in 1 to {MOST}"
            )
        bounds[is_memory] = understood
    return bounds


def _range(part: str) -> _Range | None:
    """A memory or a count with its bounds, or `None` for a name."""
    text = folded(part)
    match = _FRACTION.match(text)
    if match:
        from fractions import Fraction

        share = float(Fraction(int(match[1]), int(match[2]) or 1) if match[1] else Fraction(match[3]))
        return _Range(False, share * 0.99, share * 1.01, is_part=True) if share < 1 else None
    match = _COUNT.match(text)
    if match and (match[1] or match[3]):
        low, dots, high = match[1], match[2], match[3]
        return _Range(False, float(low) if low else None, float(high or low) if (high or not dots) else None)
    match = _MEMORY.match(text)
    if match and (match[2] or match[5]):
        low, dots, high = match[1], match[3], match[4]
        return _Range(True, float(low) if low else None, float(high or low) if (high or not dots) else None)
    return None


def _is_card_number(part: str) -> bool:
    """Whether a number can be what a card is called (4090, 5090, 6000): no instance has so many."""
    return len(part) == 4 and part.isdigit()


def _without_count(name: str) -> tuple[str, list[str]]:
    """`8xH100` and `H100 x8` as name and count."""
    match = _TIMES.match(name)
    if match is None:
        return name, []
    return match["name"] or match["name_first"], [match["count"] or match["count_last"]]


def _refuse_memory_as_count(count: _Range, meant: Sequence[GPU], name: str) -> None:
    """A number of GPUs that no instance has and that is the memory of the card."""
    number = count.low
    if number is None or number != count.high or number <= MOST_PER_INSTANCE:
        return
    if any(gpu.vendor != "google" and gpu.memory_gib and _agrees(number, gpu) for gpu in meant):
        size = f"{name.upper()}:{number:g}"
        raise UsageError(f"SPEC: no instance has {number:g} GPUs of {name.upper()}; did you mean {size}GB?")


def _agrees(memory_gib: float, gpu: GPU) -> bool:
    from gpuledger.core.alias import agrees, seed_aliases

    size = Decimal(str(memory_gib))
    if gpu.memory_gib is None:
        return False
    return agrees(size, Decimal(str(gpu.memory_gib))) or seed_aliases().is_shown(size, gpu.gpu_id)


def _of_memory(bounds: _Range | None) -> Callable[[Iterable[GPU]], list[GPU]]:
    """Those within the bounds; one size means the card that is sold as that, in GB or GiB or as drivers show it."""
    if bounds is None:
        return list
    low, high = bounds.low, bounds.high

    def exact(gpu: GPU) -> bool:
        return gpu.memory_gib is not None and low is not None and _agrees(low, gpu)

    def within(gpu: GPU) -> bool:
        return (
            gpu.memory_gib is not None
            and (low is None or gpu.memory_gib >= low)
            and (high is None or gpu.memory_gib <= high)
        )

    fits = exact if low is not None and low == high else within
    return lambda chosen: [gpu for gpu in chosen if fits(gpu)]


def gpu_ids_named(name: str) -> tuple[str, ...]:
    """All accelerators that a name may mean, different cards included; empty where none has it."""
    return tuple(gpu.gpu_id for gpu in _meant(name, list(gpus().values()), is_sized=False))


def _whole(chosen: Iterable[GPU]) -> list[GPU]:
    return [gpu for gpu in chosen if gpu.form_factor not in PARTS]


def _named(
    names: str, chosen: list[GPU], sized: Callable[[Iterable[GPU]], list[GPU]], *, is_sized: bool
) -> list[GPU]:
    cards: dict[str, GPU] = {}
    parts = [name.strip() for name in names.split(",") if name.strip()]
    if not parts:
        raise UsageError(f"SPEC {names!r} names no accelerator")
    for name in parts:
        meant = _meant(name, chosen, is_sized=is_sized)
        if not meant:
            raise UnknownGPUError(name, _nearest(slug(name), chosen))
        fitting = sized(meant)
        if is_sized and not fitting:
            sizes = sorted({gpu.memory_gib for gpu in meant if gpu.memory_gib})
            raise UsageError(
                f"SPEC: {name.upper()} has {' or '.join(f'{size:g}' for size in sizes)} GiB here, not that memory"
            )
        if len({gpu.architecture for gpu in fitting}) > 1:
            _refuse_ambiguous(name, fitting)
        cards.update((gpu.gpu_id, gpu) for gpu in fitting)
    return list(cards.values())


def _refuse_ambiguous(name: str, meant: Sequence[GPU]) -> None:
    choices = ", ".join(f"{gpu.gpu_id} ({gpu.name})" for gpu in meant[:6])
    if len(meant) > 6:
        choices += f" and {len(meant) - 6} more"
    raise UsageError(f"SPEC: {name.upper()} is the name of different cards: {choices}; say which")


def _meant(name: str, chosen: list[GPU], *, is_sized: bool) -> list[GPU]:
    """Accelerators that a name means: by the words of their ids, by the alias table, and by the words that an
    id begins with, in this order; the first two together, since one name may be on two cards."""
    words = slug(name)
    wants_part = any(part in words.split("-") for part in PARTS)
    cards = chosen if wants_part else _whole(chosen)
    by_id = {gpu.gpu_id: gpu for gpu in chosen}
    exact = [gpu for gpu in cards if _is_named(words, gpu.gpu_id)]
    if exact and not is_sized and not _SEVERAL_CARDS.fullmatch(words):
        return exact
    aliased = [by_id[gpu_id] for gpu_id in _aliased(name, is_sized=is_sized) if gpu_id in by_id]
    candidates = exact + [
        gpu for gpu in aliased if gpu not in exact and (wants_part or gpu in cards or is_sized)
    ]
    if candidates:
        return candidates
    return [gpu for gpu in cards if _begins(words, gpu.gpu_id)] or _numbered(words, cards)


def _aliased(name: str, *, is_sized: bool) -> list[str]:
    """Ids that the alias table has under a name. Cards that others refitted are meant with their memory alone."""
    from gpuledger.core.alias import seed_aliases

    aliases = seed_aliases()
    seen = read_label(name)
    rows = [
        *aliases.named(seen.words),
        *aliases.named(f"{seen.name} {seen.form}".strip() if not seen.is_part else seen.words),
    ]
    whole = aliases.resolve("", name, None)
    ids = [whole] if whole and seen.memory_gib else [row.gpu_id for row in rows] + ([whole] if whole else [])
    return [gpu_id for gpu_id in dict.fromkeys(ids) if is_sized or seen.memory_gib or "-refit-" not in gpu_id]


def _nearest(words: str, chosen: Sequence[GPU]) -> list[str]:
    names_of_cards = sorted({*(gpu.gpu_id for gpu in chosen), *(_family(gpu.gpu_id) for gpu in chosen)})
    return difflib.get_close_matches(words, names_of_cards, n=3, cutoff=0.5)


def slug(name: str) -> str:
    """Lower case, words joined by hyphens, makers left out; families that are written together are taken apart."""
    text = re.sub(r"[\s_/()]+", "-", folded(name).strip())
    text = re.sub(r"-?(\d+)-?gi?b\b", r"-\1gb", text).strip("-")
    text = re.sub(r"^(?:(?:nvidia|amd|geforce|tesla|instinct)-)+(?=.)", "", text)
    return _RUN_TOGETHER.sub(lambda part: "-".join(piece for piece in part.groups() if piece), text)


def _family(gpu_id: str) -> str:
    return "-".join(token for token in gpu_id.split("-") if not _SIZE_TOKEN.match(token))


def _is_named(words: str, gpu_id: str) -> bool:
    """Whether the words are the id, or what it has more are a form factor, a board or its memory."""
    rest = _rest(words, gpu_id)
    return rest is not None and all(word in _VARIANTS or _SIZE_TOKEN.match(word) for word in rest)


def _begins(words: str, gpu_id: str) -> bool:
    """Whether the words begin the id; a memory at the end may skip the form factor."""
    return _rest(words, gpu_id) is not None


def _rest(words: str, gpu_id: str) -> list[str] | None:
    tokens, has = words.split("-"), gpu_id.split("-")
    sizes = [token for token in tokens if _SIZE_TOKEN.match(token)]
    names = [token for token in tokens if token not in sizes]
    if has[: len(names)] == names and all(size in has for size in sizes):
        return has[len(names) :]
    return None


def _numbered(words: str, cards: Iterable[GPU]) -> list[GPU]:
    """Cards by their number alone: `4090` is the RTX 4090 and not the 4090 D; `3090ti`, `4080-super`."""
    match = re.match(r"^(\d{4})-?(.*)$", words)
    if match is None:
        return []
    number = "-".join(piece for piece in match.groups() if piece)
    return [gpu for gpu in cards if any(_is_named(f"{line}-{number}", gpu.gpu_id) for line in _LINES)]


_LINES = ("rtx", "gtx", "rtx-pro", "quadro-rtx")
