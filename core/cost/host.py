"""Whether the machines of an offer hold what a plan offloads."""

from __future__ import annotations

from gpuledger.core.cost.configurations import Configuration
from gpuledger.core.estimate.stack_memory import offloaded
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.store.offers import LatestOffer


def offloads(plan: TrainingPlan) -> bool:
    """Whether anything of the plan lives in the host's memory: as it says, or as its software does unasked."""
    return not plan.is_quoted and bool(offloaded(plan))


def has_host_memory(offer: LatestOffer, option: Configuration) -> bool:
    """Whether one machine's memory is at least what offloading takes; an offer that does not state it is not judged."""
    need = option.estimate.host_memory_gib
    if need is None or offer.memory_gib is None or not offer.gpu_count:
        return True
    # a pod priced per GPU gets the memory of its GPUs
    return need <= float(offer.memory_gib * option.instance_gpus / offer.gpu_count)
