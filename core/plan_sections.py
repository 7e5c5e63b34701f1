"""The sections of a plan, and the values that they hold: counts, amounts, shares and money within bounds, and three
cases of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gpuledger.core.count import (
    count_from,
    days_from,
    gb_from,
    hours_from,
    minutes_from,
    months_from,
    share_from,
)
from gpuledger.core.money import dollars_from, total_from
from gpuledger.core.provider_name import TierName
from gpuledger.core.purchase_option import option_word

# Values that a plan may hold: counts, amounts, shares and money within bounds, and three cases of one.

MOST = 1e18
"""Of any count or amount: no data set, no network and no bill is larger."""
MOST_USD = Decimal(10**11)


def _number_by(read: Callable[..., float], *, is_named: bool = False) -> BeforeValidator:
    """A number, or text as people write it; a boolean is none, however willing a parser is to convert it.

    Args:
        is_named: `read` takes the name of the key too.
    """

    def number(value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool):
            raise ValueError("not a number")
        if isinstance(value, str):
            return read(value, info.field_name or "") if is_named else read(value)
        if isinstance(value, int) and abs(value) > MOST:
            # converting or printing thousands of digits fails in ways of its own
            raise ValueError(f"a number of {value.bit_length()} bits; {MOST:g} at most")
        return value

    return BeforeValidator(number)


def _money(value: object, read: Callable[[str], Decimal] = dollars_from) -> object:
    if isinstance(value, str):
        return read(value)
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"a number of {value.bit_length()} bits; {MOST_USD:g} at most")
    return value


_Number = _number_by(count_from, is_named=True)
_Share = _number_by(share_from, is_named=True)
Count = Annotated[int, _Number, Field(gt=0, le=int(MOST))]
CountOrZero = Annotated[int, _Number, Field(ge=0, le=int(MOST))]
PositiveNumber = Annotated[float, _Number, Field(gt=0, le=MOST, allow_inf_nan=False)]
NumberOrZero = Annotated[float, _Number, Field(ge=0, le=MOST, allow_inf_nan=False)]
GB = Annotated[float, _number_by(gb_from), Field(ge=0, le=1e12, allow_inf_nan=False)]
"""A size: GB of 10^9 bytes, or text with its unit."""
Hours = Annotated[float, _number_by(hours_from), Field(gt=0, le=1e6, allow_inf_nan=False)]
"""A time: hours, or text with its unit."""
Minutes = Annotated[float, _number_by(minutes_from), Field(ge=0, le=MOST, allow_inf_nan=False)]
Days = Annotated[float, _number_by(days_from), Field(gt=0, le=MOST, allow_inf_nan=False)]
Months = Annotated[float, _number_by(months_from), Field(ge=0, le=MOST, allow_inf_nan=False)]
Share = Annotated[float, _Share, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveShare = Annotated[float, _Share, Field(gt=0, le=1, allow_inf_nan=False)]
USDTotal = Annotated[
    Decimal, BeforeValidator(partial(_money, read=total_from)), Field(ge=0, le=MOST_USD, allow_inf_nan=False)
]
USD = Annotated[Decimal, BeforeValidator(_money), Field(ge=0, le=MOST_USD, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of a plan: unknown keys are refused, and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Spread(Section):
    """Three cases of one quantity: one number, `[low, high]`, or a table low, mid, high."""

    low: NumberOrZero
    mid: NumberOrZero
    high: NumberOrZero

    @classmethod
    def number_in(cls, text: str) -> float:
        """A number written as text."""
        return count_from(text)

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, value: object) -> object:
        if isinstance(value, str):
            low, dots, high = value.partition("..")
            value = [cls.number_in(low), cls.number_in(high)] if dots else cls.number_in(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"low": value, "mid": value, "high": value}
        if isinstance(value, Sequence) and not isinstance(value, str):
            numbers = cast(Sequence[Any], value)
            if len(numbers) != 2:
                raise ValueError("a range has two numbers, low and high")
            ends = [cls.number_in(one) if isinstance(one, str) else one for one in numbers]
            if any(
                isinstance(one, bool) or not isinstance(one, int | float) or abs(one) > MOST for one in ends
            ):
                raise ValueError(f"a range has two numbers of at most {MOST:g}, low and high")
            return {"low": ends[0], "mid": (ends[0] + ends[1]) / 2, "high": ends[1]}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Spread:
        if not self.low <= self.mid <= self.high:
            raise ValueError(f"low {self.low:g}, mid {self.mid:g}, high {self.high:g} are not in order")
        return self


class HoursRange(Spread):
    """Quoted hours; text may have units."""

    @classmethod
    def number_in(cls, text: str) -> float:
        return hours_from(text)


class RunsRange(Spread):
    """Runs paid for each one that counts, at least 1."""

    low: Annotated[float, _Number, Field(ge=1, allow_inf_nan=False)]


GATED = ("reglu", "geglu", "swiglu")
MOST_PRUNED = 0.9


class ArchitectureKeys(Section):
    """`[architecture]`: the network's shape. What is left out is filled from the preset or inferred."""

    layers: Count | None = None
    hidden_size: Count | None = None
    attention_heads: Count | None = None
    kv_heads: Count | None = None
    head_size: Count | None = None
    ffn_hidden_size: Count | None = None
    vocabulary_size: Count | None = None
    gated_ffn: bool | None = None
    activation: Literal["relu", "relu2", "gelu", "silu", "reglu", "geglu", "swiglu"] | None = None
    """Of the feed-forward; the last three have a gate, and so a third matrix."""
    tied_embeddings: bool | None = None
    experts: Count | None = None
    experts_per_token: Count | None = None
    shared_experts: CountOrZero | None = None
    shared_expert_ffn_hidden_size: Count | None = None
    """Width of one shared expert where it is not that of the others."""
    expert_ffn_hidden_size: Count | None = None
    dense_layers: CountOrZero | None = None
    """Leading layers without experts in a mixture of experts."""
    moe_every: Count | None = None
    """Every n-th layer has experts; 1 unless said."""
    query_lora_rank: CountOrZero | None = None
    kv_lora_rank: Count | None = None
    """Given for multi-head latent attention; the three head sizes below belong to it."""
    nope_head_size: Count | None = None
    rope_head_size: Count | None = None
    value_head_size: Count | None = None
    sliding_window: Count | None = None
    windowed_layers_share: Share | None = None
    """Share of the layers that see only the window; all, if a window is given and this is not."""
    causal: bool | None = None
    decoder_layers: Count | None = None
    """Encoder-decoder networks: decoder layers with cross attention, beside `layers` of the encoder."""
    learned_positions: CountOrZero | None = None
    bias: Literal["none", "qkv", "all"] | None = None
    attention_layers: CountOrZero | None = None
    """Layers with attention; all where not given."""
    mixer_layers: CountOrZero | None = None
    mixer_parameters: CountOrZero | None = None
    """Of one state space, linear attention or convolution in place of attention or beside it."""
    ffn_layers: CountOrZero | None = None
    unique_layers: Count | None = None
    """Layers with parameters of their own, where layers share them."""
    pruned_share: Share | None = None
    """Share of heads and of the feed-forward's width that pruning took out."""
    attention_gate: bool | None = None
    embedding_size: Count | None = None
    embedding_is_active: bool | None = None
    """False: the input embedding is not counted among the active parameters."""
    side_parameters: CountOrZero | None = None
    """In memory, but not passed by every text token: towers for images or sound, poolers."""
    note: str | None = Field(default=None, max_length=500)
    """What whoever wrote these keys left out; shown as a warning."""
    parameters: PositiveNumber | None = None
    active_parameters: PositiveNumber | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ArchitectureKeys:
        has_gate = self.activation in GATED
        if self.activation is not None and self.gated_ffn not in (None, has_gate):
            raise ValueError(f"activation {self.activation!r} has {'a' if has_gate else 'no'} gate")
        if self.pruned_share is not None and self.pruned_share > MOST_PRUNED:
            raise ValueError(f"pruned_share {self.pruned_share:g} leaves no network; {MOST_PRUNED:g} at most")
        if self.kv_heads and self.attention_heads and self.attention_heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} must divide attention_heads {self.attention_heads}")
        if self.experts and self.experts_per_token and self.experts_per_token > self.experts:
            raise ValueError(f"experts_per_token {self.experts_per_token} exceeds experts {self.experts}")
        if self.active_parameters and self.parameters and self.active_parameters > self.parameters * 1.001:
            raise ValueError(
                f"active_parameters {self.active_parameters:g} exceeds parameters {self.parameters:g}"
            )
        return self


# The sections of a plan that say what a purchase must satisfy, and which money is counted beside the GPU-
# hours.

PurchaseOptionName = Literal["on_demand", "spot", "reserved", "capacity_block"]


# nobody waits longer for one run without having said so
MAX_WALL_DAYS = 90.0
HOURS_PER_DAY = 24.0


class Constraints(Section):
    """`[constraints]`: what a choice of hardware must satisfy."""

    deadline_hours: Hours | None = None
    max_wall_days: Days | None = None
    """A search proposes nothing that takes longer; 90 unless said, or the deadline where that is later."""
    budget_usd: USDTotal | None = None
    max_gpus: Count | None = None
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    tiers: tuple[TierName, ...] = ()
    purchase_options: tuple[PurchaseOptionName, ...] = ()

    @field_validator("regions", "providers", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """A name alone, or several parted by commas, is a list of them."""
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @field_validator("purchase_options", "tiers", mode="before")
    @classmethod
    def _bought(cls, value: object) -> object:
        listed = cls._listed(value)
        if not isinstance(listed, Sequence):
            return listed
        return [option_word(one) if isinstance(one, str) else one for one in cast("Sequence[object]", listed)]

    @property
    def longest_wall_hours(self) -> float:
        """Beyond which a search proposes no hardware."""
        if self.max_wall_days is not None:
            return self.max_wall_days * HOURS_PER_DAY
        return max(MAX_WALL_DAYS * HOURS_PER_DAY, self.deadline_hours or 0.0)


class Costs(Section):
    """`[costs]`: money and quantities beside the run itself; `None` is "not given"."""

    dataset_gb: GB | None = None
    checkpoint_keep: CountOrZero | None = None
    checkpoint_interval_hours: Hours | None = None
    failed_run_factor: RunsRange | None = None
    experiments: CountOrZero | None = None
    experiment_usd: USD | None = None
    trials: CountOrZero | None = None
    trial_fraction: Share | None = None
    early_stop: PositiveShare | None = None
    utilisation: PositiveShare | None = None
    people_usd: USD | None = None
    data_usd: USD | None = None
    label_items: CountOrZero | None = None
    usd_per_label: USD | None = None
    data_overhead: NumberOrZero | None = None
    """Share of what data and labels cost, for cleaning, formatting and privacy."""
    safety_usd: USD | None = None
    hosting_usd_per_month: USD | None = None
    hosting_months: Months | None = None
    inference_tokens: NumberOrZero | None = None
    egress_gb: GB | None = None
    storage_months: Months | None = None
    interruption_rate_per_hour: NumberOrZero | None = None
    checkpoint_write_minutes: Minutes | None = None
    restart_minutes: Minutes | None = None
    startup_minutes: Minutes | None = None
    """Of each run until its first step: image, weights and data fetched and loaded; a restart takes as long."""
    teacher_usd: USD | None = None
    network_usd: USD | None = None
    storage_usd: USD | None = None

    @model_validator(mode="before")
    @classmethod
    def _credit_of_whom(cls, keys: Any) -> Any:
        if isinstance(keys, Mapping) and "credit_usd" in keys:
            usd = cast(Mapping[str, Any], keys)["credit_usd"]
            raise ValueError(
                f"credit_usd {usd}: at which provider can it be spent? write [[credit]] with "
                f'provider = "..." and usd = {usd} instead'
            )
        return cast(Any, keys)


class PlanCredit(Section):
    """`[[credit]]`: money that can be spent at one provider."""

    provider: str
    usd: USD
