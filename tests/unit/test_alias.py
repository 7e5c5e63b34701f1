"""From a provider's words to an accelerator: which row of the table speaks."""

from decimal import Decimal
from pathlib import Path

import pytest

from gpuledger.core.alias import Alias, Aliases, normalised_label, read_aliases, seed_aliases, seed_rows
from gpuledger.core.gpu import gpus

SAME = {
    "NVIDIA H100 (80 GB SXM5)": "h100 80gb sxm5",
    "nvidia h100 80GB sxm5": "h100 80gb sxm5",
    "  H100  80 GiB  SXM5 ": "h100 80gb sxm5",
    "Tesla V100-SXM2": "v100 sxm2",
    "NVIDIA GeForce RTX 4090": "rtx 4090",
    "AMD Instinct MI300X OAM": "mi300x oam",
    "Google TPU v5e": "tpu v5e",
    "A16 (1/2)": "a16 1 2",
    "MIG 3g.20gb": "mig 3g.20gb",
    "GPU": "gpu",
    "NVIDIA": "nvidia",
}


@pytest.mark.parametrize(("label", "words"), SAME.items())
def test_a_label_is_compared_without_case_blanks_and_makers(label: str, words: str):
    assert normalised_label(label) == words


TABLE = Aliases(
    [
        Alias("", "A100", None, "a100"),
        Alias("", "A100", Decimal(80), "a100-80gb"),
        Alias("", "A100", Decimal(40), "a100-40gb"),
        Alias("gcp", "A100", None, "a100-sxm-40gb"),
        Alias("gcp", "A100", Decimal(80), "a100-sxm-80gb"),
        Alias("runpod", "A100", None, "a100-pcie-80gb"),
        Alias("vast", "only", Decimal(24), "rtx-4090-24gb"),
    ]
)
CASES: dict[str, tuple[str, str, str | None, str | None]] = {
    "a general row": ("lambda", "A100", None, "a100"),
    "a general row with that memory": ("lambda", "A100", "80", "a100-80gb"),
    "the other memory": ("lambda", "A100", "40", "a100-40gb"),
    "no row with that memory": ("lambda", "A100", "64", "a100"),
    "GB taken for GiB is within tolerance": ("lambda", "A100", "74.5", "a100-80gb"),
    "8 % is within tolerance": ("lambda", "A100", "86.4", "a100-80gb"),
    "more than 8 % is not": ("lambda", "A100", "86.5", "a100"),
    "the provider's own row goes before the general one": ("gcp", "NVIDIA A100", None, "a100-sxm-40gb"),
    "its row with the memory goes before its row without": ("gcp", "A100", "80", "a100-sxm-80gb"),
    "an own row goes before a general one with the memory": ("runpod", "A100", "79", "a100-pcie-80gb"),
    "the stated memory goes before the row": ("runpod", "A100", "40", "a100-pcie-40gb"),
    "no card has the stated memory": ("runpod", "A100", "60", "a100"),
    "a row with a memory says nothing about an unknown memory": ("vast", "only", None, None),
    "an unknown label": ("lambda", "B300", None, None),
    "a memory in the label counts as stated": ("lambda", "A100 80GB", None, "a100-80gb"),
    "memory and words in any order": ("lambda", "NVIDIA 80GB A100", None, "a100-80gb"),
    "a label that contradicts the offer": ("lambda", "A100 80GB", "40", None),
    "part of a card": ("lambda", "A100 MIG 1g.10gb", "10", None),
    "part of a label is no label": ("lambda", "A100 Turbo", None, None),
}


@pytest.mark.parametrize("why", CASES)
def test_the_most_telling_row_speaks(why: str):
    provider, label, memory, gpu_id = CASES[why]
    assert TABLE.resolve(provider, label, Decimal(memory) if memory else None) == gpu_id


def test_of_two_equal_rows_the_first_speaks():
    """So an operator's own file, which is read first, corrects the shipped one."""
    rows = [Alias("", "X", None, "own"), Alias("", "x", None, "shipped")]
    assert Aliases(rows).resolve("any", "X", None) == "own"


def test_an_unknown_form_factor_is_its_own_id_and_no_guess():
    assert seed_aliases().resolve("somebody", "H100", None) == "h100-80gb"


def test_a_table_is_read_from_csv(tmp_path: Path):
    path = tmp_path / "gpu_alias.csv"
    path.write_text('provider,gpu_label,gpu_memory_gib,gpu_id\n,"Card, new",24,l4-24gb\nvast,Card,,l4-24gb\n')
    assert read_aliases(path) == [
        Alias("", "Card, new", Decimal(24), "l4-24gb"),
        Alias("vast", "Card", None, "l4-24gb"),
    ]


def test_every_shipped_alias_names_a_known_accelerator():
    rows = seed_rows()
    assert len(rows) > 500
    assert {row.gpu_id for row in rows} <= set(gpus())


def test_no_two_shipped_rows_contradict_each_other():
    said: dict[tuple[str, str, Decimal | None], set[str]] = {}
    for row in seed_rows():
        said.setdefault((row.provider, normalised_label(row.label), row.memory_gib), set()).add(row.gpu_id)
    assert {key: ids for key, ids in said.items() if len(ids) > 1} == {}


def test_every_accelerator_is_known_by_its_own_id():
    assert {gpu_id: seed_aliases().resolve("", gpu_id, None) for gpu_id in gpus()} == {
        gpu_id: gpu_id for gpu_id in gpus()
    }
