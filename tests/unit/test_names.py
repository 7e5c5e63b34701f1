"""Names of accelerators as catalogues, drivers and marketplaces write them, each with what it means."""

from decimal import Decimal

import pytest

from gpuledger.core.alias import seed_aliases
from gpuledger.core.gpu import gpus

# name, memory in GiB where the list states one, id
GPUHUNT = """
A10 24 a10-24gb|A16 16 a16-16gb|A40 48 a40-48gb|A100 40 a100-40gb|A100 80 a100-80gb|A10G 24 a10g-24gb
A4000 16 rtx-a4000-16gb|A4500 20 rtx-a4500-20gb|A5000 24 rtx-a5000-24gb|A6000 48 rtx-a6000-48gb
H100 80 h100-80gb|H100NVL 94 h100-nvl-94gb|H200 141 h200-141gb|H200NVL 141 h200-nvl-141gb
B200 180 b200-sxm-180gb|GB200 186 gb200-186gb|B300 270 b300-sxm-288gb|L4 24 l4-24gb|L40 48 l40-48gb
L40S 48 l40s-48gb|P100 16 p100-pcie-16gb|RTX2060 6 rtx-2060-6gb|RTX2060 12 rtx-2060-12gb
RTX2060SUPER 8 rtx-2060-super-8gb|RTX2070 8 rtx-2070-8gb|RTX2070SUPER 8 rtx-2070-super-8gb
RTX2080 8 rtx-2080-8gb|RTX2080SUPER 8 rtx-2080-super-8gb|RTX2080Ti 11 rtx-2080-ti-11gb|RTX3050 6 rtx-3050-6gb
RTX3050 8 rtx-3050-8gb|RTX3060 8 rtx-3060-8gb|RTX3060 12 rtx-3060-12gb|RTX3060Ti 8 rtx-3060-ti-8gb
RTX3070 8 rtx-3070-8gb|RTX3070Ti 8 rtx-3070-ti-8gb|RTX3080 10 rtx-3080-10gb|RTX3080Ti 12 rtx-3080-ti-12gb
RTX3090 24 rtx-3090-24gb|RTX3090Ti 24 rtx-3090-ti-24gb|RTX4060 8 rtx-4060-8gb|RTX4060Ti 8 rtx-4060-ti-8gb
RTX4060Ti 16 rtx-4060-ti-16gb|RTX4070 12 rtx-4070-12gb|RTX4070SUPER 12 rtx-4070-super-12gb
RTX4070Ti 12 rtx-4070-ti-12gb|RTX4070TiSUPER 16 rtx-4070-ti-super-16gb|RTX4080 16 rtx-4080-16gb
RTX4080SUPER 16 rtx-4080-super-16gb|RTX4090 24 rtx-4090-24gb|RTX5060 8 rtx-5060-8gb|RTX5060Ti 8 rtx-5060-ti-8gb
RTX5060Ti 16 rtx-5060-ti-16gb|RTX5070 12 rtx-5070-12gb|RTX5070Ti 16 rtx-5070-ti-16gb|RTX5080 16 rtx-5080-16gb
RTX5090 32 rtx-5090-32gb|RTX6000 24 rtx-6000-24gb|RTX2000Ada 16 rtx-2000-ada-16gb
RTX4000Ada 20 rtx-4000-ada-20gb|RTX6000Ada 48 rtx-6000-ada-48gb|RTXPRO4500 32 rtx-pro-4500-32gb
RTXPRO6000 96 rtx-pro-6000-96gb|T4 16 t4-16gb|V100 16 v100-16gb|V100 32 v100-32gb|GH200 96 gh200-96gb
MI100 32 mi100-32gb|MI210 64 mi210-64gb|MI250 128 mi250-128gb|MI250X 128 mi250x-128gb|MI300A 128 mi300a-128gb
MI300X 192 mi300x-192gb|MI325X 288 mi325x-256gb|MI350X 288 mi350x-288gb|MI355X 288 mi355x-288gb|v2 - tpu-v2-16gb
v3 - tpu-v3-32gb|v4 - tpu-v4-32gb|v5p - tpu-v5p-95gb|v5litepod - tpu-v5e-16gb|v6e - tpu-v6e-32gb
Gaudi 32 gaudi-32gb|Gaudi2 96 gaudi2-96gb|Gaudi3 128 gaudi3-128gb
"""
SKYPILOT = """
A100-80GB - a100-80gb|A100-80GB-SXM - a100-sxm-80gb|GTX1660S - gtx-1660-super-6gb|Gaudi-HL-205 - gaudi-32gb
Gaudi_HL-205 - gaudi-32gb|H100-MEGA - h100-sxm-80gb|H100-NVL - h100-nvl-94gb|H100-SXM - h100-sxm-80gb
H200-SXM - h200-sxm-141gb|M4000 - quadro-m4000-8gb|P4000 - quadro-p4000-8gb|RTX3080-Ti - rtx-3080-ti-12gb
RTX3090-Ti - rtx-3090-ti-24gb|RTX2000-Ada - rtx-2000-ada-16gb|RTXA2000 - rtx-a2000-6gb|RTXA4000 - rtx-a4000-16gb
RTX6000-Ada - rtx-6000-ada-48gb|RTXPRO6000-WK - rtx-pro-6000-workstation-96gb|RTXPRO6000S - rtx-pro-6000-96gb
RTXPRO6000WS - rtx-pro-6000-workstation-96gb|Radeon_MI25 - mi25-16gb|Radeon_Pro_V520 - radeon-pro-v520-8gb
T4g - t4g-16gb|V100-32GB - v100-32gb|tpu-v2 - tpu-v2-16gb|tpu-v5litepod - tpu-v5e-16gb|tpu-v6e - tpu-v6e-32gb
RTX4070 16 rtx-4070-ti-super-16gb|H100 93.58 h100-nvl-94gb|RTX4090 47.99 rtx-4090-refit-48gb
"""
DRIVERS = """
NVIDIA_H100_80GB_HBM3 79.65 h100-sxm-80gb|NVIDIA_A100-SXM4-40GB 39.59 a100-sxm-40gb
NVIDIA_A100-PCIE-40GB 39.59 a100-pcie-40gb|NVIDIA_A800-SXM4-80GB 80 a800-sxm-80gb
Tesla_V100-SXM2-32GB 32 v100-sxm-32gb|NVIDIA_GH200_480GB 95.58 gh200-96gb|NVIDIA_H200_NVL 140.4 h200-nvl-141gb
NVIDIA_GeForce_RTX_2080_Ti 10.75 rtx-2080-ti-11gb|NVIDIA_A10G 22.06 a10g-24gb|NVIDIA_L4 22 l4-24gb
Tesla_T4 14.75 t4-16gb|NVIDIA_L40S 44.7 l40s-48gb|NVIDIA_B200 179 b200-sxm-180gb|NVIDIA_B200 192 b200-sxm-180gb
B300_SXM6_262GB 262 b300-sxm-288gb|NVIDIA_GB300 279 gb300-288gb|MI300X 191 mi300x-192gb|V100_32G 32 v100-32gb
L40S_(graphics_mode) 48 l40s-48gb|nvidia-h100-mega-80gb - h100-sxm-80gb|NVIDIA-H100-80GB-HBM3 - h100-sxm-80gb
RTX_4070S_Ti - rtx-4070-ti-super-16gb|Q_RTX_8000 - rtx-8000-48gb|RTX_6000Ada 47.99 rtx-6000-ada-48gb
A100X 80 a100x-80gb|RTX_5880_Ada_Generation 48 rtx-5880-ada-48gb|RTX_4090_D 24 rtx-4090-d-24gb
MI308X 192 mi308x-192gb|Trn2 96 trainium2-96gb|TPU_v7 192 tpu-v7x-192gb|A2 16 a2-16gb
A800_PCIe 80 a800-pcie-80gb|A800 40 a800-pcie-40gb|H20 141 h20-sxm-141gb|RTX_6000 96 rtx-pro-6000-96gb
RTX_4090 48 rtx-4090-refit-48gb|MI250 64 mi250-gcd-64gb|VR200 288 vr200-288gb|GB10 128 gb10-128gb
"""
LISTED = [
    tuple(entry.split())
    for entry in (GPUHUNT + SKYPILOT + DRIVERS).replace("\n", "|").split("|")
    if entry.strip()
]


@pytest.mark.parametrize(("name", "memory", "gpu_id"), LISTED)
def test_a_name_of_a_list_means_its_card(name: str, memory: str, gpu_id: str):
    assert gpu_id in gpus()
    stated = None if memory == "-" else Decimal(memory)
    assert seed_aliases().resolve("acme", name.replace("_", " "), stated) == gpu_id


REASONS = {
    ("A800 SXM4", 40): "another card, or a part of one",
    ("H100 SXM", 94): "another card, or a part of one",
    ("RTX PRO 6000", 24): "another card, or a part of one",
    ("MI308X", 128): "another card, or a part of one",
    ("A100-SXM4-80GB", 40): "another card, or a part of one",
    ("NVIDIA L40S 48GB PCIe Gen4", 24): "the label says 48 GB, and 24 GiB are stated",
    ("RTX 3060", None): "sold with 8 or 12 GiB, and none is stated",
    ("H100 MIG 1g.10gb", 10): "a part of a card",
    ("NVIDIA A10-4Q", 4): "a part of a card",
    ("A10 (1/2)", 12): "a part of a card",
    ("1/2 A10", None): "a part of a card",
    ("L40S vGPU", 24): "a part of a card",
    ("MI300X PCIe", 192): "is not sold as pcie",
    ("n300", 24): "no accelerator of the seeds has this name",
    ("TPU 8", None): "no accelerator of the seeds has this name",
}


@pytest.mark.parametrize(("name", "memory"), REASONS)
def test_a_label_without_a_card_has_its_reason(name: str, memory: int | None):
    meaning = seed_aliases().meaning("acme", name, None if memory is None else Decimal(memory))
    assert meaning.gpu_id is None
    assert REASONS[name, memory] in meaning.reason


@pytest.mark.parametrize("gpu_id", gpus())
def test_a_card_is_never_taken_for_one_of_more_memory(gpu_id: str):
    """Whatever name leads to a card, an offer that states half or three quarters of its memory is not that card."""
    card = gpus()[gpu_id]
    if card.memory_gib is None:
        return
    for share in ("0.5", "0.75", "0.9"):
        stated = Decimal(str(card.memory_gib)) * Decimal(share)
        found = gpus().get(seed_aliases().resolve("acme", card.name, stated) or "")
        shown = seed_aliases().is_shown(stated, gpu_id)
        assert found is None or shown or (found.memory_gib or 0) <= float(stated) * 1.09
