"""One plan on many hardware choices: what is left out of the arithmetic changes no result."""

import pytest

from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.device import device
from gpuledger.core.estimate.estimate import place
from gpuledger.core.estimate.grid import Grid
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import preset_plan

GPUS = (
    "h100-sxm-80gb",
    "a100-sxm-80gb",
    "a100-pcie-40gb",
    "v100-sxm-16gb",
    "rtx-4090-24gb",
    "b200-sxm-180gb",
)
PLANS = ("gpt2", "llama-2-7b", "llama-2-70b", "llama-2-7b-lora", "llama-3-8b-full_finetune", "mixtral-8x7b")


def rates_of(plan):
    return {gpu_id: device(plan, gpu(gpu_id)) for gpu_id in GPUS}


@pytest.mark.parametrize("name", PLANS)
def test_a_row_is_what_it_is_alone_whatever_stands_beside_it(name):
    """No count inherits the rate of another."""
    plan = preset_plan(name)
    places = [place(gpu(gpu_id), count, 8) for gpu_id in GPUS for count in (1, 4, 8, 64)]
    together = Grid(places, rates_of(plan)).run(demand(plan), constants())
    for row in range(0, len(places), 5):
        alone = Grid([places[row]], rates_of(plan)).run(demand(plan), constants())
        assert alone.time.total[0] == pytest.approx(together.time.total[row], rel=1e-12)
        assert alone.fits[0] == together.fits[row]


def test_rows_that_differ_in_rates_alone_share_their_divisions():
    plan = preset_plan("llama-2-7b")
    chips = [gpu("h100-sxm-80gb"), gpu("a100-sxm-80gb")]
    found = Grid([place(chip, 64, 8) for chip in chips], rates_of(plan)).run(demand(plan), constants())
    memory = found.memory.total
    assert found.layout.micro_batch_size[0] == found.layout.micro_batch_size[1]
    assert memory[0] == memory[1]


def test_a_division_that_exists_nowhere_is_said_for_every_row():
    hardware = preset_plan("llama-2-7b").hardware.model_copy(update={"tensor_parallel": 3})
    plan = preset_plan("llama-2-7b").model_copy(update={"hardware": hardware})
    found = Grid([place(gpu(GPUS[0]), count, 8) for count in (4, 8)], rates_of(plan)).run(
        demand(plan), constants()
    )
    assert found.is_possible.tolist() == [False, False]
    assert found.fits.tolist() == [False, False]
