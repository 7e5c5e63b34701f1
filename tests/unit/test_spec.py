"""SPEC: how people name accelerators on a command line."""

import pytest

from gpuledger.core.errors import UnknownGPUError, UsageError
from gpuledger.core.gpu import gpus
from gpuledger.core.spec import parse_spec, slug

H100 = {"h100-sxm-80gb", "h100-pcie-80gb", "h100-nvl-94gb", "h100-80gb"}
ALL_80GB = {"h100-sxm-80gb", "h100-pcie-80gb", "h100-80gb"}

NAMES: dict[str, set[str]] = {
    "H100": H100,
    "h100": H100,
    "  H100 ": H100,
    "nvidia:H100": H100,
    "NVIDIA:H100": H100,
    "H100-SXM": {"h100-sxm-80gb"},
    "H100 SXM": {"h100-sxm-80gb"},
    "H100_SXM": {"h100-sxm-80gb"},
    "h100-sxm-80gb": {"h100-sxm-80gb"},
    "H100:80GB": ALL_80GB,
    "H100:80GiB": ALL_80GB,
    "H100-80GB": ALL_80GB,
    "H100 80 GB": ALL_80GB,
    "H100:90GB..": {"h100-nvl-94gb"},
    "H100:..80GB": ALL_80GB,
    "H100:81..94GB": {"h100-nvl-94gb"},
    "H100:24GB": set(),
    "RTX4090": {"rtx-4090-24gb"},
    "RTX 4090": {"rtx-4090-24gb"},
    "rtx-4090": {"rtx-4090-24gb"},
    "A10": {"a10-24gb"},
    "L4": {"l4-24gb"},
    "A10,L4": {"a10-24gb", "l4-24gb"},
    "A10, L4,": {"a10-24gb", "l4-24gb"},
    "GB200": {"gb200-186gb"},
    "MI300X": {"mi300x-192gb"},
    "amd:MI300X": {"mi300x-192gb"},
    "TPU-v5e": {"tpu-v5e-16gb"},
}


@pytest.mark.parametrize("text", NAMES)
def test_a_name_means_these_accelerators(text: str):
    assert set(parse_spec(text).gpu_ids) == NAMES[text]


COUNTS: dict[str, tuple[int | None, int | None]] = {
    "H100": (None, None),
    "H100:8": (8, 8),
    "H100:1..8": (1, 8),
    "H100:4..": (4, None),
    "H100:..4": (None, 4),
    "H100:80GB:8": (8, 8),
    "H100:8:80GB": (8, 8),
    "nvidia:H100:80GB:2..4": (2, 4),
    "H100::8": (8, 8),
    "8": (8, 8),
}


@pytest.mark.parametrize("text", COUNTS)
def test_a_count_bounds_the_accelerators_of_one_instance(text: str):
    spec = parse_spec(text)
    assert (spec.min_count, spec.max_count) == COUNTS[text]
    assert spec.text == text


def test_a_vendor_alone_means_all_of_its_accelerators():
    chosen = parse_spec("amd:").gpu_ids
    assert chosen == tuple(gpu.gpu_id for gpu in gpus().values() if gpu.vendor == "amd")
    assert "mi300x-192gb" in chosen


def test_ranges_of_memory_and_count_go_together():
    spec = parse_spec("nvidia:24GB..80GB:1..8")
    sizes = [gpus()[gpu_id].memory_gib for gpu_id in spec.gpu_ids]
    assert len(sizes) > 20
    assert all(size is not None and 24 <= size <= 80 for size in sizes)
    assert (spec.min_count, spec.max_count) == (1, 8)


UNKNOWN = {
    "H100-SMX": "h100-sxm",
    "h1oo": "h100",
    "RTX6090": "rtx-5090",
    "H100 SXM5": "h100-sxm",
    "A10,H1000": "h100",
    "mi300": "mi300x",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_an_unknown_name_is_answered_with_the_nearest(text: str):
    with pytest.raises(UnknownGPUError) as caught:
        parse_spec(text)
    assert any(name.startswith(UNKNOWN[text]) for name in caught.value.nearest)
    assert f"did you mean {caught.value.nearest[0]}" in str(caught.value)


def test_a_name_is_looked_for_among_the_vendors_own():
    with pytest.raises(UnknownGPUError, match="unknown GPU 'H100'"):
        parse_spec("amd:H100")


REFUSED = {
    "": "empty SPEC",
    " : : ": "empty SPEC",
    ",": "names no accelerator",
    "H100:foo": "'foo' is neither a memory",
    "H100:8x": "'8x' is neither",
    "H100:-1": "'-1' is neither",
    "H100:1.5": "'1.5' is neither",
    "H100:..": "'..' is neither",
    "H100:8..1": "from a lower to a higher bound",
    "H100:80GB..24GB": "from a lower to a higher bound",
    "H100:0": "from a lower to a higher bound",
    "H100:0GB": "from a lower to a higher bound",
    "H100:99999999999999999999": "in 1 to 1000000",
    "H100:8:9": "'9' is a second count",
    "H100:80GB:94GB": "'94GB' is a second memory",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_understood_is_refused_with_the_part_seen(text: str):
    with pytest.raises(UsageError, match="SPEC") as caught:
        parse_spec(text)
    assert REFUSED[text] in str(caught.value)


def test_every_id_is_a_spec_that_means_at_least_itself():
    known = list(gpus())
    assert known
    assert [gpu_id for gpu_id in known if gpu_id not in parse_spec(gpu_id).gpu_ids] == []


def test_a_slug_takes_families_apart_that_are_written_together():
    assert [slug(name) for name in ("RTX4090", "RTXPRO6000", "RTXA6000", "GTX1080", "H100 80 GB")] == [
        "rtx-4090",
        "rtx-pro-6000",
        "rtx-a6000",
        "gtx-1080",
        "h100-80gb",
    ]
