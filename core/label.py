"""Words for an accelerator taken apart: its name, form factor and memory, and whether they mean a part of a card.

Providers, drivers and tools write one card in many ways (`NVIDIA H100 80GB HBM3`, `H100-SXM5-80GB`, `H100SXM`,
`RTXPRO6000-WK`). Here is what they have in common; which card the words name is in the tables of `core.alias`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

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


def normalised(label: str) -> str:
    """Lower case, one space between words, makers and families left out: `NVIDIA H100 (80 GB SXM5)` becomes
    `h100 80gb sxm5`. Invisible characters and other spellings of letters and digits are resolved first."""
    words = _SEPARATOR.sub(" ", folded(label)).strip()
    words = _JOINED_UNIT.sub(r"\1gb", words)
    kept = [word for word in words.split() if word not in _MAKERS]
    return " ".join(kept) if kept else words


_LOOK_ALIKE = str.maketrans("авсеніјкморѕтухαβεηικμνορτυχζ", "abcehijkmopstyxabehikmnoptyxz")
"""Cyrillic and Greek letters whose capitals or small ones are drawn as Latin ones (Unicode TR 39, confusables)."""


def folded(label: str) -> str:
    """Unicode compatibility form (NFKC) without format characters, case folded, in Latin letters where it looks so."""
    if label.isascii():
        return label.casefold()
    plain = unicodedata.normalize("NFKC", label)
    visible = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    return visible.casefold().translate(_LOOK_ALIKE)


def joined(words: str) -> str:
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
    words = normalised(text)
    names: list[str] = []
    form, memory = "", None
    for word in words.split():
        found = _MEMORY.fullmatch(word)
        if found and memory is None:
            memory = Decimal(found[1])
        elif word in _FORMS:
            form = _FORMS[word]
        elif word not in _DECORATION:
            names.append(word)
    return Label(words, " ".join(names) or words, form, memory, _PART.search(folded(text)) is not None)
