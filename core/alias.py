"""From a provider's words for an accelerator to our `gpu_id`, by the tables `sql/seeds/gpu_alias*.csv`.

Labels are stored verbatim with each offer and resolved when the ledger is written or its seeds change, so an
alias that is added later repairs history as well. The memory that an offer states is what a buyer gets: an
accelerator with another memory is another accelerator, and where none is known the offer stays unmapped.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from gpuledger.core import seeds
from gpuledger.core.errors import ConfigError, UnknownGPUError
from gpuledger.core.gpu import GPU, gpu, gpus

# Words for an accelerator taken apart: its name, form factor and memory, and whether they mean a part of
# a card.
#
# Providers, drivers and tools write one card in many ways (`NVIDIA H100 80GB HBM3`, `H100-SXM5-80GB`,
# `H100SXM`, `RTXPRO6000-WK`). Here is what they have in common; which card the words name is in the
# tables of `core.alias`.

_MAKERS = frozenset({"nvidia", "amd", "google", "aws", "geforce", "tesla", "instinct", "gpu", "accelerator"})
_DECORATION = frozenset(
    {
        *(
            "intel",
            "gpus",
            "card",
            "cards",
            "generation",
            "gen",
            "series",
            "edition",
            "server",
            "graphics",
            "mode",
        ),
        *("tensor", "core", "enterprise", "oam", "ac", "ts", "superchip", "vram", "memory"),
        *("hbm", "hbm2", "hbm2e", "hbm3", "hbm3e", "hbm4", "gddr5", "gddr6", "gddr6x", "gddr7"),
        *("pascal", "volta", "turing", "ampere", "hopper", "lovelace", "blackwell"),
    }
)
"""Words that add nothing to a name: kinds of memory, generations, editions that are the usual one."""
_FORMS = {
    **dict.fromkeys(("sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "sxm7", "hgx", "dgx"), "sxm"),
    **dict.fromkeys(("pcie", "pcie3", "pcie4", "pcie5", "fhfl"), "pcie"),
}
_JOINED_UNIT = re.compile(r"(\d)\s+(gb|gib)\b")
_SEPARATOR = re.compile(r"[^a-z0-9.+]+")
_MEMORY = re.compile(r"(\d{1,4}(?:\.\d+)?)(?:gb|gib|g|gi)")
# MIG 1g.24gb, 3g.20gb; a vGPU profile as A10-4Q, A100D-10C; 1/2 of a card
_PART = re.compile(
    r"\bmig\b|\b\d+g\.\d+gb\b|\bvgpu\b|\bslices?\b|\bfraction(al)?\b|\bgcd\b"
    r"|(?<![\d/])\d+\s*/\s*\d+(?![\d/])|\b[a-z]{1,3}\d+[a-z]{0,2}-\d+[qcab]\b"
)


def normalised_label(label: str) -> str:
    """Lower case, one space between words, makers and families left out: `NVIDIA H100 (80 GB SXM5)` becomes
    `h100 80gb sxm5`. Invisible characters and other spellings of letters and digits are resolved first."""
    words = _SEPARATOR.sub(" ", folded(label)).strip()
    words = _JOINED_UNIT.sub(r"\1gb", words)
    meaningful = [word for word in words.split() if word not in _MAKERS]
    return " ".join(meaningful) if meaningful else words


_LOOK_ALIKE = str.maketrans("авсеніјкморѕтухαβεηικμνορτυχζ", "abcehijkmopstyxabehikmnoptyxz")
"""Cyrillic and Greek letters whose capitals or small ones are drawn as Latin ones (Unicode TR 39, confusables)."""


def folded(label: str) -> str:
    """Unicode compatibility form (NFKC) without format characters, case folded, in Latin letters where it looks so."""
    if label.isascii():
        return label.casefold()
    plain = unicodedata.normalize("NFKC", label)
    visible = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    return visible.casefold().translate(_LOOK_ALIKE)


def joined_words(words: str) -> str:
    """The words written together, so that `RTX4080SUPER`, `RTX 4080-SUPER` and `RTX 4080 SUPER` are one."""
    return words.replace(" ", "").replace(".", "")


@dataclass(frozen=True)
class Label:
    """A label taken apart."""

    words: str
    """All of it, normalised."""
    name: str
    """What is left once form factor, memory and decoration are taken away."""
    form: str
    """`sxm` or `pcie`; empty where the label does not say."""
    memory_gib: Decimal | None
    """As the label states it, GB or GiB."""
    is_part: bool
    """A MIG instance, a vGPU profile, one die of two, or a fraction of a card."""


@lru_cache(maxsize=4096)
def read_label(text: str) -> Label:
    """Take a label apart. What the words do not say stays open; nothing is guessed."""
    words = normalised_label(text)
    names: list[str] = []
    form, memory = "", None
    for word in words.split():
        match = _MEMORY.fullmatch(word)
        if match and memory is None:
            memory = Decimal(match[1])
        elif word in _FORMS:
            form = _FORMS[word]
        elif word not in _DECORATION:
            names.append(word)
    return Label(words, " ".join(names) or words, form, memory, _PART.search(folded(text)) is not None)


MEMORY_TOLERANCE = Decimal("0.08")
"""Providers mix GB and GiB (7.4 % apart) and usable with physical memory."""

STATED_TOLERANCE = Decimal("0.02")
"""Of a memory that a row of the table names though the data sheet says otherwise: what of it drivers show."""


@dataclass(frozen=True)
class Alias:
    """One row of the table; an empty `provider` holds for all, a missing memory for any."""

    provider: str
    label: str
    memory_gib: Decimal | None
    gpu_id: str


@dataclass(frozen=True)
class Meaning:
    """What a label means: the accelerator, or why none."""

    gpu_id: str | None
    reason: str = ""


class Aliases:
    """The table, ready for lookups."""

    def __init__(self, rows: Iterable[Alias]) -> None:
        self._rows: dict[tuple[str, str], list[Alias]] = {}
        self._shown: dict[str, set[Decimal]] = {}
        for row in rows:
            self._rows.setdefault((row.provider, joined_words(normalised_label(row.label))), []).append(row)
            if row.memory_gib:
                self._shown.setdefault(row.gpu_id, set()).add(row.memory_gib)

    def resolve(self, provider: str, label: str, memory_gib: Decimal | None) -> str | None:
        """The `gpu_id`, or `None` when nobody has said what this label is; `meaning` has the reason."""
        return self.meaning(provider, label, memory_gib).gpu_id

    def meaning(self, provider: str, label: str, memory_gib: Decimal | None) -> Meaning:
        """The accelerator of a label, or why there is none.

        The whole label is looked up before its name without memory and form factor, the provider's own rows
        before general ones, and among either, those that name a memory. An accelerator whose memory is over
        8 % off the stated one gives way to one of the same name with that memory, or to none.

        Args:
            memory_gib: of one accelerator, as the offer states it.
        """
        seen = read_label(label)
        refusal = ""
        for rows, is_whole in self._ways(provider, seen, memory_gib):
            memory = memory_gib if is_whole else memory_gib or seen.memory_gib
            row_of_memory = self._of_memory(rows, memory, seen)
            if row_of_memory.gpu_id is not None:
                return row_of_memory
            refusal = refusal or row_of_memory.reason
        if seen.is_part:
            return Meaning(
                None, "a part of a card (MIG, vGPU, a fraction) that is no accelerator of its own here"
            )
        return Meaning(
            None, refusal or _contradiction(seen, memory_gib) or "no accelerator of the seeds has this name"
        )

    def named(self, words: str) -> tuple[Alias, ...]:
        """The general rows for a name, however it is parted into words."""
        return tuple(self._rows.get(("", joined_words(words)), ()))

    def names(self) -> Iterator[str]:
        """The names of the general rows, as they are written."""
        return (row.label for rows in self._rows.values() for row in rows if not row.provider)

    def _ways(
        self, provider: str, seen: Label, memory_gib: Decimal | None
    ) -> Iterator[tuple[list[Alias], bool]]:
        """Rows to try, and whether they stand under the whole label: then its name and form factor, and its name
        alone, unless it is of a part of a card or names another memory than the offer."""
        shorter = (f"{seen.name} {seen.form}".strip(), seen.name)
        can_be_shorter = not seen.is_part and not _contradiction(seen, memory_gib)
        for words in (seen.words, *(shorter if can_be_shorter else ())):
            for owner in (provider, "") if provider else ("",):
                rows = self._rows.get((owner, joined_words(words)))
                if rows:
                    yield rows, words == seen.words

    def _of_memory(self, rows: Iterable[Alias], memory_gib: Decimal | None, seen: Label) -> Meaning:
        """The row that fits the memory, held against the data sheet."""
        chosen = _chosen(rows, memory_gib)
        if chosen is None:
            sizes = " or ".join(
                _size(size) for size in sorted({row.memory_gib for row in rows if row.memory_gib})
            )
            stated = "none is stated" if memory_gib is None else f"{_size(memory_gib)} GiB are stated"
            return Meaning(None, f"it is sold with {sizes} GiB, and {stated}")
        card = gpus().get(chosen.gpu_id)
        if card is None:
            return Meaning(chosen.gpu_id)
        if seen.form and not read_label(chosen.label).form and card.form_factor not in (seen.form, "unknown"):
            return Meaning(None, f"{card.name} is not sold as {seen.form}")
        if memory_gib is None or card.memory_gib is None or self._is_shown(memory_gib, card):
            return Meaning(chosen.gpu_id)
        other = _sibling(card, memory_gib, seen)
        if other is not None:
            return Meaning(other.gpu_id)
        return Meaning(
            None,
            f"{_size(memory_gib)} GiB are stated, and {card.name} has {card.memory_gib:g}: "
            "another card, or a part of one",
        )

    def _is_shown(self, memory_gib: Decimal, card: GPU) -> bool:
        return agrees(memory_gib, Decimal(str(card.memory_gib))) or self.is_shown(memory_gib, card.gpu_id)

    def is_shown(self, memory_gib: Decimal, gpu_id: str) -> bool:
        """Whether a row of the table says that this accelerator is also sold as one of that memory."""
        shown = self._shown.get(gpu_id, ())
        return any(abs(memory_gib / size - 1) <= STATED_TOLERANCE for size in shown)


def _chosen(rows: Iterable[Alias], memory_gib: Decimal | None) -> Alias | None:
    for row in rows:
        if row.memory_gib and memory_gib and agrees(memory_gib, row.memory_gib):
            return row
    return next((row for row in rows if row.memory_gib is None), None)


def _contradiction(seen: Label, memory_gib: Decimal | None) -> str:
    if not seen.memory_gib or not memory_gib or agrees(memory_gib, seen.memory_gib):
        return ""
    return f"the label says {_size(seen.memory_gib)} GB, and {_size(memory_gib)} GiB are stated"


def _size(memory_gib: Decimal) -> str:
    return f"{memory_gib.normalize():f}"


def agrees(memory_gib: Decimal, nominal_gib: Decimal) -> bool:
    """Whether two sizes can be one memory, said in GB and in GiB, or with and without what a driver keeps."""
    return abs(memory_gib / nominal_gib - 1) <= MEMORY_TOLERANCE


def _sibling(card: GPU, memory_gib: Decimal, seen: Label) -> GPU | None:
    """The accelerator of the same name with that memory, if there is one; another form factor only where the
    label leaves it open and one alone is sold."""
    if _contradiction(seen, memory_gib):
        return None
    same = [
        other
        for other in gpus().values()
        if other.memory_gib
        and _model(other.gpu_id) == _model(card.gpu_id)
        and agrees(memory_gib, Decimal(str(other.memory_gib)))
    ]
    alike = [other for other in same if other.form_factor == card.form_factor]
    if len(alike) == 1:
        return alike[0]
    return same[0] if len(same) == 1 and not seen.form else None


_FORM_WORDS = frozenset({"sxm", "pcie", "nvl", "oam"})


def _model(gpu_id: str) -> str:
    """An id without form factor and memory: `a100` of `a100-sxm-80gb`."""
    words = [word for word in gpu_id.split("-") if not (word.endswith("gb") and word[:-2].isdigit())]
    return "-".join(word for word in words if word not in _FORM_WORDS)


def read_aliases(path: Path) -> list[Alias]:
    """Rows of a CSV with the columns provider, gpu_label, gpu_memory_gib, gpu_id, as an operator wrote it.

    Raises:
        ConfigError: it is no such file; names the file and the line.
    """
    try:
        rows = seeds.read_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return [_own_alias(path, number, row) for number, row in enumerate(rows, start=2)]


OWN_COLUMNS = ("provider", "gpu_label", "gpu_memory_gib", "gpu_id")


def _own_alias(path: Path, line: int, row: Mapping[str, str | None]) -> Alias:
    missing = [column for column in OWN_COLUMNS if row.get(column) is None]
    if missing:
        raise ConfigError(
            f"{path}, line {line}: no {', '.join(missing)}; the columns are {', '.join(OWN_COLUMNS)}, "
            "and `gpuledger alias LABEL GPU_ID` writes them"
        )
    full = {column: row[column] or "" for column in OWN_COLUMNS}
    if not full["gpu_label"].strip():
        raise ConfigError(f"{path}, line {line}: gpu_label is empty")
    try:
        alias = _alias(full)
    except InvalidOperation:
        raise ConfigError(
            f"{path}, line {line}: gpu_memory_gib is {full['gpu_memory_gib']!r}, not a number of GiB"
        ) from None
    try:
        gpu(alias.gpu_id)
    except UnknownGPUError as error:
        raise ConfigError(f"{path}, line {line}: {error}") from error
    return alias


def _alias(row: Mapping[str, str]) -> Alias:
    memory = row.get("gpu_memory_gib") or ""
    return Alias(row["provider"], row["gpu_label"], Decimal(memory) if memory else None, row["gpu_id"])


@lru_cache(maxsize=1)
def seed_rows() -> tuple[Alias, ...]:
    """The aliases that ship with the program, in the order of their files' names."""
    return tuple(_alias(row) for row in seeds.rows_of_all("gpu_alias"))


@lru_cache(maxsize=1)
def seed_aliases() -> Aliases:
    """The shipped aliases, ready for lookups."""
    return Aliases(seed_rows())
