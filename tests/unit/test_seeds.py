"""The one reader of `sql/seeds`, and the version over every value that an answer depends on."""

from __future__ import annotations

import pytest

from gpuledger.core import seeds
from gpuledger.core.gpu import gpu


@pytest.mark.parametrize("table", seeds.ANSWER_SEEDS)
def test_the_version_changes_with_each_value_of_each_table(table: str) -> None:
    rows = [dict(row) for row in seeds.rows(table)]
    versions = {seeds.table_checksum(table, rows)}
    changes = 0
    # Each version reads the whole table. A table of thousands of values changes one value a row and some 40 rows whole.
    whole = set(range(0, len(rows), max(1, len(rows) // 40)))
    for number, row in enumerate(rows):
        columns = list(row)
        for column in columns if number in whole else [columns[number % len(columns)]]:
            value = row[column]
            row[column] = value + "1"
            versions.add(seeds.table_checksum(table, rows))
            row[column] = value
            changes += 1
    assert len(versions) == changes + 1


def test_the_version_is_over_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds.constants_version.cache_clear()
    before, read = seeds.constants_version(), seeds.rows
    for table in seeds.ANSWER_SEEDS:
        seeds.constants_version.cache_clear()
        shortened = {name: read(name)[name == table :] for name in seeds.ANSWER_SEEDS}
        monkeypatch.setattr(seeds, "rows", shortened.__getitem__)
        assert seeds.constants_version() != before, table
    monkeypatch.undo()
    seeds.constants_version.cache_clear()


@pytest.mark.parametrize(
    ("gpu_id", "capability", "host"),
    [
        ("a100-sxm-80gb", (8, 0), "x86"),
        ("a800-sxm-80gb", (8, 0), "x86"),
        ("rtx-3090-24gb", (8, 6), "x86"),
        ("gh200-96gb", (9, 0), "arm"),
        ("rtx-5090-32gb", (12, 0), "x86"),
        ("t4g-16gb", (7, 5), "arm"),
        ("mi300x-192gb", None, "x86"),
    ],
)
def test_a_gpu_says_its_instruction_set_and_its_host(
    gpu_id: str, capability: tuple[int, int] | None, host: str
) -> None:
    assert (gpu(gpu_id).compute_capability, gpu(gpu_id).host_cpu) == (capability, host)
