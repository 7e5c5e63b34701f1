"""Accelerators and providers under the names that other programs have for them."""

from __future__ import annotations

from typing import Any

SKYPILOT_CLOUDS = {"digitalocean": "do", "prime_intellect": "primeintellect"}
GPUHUNT_PROVIDERS = {"lambda": "lambdalabs", "vast": "vastai"}

VENDORS = {"nvidia": "nvidia", "amd": "amd", "google": "google", "intel": "intel"}
"""Vendors that gpuhunt knows; it reads no offer of another one."""

# chips that are sold with several memories: the one that SkyPilot does not name
_PLAIN_MEMORY = {"A100": "40", "V100": "16", "H100": "80", "A10": "24", "GH200": "96", "H20": "96"}
_WORDS = {"rtx": "RTX", "ti": "Ti", "super": "Super", "pro": "PRO", "ada": "Ada", "gaudi": "Gaudi"}


def chip(gpu_id: str) -> tuple[str, str, str]:
    """Chip, form factor and memory of an id: `h100-sxm-80gb` is `H100`, `sxm`, `80`."""
    words = gpu_id.split("-")
    memory = words.pop().removesuffix("gb") if words[-1].endswith("gb") else ""
    form = words.pop() if len(words) > 1 and words[-1] in {"sxm", "pcie", "nvl", "oam"} else ""
    return "-".join(_WORDS.get(word, word.upper()) for word in words), form, memory


def skypilot_name(gpu_id: str) -> str:
    """SkyPilot's accelerator: `A100-80GB`, `H100`, `RTX4090`; it does not tell form factors apart but for NVL."""
    name, form, memory = chip(gpu_id)
    if name.startswith("RTX-") and name[4:5].isdigit():
        name = name.replace("RTX-", "RTX", 1)
    if memory and memory != _PLAIN_MEMORY.get(name, memory):
        name = f"{name}-{memory}GB"
    return f"{name}-NVL" if form == "nvl" else name


_GPUHUNT_TPUS = {"V5E": "v5litepod"}


def gpuhunt_name(gpu_id: str) -> str:
    """gpuhunt's `gpu_name`: the chip alone, its memory is a column. It knows what a card can by these names."""
    name, form, _ = chip(gpu_id)
    words = name.split("-")
    if words[0] == "TPU":
        return _GPUHUNT_TPUS.get(words[1], words[1].lower())
    if words[0] == "RTX" and words[1][:1] == "A":
        words = words[1:]
    plain = "".join(words).replace("Super", "SUPER").replace("GAUDI", "Gaudi")
    return f"{plain}NVL" if form == "nvl" else plain


def count_of(row: dict[str, Any]) -> int | None:
    """Whole accelerators of an offer; `None` for parts of one."""
    count = row["gpu_count"]
    return int(count) if count == int(count) else None
