"""Estimates without prices: the hardware that a plan names, else what could run it, fewest GPU-hours
first."""

from __future__ import annotations

from collections.abc import Sequence

from gpuledger.core.count import counted
from gpuledger.core.errors import DoesNotFitError, EstimateError, InvalidPlanError, UnknownGPUError
from gpuledger.core.estimate.estimate import Estimate
from gpuledger.core.estimate.evidence import with_evidence
from gpuledger.core.estimate.measurements import Measurement, narrowed
from gpuledger.core.estimate.search import on_each
from gpuledger.core.estimate.sweep import refusal
from gpuledger.core.gpu import GPU, gpus
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.spec import parse_spec

# of a long list the first few are read
WITH_EVIDENCE = 3


def estimates_of(
    plan: TrainingPlan,
    *,
    gpu: str | None = None,
    gpus: int | None = None,
    measurements: Sequence[Measurement] = (),
    evidence: bool = True,
) -> list[Estimate]:
    """One estimate per accelerator that plan and arguments allow.

    With a count of GPUs, of exactly that many; without, of the fewest that hold the plan and finish in time.

    Args:
        evidence: the nearest published runs stand beside the first few.
        gpu: a SPEC; its count, where it is one number, is the count of GPUs.

    Raises:
        InvalidPlanError: the plan cannot run on the one accelerator named.
        DoesNotFitError: it fits on none.
        UnknownGPUError: no such accelerator.
        UsageError: the SPEC cannot be understood.
    """
    chosen, count = _chosen(plan, gpu)
    selection = gpus or plan.hardware.gpus or count
    if plan.is_quoted and selection is None:
        selection = 1
    if selection is not None:
        plan = plan.model_copy(update={"hardware": plan.hardware.model_copy(update={"gpus": selection})})
    made = on_each(plan, chosen, selection)
    result = [narrowed(one, plan, measurements) for one in made if isinstance(one, Estimate)]
    errors = [one for one in made if not isinstance(one, Estimate)]
    if not result:
        raise errors[0] if len(errors) == 1 else _none(plan, errors)
    fitting = [e for e in result if e.fits is not False]
    ordered = sorted(fitting or result, key=lambda e: (e.gpu_hours.mid, e.gpu_id))
    if not evidence:
        return ordered
    return [*(with_evidence(one, plan) for one in ordered[:WITH_EVIDENCE]), *ordered[WITH_EVIDENCE:]]


def _chosen(plan: TrainingPlan, spec: str | None) -> tuple[list[GPU], int | None]:
    text = spec or plan.hardware.gpu
    if text is None:
        return [chip for chip in gpus().values() if refusal(plan, chip) is None], None
    understood = parse_spec(text)
    if not understood.gpu_ids:
        raise UnknownGPUError(text)
    count = understood.min_count
    exact = int(count) if count is not None and count == understood.max_count else None
    return [gpus()[gpu_id] for gpu_id in understood.gpu_ids], exact


def _none(plan: TrainingPlan, errors: list[EstimateError]) -> EstimateError:
    if not errors:
        return InvalidPlanError("precision", f"no accelerator computes in {plan.precision}")
    if any(isinstance(error, DoesNotFitError) for error in errors):
        return DoesNotFitError(
            f"{plan.name}: fits on none of {counted(len(errors), 'accelerator')}; {errors[0]}"
        )
    return errors[0]
