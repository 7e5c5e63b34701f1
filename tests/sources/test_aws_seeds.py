"""What the seeds say about AWS's instance types, their accelerators and regions."""

from collections import Counter
from decimal import Decimal

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.gpu import gpus
from gpuledger.core.provider import instance_shape, instance_shapes, region_code, region_codes

AWS = [shape for (provider, _), shape in instance_shapes().items() if provider == "aws"]


def test_every_accelerator_type_has_a_gpu():
    aliases = seed_aliases()
    held = {
        shape.instance_type: aliases.resolve("aws", shape.instance_type, shape.gpu_memory_gib)
        for shape in AWS
        if shape.gpu_count
    }
    assert len(held) >= 100
    assert set(held.values()) <= set(gpus())


def test_the_memory_of_a_type_is_that_of_its_gpu():
    aliases = seed_aliases()
    for shape in (shape for shape in AWS if shape.gpu_count):
        gpu = gpus()[str(aliases.resolve("aws", shape.instance_type, None))]
        assert shape.gpu_memory_gib
        assert gpu.memory_gib
        # GB and GiB, usable and physical: B300 has 288 GB, of which EC2 shows 269 GiB.
        assert 0.9 <= float(shape.gpu_memory_gib) / gpu.memory_gib <= 1.01, shape.instance_type


@pytest.mark.parametrize(
    ("instance_type", "gpu_id", "gpu_count"),
    [
        ("p5.48xlarge", "h100-sxm-80gb", "8"),
        ("p5.4xlarge", "h100-sxm-80gb", "1"),
        ("p4d.24xlarge", "a100-sxm-40gb", "8"),
        ("p4de.24xlarge", "a100-sxm-80gb", "8"),
        ("p3dn.24xlarge", "v100-sxm-32gb", "8"),
        ("p6e-gb200.36xlarge", "gb200-186gb", "4"),
        ("p2.16xlarge", "k80-12gb", "16"),
        ("g6f.large", "l4-24gb", "0.125"),
        ("gr6f.4xlarge", "l4-24gb", "0.5"),
        ("g5g.16xlarge", "t4g-16gb", "2"),
        ("trn1.32xlarge", "trainium1-32gb", "16"),
        ("inf2.24xlarge", "inferentia2-32gb", "6"),
    ],
)
def test_a_type_holds_so_many_of_its_gpu(instance_type: str, gpu_id: str, gpu_count: str):
    shape = instance_shape("aws", instance_type)
    assert shape
    assert shape.gpu_count == Decimal(gpu_count)
    assert seed_aliases().resolve("aws", instance_type, shape.gpu_memory_gib) == gpu_id


@pytest.mark.parametrize("instance_type", ["vt1.3xlarge", "f1.2xlarge", "f2.48xlarge"])
def test_video_and_fpga_cards_are_known_to_be_no_gpus(instance_type: str):
    shape = instance_shape("aws", instance_type)
    assert shape
    assert shape.gpu_count == 0


def test_a_type_without_accelerators_is_unknown():
    assert instance_shape("aws", "c7i.large") is None
    assert instance_shape("azure", "p5.48xlarge") is None


def test_regions_are_found_by_either_spelling():
    assert region_code("aws", "EU (Frankfurt)") == region_code("aws", "Europe (Frankfurt)") == "eu-central-1"
    assert region_code("aws", "US West (Los Angeles)") is None
    assert region_code("gcp", "US East (N. Virginia)") is None


def test_every_region_has_one_place():
    codes = region_codes("aws")
    assert len(codes) >= 35
    assert [code for code, times in Counter(codes).items() if times > 1] == []
