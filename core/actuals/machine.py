"""Which machine a charge names: from a bill's words to instance type, accelerator and count.

Bills name machines in a column of their own (`p5.48xlarge`), inside a meter (`USE1-BoxUsage:p5.48xlarge`,
`ND96isr H100 v5 Spot`), or as the accelerator alone (`Nvidia H100 80GB GPU attached to Spot Preemptible VMs`). The
machines are those of the ledger's offers and of the seeds; a word is a machine's name whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpuledger.core.alias import seed_aliases

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*")
_SPOT = re.compile(r"\b(spot|preemptible|low priority|interruptible)\b|spotusage", re.IGNORECASE)
_CARD = re.compile(
    r"\b(?:nvidia|tesla|amd)[ -]+([a-z]{1,3}\d{1,4}[a-z]{0,2}(?:[ -](?:sxm\d?|pcie|nvl))?(?:[ -]\d+ ?gb)?)\b"
    r"|\b([abhlv]\d{2,3}[a-z]?|gb[23]00|mi3\d{2}x|t4|rtx ?\d{4})\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BilledMachine:
    """What a charge was for; `gpu_count` is `None` where the bill counts accelerators itself, or nobody does."""

    instance_type: str | None
    gpu_id: str | None
    gpu_count: float | None


NONE = BilledMachine(None, None, None)


def squeezed_type(name: str) -> str:
    """`Standard_ND96isr_H100_v5` and `ND96isr H100 v5 Spot` are one."""
    name = re.sub(r"^standard[_ ]", "", name.strip(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\b(spot|low priority)\b", "", name, flags=re.IGNORECASE).lower())


class Machines:
    """The machines of the ledger, ready for a bill's words."""

    def __init__(self, rows: Iterable[tuple[str, str, str | None, float | None]]) -> None:
        """Args:
        rows: provider, instance type or product code, `gpu_id`, accelerators in one.
        """
        self._by_name: dict[tuple[str, str], BilledMachine] = {}
        for provider, name, gpu_id, count in rows:
            key = provider, squeezed_type(name)
            if key[1]:
                self._by_name.setdefault(key, BilledMachine(name, gpu_id, count))

    def named(self, provider: str, texts: Sequence[str | None]) -> BilledMachine:
        """The machine that the first of these texts names: whole, then by a word inside, then the accelerator alone."""
        inputs = [text for text in texts if text]
        for text in inputs:
            machine = self._by_name.get((provider, squeezed_type(text)))
            if machine is not None:
                return machine
        for text in inputs:
            for word in _WORD.findall(text):
                machine = self._by_name.get((provider, squeezed_type(word)))
                # one letter or number alone is no name
                if machine is not None and len(word) > 3 and re.search(r"\d", word):
                    return machine
        for text in inputs:
            gpu_id = _card(provider, text)
            if gpu_id is not None:
                return BilledMachine(None, gpu_id, None)
        return NONE


def _card(provider: str, text: str) -> str | None:
    aliases = seed_aliases()
    whole = aliases.resolve(provider, text, None)
    if whole is not None:
        return whole
    for match in _CARD.finditer(text):
        for words in (match.group(0), match.group(1) or match.group(2)):
            gpu_id = aliases.resolve(provider, words.strip(), None)
            if gpu_id is not None:
                return gpu_id
    return None


def is_spot(texts: Iterable[str | None]) -> bool:
    """Whether a bill's words say that the machine could be taken away."""
    return any(text is not None and _SPOT.search(text) for text in texts)


def rows_of(offers: Iterable[Mapping[str, object]]) -> list[tuple[str, str, str | None, float | None]]:
    """Rows for `Machines` from offers with `provider instance_type sku gpu_id gpu_count`."""
    out: list[tuple[str, str, str | None, float | None]] = []
    for row in offers:
        count = row["gpu_count"]
        for name in (row["instance_type"], row["sku"]):
            if name:
                gpu_id = None if row["gpu_id"] is None else str(row["gpu_id"])
                out.append(
                    (str(row["provider"]), str(name), gpu_id, None if count is None else float(str(count)))
                )
    return out
