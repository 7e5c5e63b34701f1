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
_DECORATION = re.compile(
    r"^(?:v?\d+(?:\.\d+)*-?bit|int[2-8]|fp(?:8|16|32)|bf16|mxfp4|nvfp4|w\d+a\d+|i?q[2-8](?:_\w+)*|quantized(?:\.\w+)*"
    r"|\d(?:\.\d+)?bpw|exl[23]|mlx|onnx|qat|unsloth|dynamic|marlin|aqlm|hqq|deduped|sft|dpo|v\d+(?:\.\d+)*|\d{4}|1m"
    rf"|{'|'.join(_TUNED)})$"
)
"""A part of a name that says how weights are packed or what they were tuned on, not what the network is."""
_BITS = re.compile(r"(?:^|[^a-z0-9])(?:(4|8)-?bit|int(4|8)|w(4|8)a\d+|(gptq|awq))(?=$|[^a-z0-9])")
OTHER_NAMES = {
    "bloom": "bloom-176b",
    "codellama-7b": "llama-2-7b",
    "codellama-13b": "llama-2-13b",
    "deepseek-llm-7b": "deepseek-7b",
    "deepseek-llm-67b": "deepseek-67b",
    "deepseek-r1": "deepseek-v3",
    "deepseek-v3.1": "deepseek-v3",
    "deepseek-r1-distill-llama-8b": "llama-3.1-8b",
    "deepseek-r1-distill-llama-70b": "llama-3.3-70b",
    "deepseek-r1-distill-qwen-7b": "qwen2.5-7b",
    "deepseek-r1-distill-qwen-14b": "qwen2.5-14b",
    "deepseek-r1-distill-qwen-32b": "qwen2.5-32b",
    "gemma-1.1-2b": "gemma-2b",
    "gemma-1.1-7b": "gemma-7b",
    "llama-4-scout-17b-16e": "llama-4-scout",
    "llama-4-maverick-17b-128e": "llama-4-maverick",
    "mistral-large": "mistral-large-2",
    "mistral-nemo": "mistral-nemo-12b",
    "olmo-2-1124-7b": "olmo-2-7b",
    "phi-3-mini-4k": "phi-3-mini",
    "phi-3-mini-128k": "phi-3-mini",
    "phi-3.5-mini": "phi-3-mini",
    **{f"qwen2.5-coder-{size}": f"qwen2.5-{size}" for size in ("0.5b", "1.5b", "3b", "7b", "14b", "32b")},
    **{f"qwen2.5-math-{size}": f"qwen2.5-{size}" for size in ("1.5b", "7b", "72b")},
    "qwen3-coder-30b-a3b": "qwen3-30b-a3b",
    "qwq-32b": "qwen2.5-32b",
    "starcoder": "starcoderbase-15b",
    "starcoderbase": "starcoderbase-15b",
    "vicuna-7b": "llama-2-7b",
    "vicuna-13b": "llama-2-13b",
    "zephyr-7b-beta": "mistral-7b",
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
    tail = _tail(name)
    return _with_words(list(_words(tail)), presets) or _with_words(list(_words(_undecorated(tail))), presets)


def stored_bits(name: str) -> int | None:
    """In how many bits the weights of a repository are stored, as its name says: 4, 8, or `None` where it does not."""
    words = _BITS.findall(_tail(name).lower())
    if not words:
        return None
    # repositories of GPTQ and AWQ hold 4 bits where they do not say otherwise (their model cards, read 2026-11)
    return next((int(bits) for groups in words for bits in groups[:3] if bits), 4)


def is_decorated(name: str, preset: str) -> bool:
    """Whether a name says more, or something else, than that of the preset."""
    return _words(_tail(name)) != _words(preset)


def _tail(name: str) -> str:
    """The repository's own name: without address, owner, branch and what follows it."""
    text = name.strip()[:_LONGEST].rstrip("/").partition("?")[0].partition("@")[0]
    parts = [part for part in text.split("/") if part]
    for place, part in enumerate(parts):
        if part.lower().removeprefix("www.") in ("huggingface.co", "hf.co") and len(parts) > place + 2:
            return parts[place + 2]
    return parts[-1] if parts else ""


def _undecorated(tail: str) -> str:
    parts = re.split(r"[-\s:]+", tail.lower())
    return "-".join(part for part in parts if not _DECORATION.match(part))


def _with_words(words: list[str], presets: dict[tuple[str, ...], str]) -> str | None:
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


def nearest_models(name: str, preset_names: Iterable[str]) -> list[str]:
    """Up to three of `preset_names` that a name may mean: those whose words it holds, or that hold its words, then
    those spelt most like it, then those of its family."""
    presets = list(preset_names)
    words = _words(_undecorated(_tail(name))) or _words(_tail(name))
    if not words:
        return []
    held = [one for one in presets if _holds(words, _words(one))]
    holding = [one for one in presets if _holds(_words(one), words)]
    folded = "-".join(words)
    by_spelling = {"-".join(_words(one)): one for one in presets}
    spelt = [by_spelling[one] for one in difflib.get_close_matches(folded, by_spelling, n=3, cutoff=0.6)]
    of_family = [one for one in presets if _words(one)[0] == words[0]]
    near = [*sorted(held, key=lambda one: -len(one)), *holding, *(spelt or of_family)]
    return list(dict.fromkeys(near))[:3]


def _holds(words: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether the others stand among the words, in their order."""
    rest = iter(words)
    return all(any(word == one for word in rest) for one in others)
