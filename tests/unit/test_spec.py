"""SPEC: how people name accelerators on a command line."""

from dataclasses import replace

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
    "H100 SXM5": {"h100-sxm-80gb"},
    "H100SXM": {"h100-sxm-80gb"},
    "H100NVL": {"h100-nvl-94gb"},
    "HGX H100": {"h100-sxm-80gb"},
    "NVIDIA H100 80GB HBM3": {"h100-sxm-80gb"},
    "NVIDIA H100": H100,
    "A100-SXM4-80GB": {"a100-sxm-80gb"},
    "A6000": {"rtx-a6000-48gb"},
    "Tesla T4": {"t4-16gb"},
    "4090": {"rtx-4090-24gb"},
    "nvidia:4090": {"rtx-4090-24gb"},
    "3090": {"rtx-3090-24gb"},
    "5090": {"rtx-5090-32gb"},
    "2080ti": {"rtx-2080-ti-11gb"},
    "RTX 4090 D": {"rtx-4090-d-24gb"},
    "RTX 4090:48GB": {"rtx-4090-refit-48gb"},
    "RTX 3080": {"rtx-3080-10gb", "rtx-3080-12gb"},
    "RTX3080-Ti": {"rtx-3080-ti-12gb"},
    "RTX4080SUPER": {"rtx-4080-super-16gb"},
    "RTX PRO 6000": {"rtx-pro-6000-96gb", "rtx-pro-6000-workstation-96gb", "rtx-pro-6000-max-q-96gb"},
    "RTX PRO 6000 MIG 1g": {"rtx-pro-6000-mig-1g-24gb"},
    "RTX 6000:24GB": {"rtx-6000-24gb"},
    "RTX 6000:48GB": {"rtx-6000-ada-48gb"},
    "RTX 6000:96GB": {"rtx-pro-6000-96gb"},
    "MI250": {"mi250-128gb"},
    "MI250:64GB": {"mi250-gcd-64gb"},
    "B200:192GB": {"b200-sxm-180gb"},
    "B200:183GB": {"b200-sxm-180gb"},
    "B300:262GB": {"b300-sxm-288gb"},
    "B300:270GB": {"b300-sxm-288gb"},
    "L4:22GB": {"l4-24gb"},
    "MI300X:191GB": {"mi300x-192gb"},
    "Ironwood": {"tpu-v7x-192gb"},
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


COUNTS: dict[str, tuple[float | None, float | None]] = {
    "H100": (1, None),
    "8xH100": (8, 8),
    "8x H100": (8, 8),
    "H100 x8": (8, 8),
    "4090:2": (2, 2),
    "GB200:72": (72, 72),
    "TPU-v4:32": (32, 32),
    "H100:8": (8, 8),
    "H100:1..8": (1, 8),
    "H100:4..": (4, None),
    "H100:..4": (1, 4),
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
    whole = [gpu.gpu_id for gpu in gpus().values() if gpu.vendor == "amd" and gpu.form_factor != "gcd"]
    assert chosen == tuple(whole)
    assert "mi300x-192gb" in chosen


def test_a_part_of_a_card_is_meant_only_where_it_is_asked_for():
    half = parse_spec("A10:1/2")
    assert half.gpu_ids == ("a10-24gb",)
    assert half.min_count is not None and half.max_count is not None
    assert half.min_count < 0.5 < half.max_count < 1
    assert parse_spec("A10:0.5") == replace(half, text="A10:0.5")
    assert not {gpu_id for gpu_id in parse_spec("nvidia:24GB..96GB").gpu_ids if "mig" in gpu_id}


MEANS_SEVERAL = {
    "RTX 6000": ("rtx-6000-24gb", "rtx-6000-ada-48gb"),
    "6000": ("rtx-6000-24gb", "rtx-pro-6000-96gb"),
}


@pytest.mark.parametrize("text", MEANS_SEVERAL)
def test_a_name_of_different_cards_is_refused_with_both(text: str):
    with pytest.raises(UsageError, match="different cards") as caught:
        parse_spec(text)
    assert all(gpu_id in str(caught.value) for gpu_id in MEANS_SEVERAL[text])


@pytest.mark.parametrize("text", ["H100:80", "A100:40", "B200:192", "L4:24", "4090:24"])
def test_a_memory_without_its_unit_is_no_count(text: str):
    with pytest.raises(UsageError, match=f"did you mean {text}GB"):
        parse_spec(text)


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
    "9090": "rtx",
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
    "H100:24GB": "H100 has 80 or 94 GiB here",
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
