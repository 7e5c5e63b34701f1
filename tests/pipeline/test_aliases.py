"""From a label that nobody knows to one that is mapped, in the past as well, without a replay."""

import csv
from dataclasses import replace

import pytest

from gpuledger.core.alias import read_aliases
from gpuledger.core.errors import ConfigError, UnknownGPUError
from gpuledger.core.gpu import gpus
from gpuledger.core.store.offers import unmapped_labels
from gpuledger.core.store.publish import reading
from gpuledger.flows.aliases import add_alias

UNKNOWN = "HyperChip 9000"


@pytest.fixture
def unknown(world, listing):
    """Two runs of a provider whose words for one of three GPUs are unknown."""
    (source,) = world.ledger.sources

    def parse(document):
        for fact in source.parse(document):
            yield fact.model_copy(update={"gpu_label": UNKNOWN}) if fact.sku == "c" else fact

    world.ledger = replace(world.ledger, sources=(replace(source, parse=parse),))
    world.refresh(listing(a=2.5, b=3, c=1.5))
    world.refresh(listing(a=2.5, b=3, c=1.7))
    return world


def unmapped(world) -> list[dict]:
    with reading(world.ledger.home) as connection:
        return unmapped_labels(connection)


def test_an_unknown_label_is_listed_with_its_price(unknown):
    (row,) = unmapped(unknown)
    assert (row["provider"], row["gpu_label"], row["offers"]) == ("runpod", UNKNOWN, 1)
    assert (str(row["usd_per_gpu_hour_min"]), str(row["usd_per_gpu_hour_max"])) == ("1.700000", "1.700000")
    assert row["reason"] == "no accelerator of the seeds has this name"


def test_an_alias_maps_the_offers_of_all_times_at_once(unknown):
    report = add_alias(unknown.ledger, UNKNOWN, "h200-sxm-141gb", provider="runpod", memory_gib=None)
    assert (report.offers, report.snapshot) == (1, 3)
    assert unmapped(unknown) == []
    history = "select amount::double from price_history where gpu_id = 'h200-sxm-141gb' order by valid_from"
    assert unknown.rows(history) == [(1.5,), (1.7,)]


def test_an_alias_outlives_the_next_refresh(unknown):
    add_alias(unknown.ledger, UNKNOWN, "h200-sxm-141gb", provider="", memory_gib=None)
    unknown.refresh()
    assert unmapped(unknown) == []


@pytest.mark.deep
def test_what_is_said_again_takes_the_place_of_what_was_said(unknown):
    for gpu_id in ("h200-sxm-141gb", "b200-sxm-180gb"):
        report = add_alias(unknown.ledger, "hyperchip 9000", gpu_id, provider="runpod", memory_gib=None)
        assert report.offers == 1
    path = unknown.ledger.home.path / "gpu_alias.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["provider"], row["gpu_label"], row["gpu_id"]) for row in rows] == [
        ("runpod", "hyperchip 9000", "b200-sxm-180gb")
    ]


def test_a_gpu_that_does_not_exist_changes_nothing(unknown):
    assert "h100-sxm-81gb" not in gpus()
    with pytest.raises(UnknownGPUError, match="h100-sxm-80gb"):
        add_alias(unknown.ledger, UNKNOWN, "h100-sxm-81gb", provider="", memory_gib=None)
    assert not (unknown.ledger.home.path / "gpu_alias.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n", "line 2: no provider, gpu_label, gpu_memory_gib, gpu_id; the columns are"),
        ("provider,gpu_label,gpu_memory_gib,gpu_id\na\n", "line 2: no gpu_label"),
        ("provider,gpu_label,gpu_memory_gib,gpu_id\n, ,,h100-sxm-80gb\n", "line 2: gpu_label is empty"),
        (
            "provider,gpu_label,gpu_memory_gib,gpu_id\n,X,many,h100-sxm-80gb\n",
            "is 'many', not a number of GiB",
        ),
        ("provider,gpu_label,gpu_memory_gib,gpu_id\n,X,,h999\n", "line 2: .*h999"),
        ("\udcff", "cannot be read"),
    ],
    ids=["columns", "short row", "no label", "memory", "accelerator", "bytes"],
)
def test_a_file_of_aliases_that_is_wrong_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "gpu_alias.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=message):
        read_aliases(path)
