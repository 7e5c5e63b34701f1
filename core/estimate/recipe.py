"""What a preset's pretraining was published with, where a plan that trains it again leaves that open.

Precision and software of a published run decide its hours as its batch does, so a plan that names the network and says
neither is taken to repeat the run; both are said as assumptions. `sql/seeds/model.csv` has them where a source says so
and the software can still be had.
"""

from __future__ import annotations

from gpuledger.core.estimate.stack import team_of
from gpuledger.core.plan import TrainingPlan, model_rows


def published_precision(plan: TrainingPlan) -> str | None:
    """The precision of the published run where it is not the usual one and the plan states none."""
    if plan.method != "pretrain" or "precision" in plan.model_fields_set:
        return None
    return model_rows().get(plan.model or "", {}).get("published_precision") or None


def published_stack(plan: TrainingPlan) -> str | None:
    """The software of the published run where the plan says neither software nor division nor team."""
    if plan.method != "pretrain" or plan.hardware.stack or plan.hardware.states_division or plan.team:
        return None
    return model_rows().get(plan.model or "", {}).get("published_stack") or None


def repeats_a_run(plan: TrainingPlan) -> bool:
    """Whether the plan leaves something open that its network's published run had."""
    return not plan.is_quoted and bool(published_precision(plan) or published_stack(plan))


def as_published(plan: TrainingPlan, *, has_precision: bool) -> tuple[TrainingPlan, tuple[str, ...]]:
    """The plan with what it leaves open as its network was published, and what was assumed to get there.

    Args:
        has_precision: whether the GPU has the units of that precision; without them it gets the usual one.
    """
    if not repeats_a_run(plan):
        return plan, ()
    precision, stack = published_precision(plan), published_stack(plan)
    changed, assumptions = dict[str, object](), list[str]()
    if precision is not None and has_precision:
        changed["precision"] = precision
        assumptions.append(f"precision: {precision} (not given; {plan.model} was trained so)")
    if stack is not None:
        # who names no software does not say that he tunes it
        changed["hardware"], changed["team"] = (
            plan.hardware.model_copy(update={"stack": stack}),
            team_of(plan),
        )
        assumptions.append(f"hardware.stack: {stack} (not given; {plan.model} was trained so)")
        assumptions.append(f"team: {changed['team']} (not given)")
    return (plan.model_copy(update=changed) if changed else plan), tuple(assumptions)
