"""Names of networks as people write them, to names of presets: hub ids (`meta-llama/Llama-3.1-8B-Instruct`), tags
(`llama3.1:8b`) and loose ones (`Llama 3 8B`).

A name is read as its words: runs of letters and numbers. Words that say who published it, for what it was tuned or how
it is packed do not change the architecture and are left out, the last first, until a preset has the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

_WORDS = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_PUBLISHERS = ("meta", "nousresearch", "unsloth", "the", "bloke")
_TUNED = (
    *("instruct", "chat", "it", "base", "hf", "pt", "cased", "uncased", "preview", "hd", "fp"),
    *("text", "bnb", "bit", "gguf", "awq", "gptq", "v", "latest", "model", "thinking", "q"),
)
_LONGEST = 120
OTHER_NAMES = {
    "bloom": "bloom-176b",
    "deepseek-llm-7b": "deepseek-7b",
    "deepseek-llm-67b": "deepseek-67b",
    "deepseek-r1": "deepseek-v3",
    "deepseek-r1-distill-llama-8b": "llama-3.1-8b",
    "deepseek-r1-distill-llama-70b": "llama-3.3-70b",
    "deepseek-r1-distill-qwen-7b": "qwen2.5-7b",
    "deepseek-r1-distill-qwen-14b": "qwen2.5-14b",
    "deepseek-r1-distill-qwen-32b": "qwen2.5-32b",
    "llama-4-scout-17b-16e": "llama-4-scout",
    "llama-4-maverick-17b-128e": "llama-4-maverick",
    "mistral-large": "mistral-large-2",
    "mistral-nemo": "mistral-nemo-12b",
    "olmo-2-1124-7b": "olmo-2-7b",
    "phi-3-mini-4k": "phi-3-mini",
    "phi-3-mini-128k": "phi-3-mini",
    "starcoder": "starcoderbase-15b",
    "starcoderbase": "starcoderbase-15b",
}
"""Names on hubs whose words are not those of the preset with the same shape (model cards, read 2026-11)."""


def _words(name: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(name.lower()))


@lru_cache(maxsize=8)
def _by_words(preset_names: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    others = {_words(name): preset for name, preset in OTHER_NAMES.items() if preset in preset_names}
    return others | {_words(name): name for name in preset_names}


def preset_named(name: str, preset_names: Iterable[str]) -> str | None:
    """The one of `preset_names` that a name means; `None` where none does."""
    names = tuple(preset_names)
    if name in names:
        return name
    presets = _by_words(names)
    words = list(_words(name[:_LONGEST].rpartition("/")[2]))
    while words and words[0] in _PUBLISHERS and tuple(words) not in presets:
        del words[0]
    while words and tuple(words) not in presets:
        if words[-1] in _TUNED or _is_edition(words):
            del words[-1]
            continue
        # a word in the middle, as in Mistral-7B-Instruct-v0.3 once its edition is gone
        place = next((at for at, word in enumerate(words) if word in ("instruct", "chat", "base")), None)
        if place is None:
            return None
        del words[place]
    return presets.get(tuple(words))


def _is_edition(words: list[str]) -> bool:
    """Whether the last word numbers an edition: `v0.3`, `2407`, `4bit`; never a size or a family's number."""
    last = words[-1]
    if not last[0].isdigit() or len(words) < 2:
        return False
    return words[-2] == "v" or (len(last) == 4 and last.isdigit()) or words[-2] == "bnb"


def nearest(name: str, preset_names: Iterable[str]) -> list[str]:
    """Up to three of `preset_names` that are spelt most like a name."""
    words = _words(name[:_LONGEST].rpartition("/")[2])
    folded, presets = "-".join(words), list(preset_names)
    of_family = [one for one in presets if words and _words(one)[: len(words)] == words]
    if of_family:
        # a family without its size
        return of_family[:3]
    by_spelling = {"-".join(_words(one)): one for one in presets}
    spellings = difflib.get_close_matches(folded, by_spelling, n=3, cutoff=0.6)
    return [by_spelling[one] for one in spellings]
