"""What one may ask of a quote beside the plan, and say of the plan beside its text. Each option is declared once, here,
with its kind, unit, bounds and help; command line, REST, MCP, page and docs derive theirs from it.

Nothing heavy is imported: the command line reads these declarations before it knows which command is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

from gpuledger.core.errors import InvalidPlanError, UsageError
from gpuledger.core.provider_name import TIERS

if TYPE_CHECKING:
    from gpuledger.core.cost.market.own_terms import Overrides
    from gpuledger.core.estimate.measurements import Measurement


PURCHASE_OPTIONS = ("on_demand", "spot", "reserved", "capacity_block")

Kind = Literal["text", "names", "number", "usd", "count", "switch", "hours", "gib"]


@dataclass(frozen=True, kw_only=True)
class QuoteOption:
    """One option as every door shows it."""

    field: str
    """In Python, of `QuoteOptions`."""
    name: str
    """At REST, MCP and the page; singular where the value may be repeated."""
    flag: str | None
    """On the command line; `None` where it has flags of its own (`--spot`)."""
    kind: Kind
    help: str
    """What it does, with its unit."""
    default: Any
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    short_flag: str | None = None
    label: str = ""
    """On the page; empty where the page does not ask."""
    hint: str = ""
    """An example of a value."""
    is_of_plan: bool = False
    """Makes or changes the plan."""

    @property
    def default_text(self) -> str:
        """What holds without it, for a help text."""
        if self.kind == "switch":
            return "default: no"
        if self.is_of_plan:
            return "default: as in PLAN"
        return "default: no limit" if self.default in (None, ()) else f"default: {self.default}"


def _option(
    default: Any,
    kind: Kind,
    help: str,
    *,
    name: str | None = None,
    flag: str | None = "",
    short: str | None = None,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    label: str = "",
    hint: str = "",
) -> Any:
    declaration: dict[str, Any] = {
        "kind": kind,
        "help": help,
        "name": name,
        "flag": flag,
        "short_flag": short,
        "least": least,
        "most": most,
        "choices": choices,
        "label": label,
        "hint": hint,
    }
    return field(default=default, metadata=declaration)


def _no_overrides() -> Overrides:
    from gpuledger.core.cost.market.own_terms import Overrides

    return Overrides()


@dataclass(frozen=True, kw_only=True)
class QuoteOptions:
    """What is asked beside the plan's own constraints. Where both limit the same, the stricter one holds."""

    gpu: str | None = _option(
        None,
        "text",
        "SPEC of the accelerators, [vendor:]NAME[:MEMORY][:COUNT]; COUNT is GPUs per instance.",
        short="-g",
        label="Accelerator",
        hint="any, or H100-SXM:8",
    )
    providers: tuple[str, ...] = _option(
        (), "names", "Provider id; only these providers.", name="provider", short="-p", label="Provider"
    )
    regions: tuple[str, ...] = _option(
        (),
        "names",
        "Region code, ISO country or continent (eu).",
        name="region",
        short="-r",
        label="Region",
        hint="eu, US",
    )
    tiers: tuple[str, ...] = _option(
        (),
        "names",
        f"One of {', '.join(TIERS)}.",
        name="tier",
        choices=TIERS,
        label="Tier",
        hint="secure",
    )
    purchase_options: tuple[str, ...] = _option(
        (),
        "names",
        "How capacity is bought.",
        name="purchase_option",
        flag=None,
        choices=PURCHASE_OPTIONS,
        label="Bought",
    )
    deadline_hours: float | None = _option(
        None,
        "hours",
        "Wall hours that the run may take at most, as in 72 or 3d.",
        flag="--deadline",
        least=0,
        most=1e6,
        label="Deadline",
        hint="72, or 3 d",
    )
    budget_usd: Decimal | None = _option(  # noqa: RUF009
        None,
        "usd",
        "US dollars that the plan may cost at most.",
        flag="--budget",
        least=0,
        label="Budget, $",
        hint="500",
    )
    max_gpus: int | None = _option(
        None, "count", "GPUs paid for at most.", least=1, most=1_000_000, label="Most GPUs", hint="64"
    )
    min_gpu_memory: float | None = _option(
        None, "gib", "Memory of one card at least, GB as sold.", least=0, most=1e5
    )
    max_gpu_memory: float | None = _option(
        None,
        "gib",
        "Memory of one card at most, GB as sold.",
        least=0,
        most=1e5,
        label="Card, GB at most",
        hint="24",
    )
    credits: tuple[str, ...] = _option(
        (),
        "names",
        "Credit as PROVIDER=USD, spent at that provider alone.",
        name="credit",
        label="Credit",
        hint="aws=100",
    )
    max_nodes: int | None = _option(
        None,
        "count",
        "Instances that form the job at most.",
        least=1,
        most=100_000,
        label="Most nodes",
        hint="1",
    )
    allow_stale: bool = _option(
        False, "switch", "Let prices past their freshness target win.", label="stale prices may win"
    )
    limit: int = _option(10, "count", "Quotes in the answer at most.", short="-n", least=1, most=1000)
    no_evidence: bool = _option(
        False, "switch", "Leave out the published runs nearest to the plan.", label="no published runs"
    )
    overrides: Overrides = field(default_factory=_no_overrides)
    """The user's own terms."""
    measurements: tuple[Measurement, ...] = ()
    """The user's own measured runs; estimates of plans like them rest on them."""

    def __post_init__(self) -> None:
        for option in quote_options():
            _check(option, getattr(self, option.field))


_KEYS = ("kind", "help", "least", "most", "choices", "short_flag", "label", "hint")


@cache
def quote_options() -> tuple[QuoteOption, ...]:
    """The options that a person sets, in their order."""
    return tuple(
        QuoteOption(
            field=one.name,
            name=one.metadata["name"] or one.name,
            flag=f"--{(one.metadata['name'] or one.name).replace('_', '-')}"
            if one.metadata["flag"] == ""
            else one.metadata["flag"],
            default=one.default,
            **{key: one.metadata[key] for key in _KEYS},
        )
        for one in fields(QuoteOptions)
        if one.metadata
    )


def _check(option: QuoteOption, value: Any) -> None:
    if value is None:
        return
    for one in value if option.kind == "names" else ():
        if option.choices and one not in option.choices:
            raise UsageError(f"{option.name}: {one!r} is none of {', '.join(option.choices)}")
    if option.kind not in ("text", "names", "switch"):
        low, high = option.least, option.most
        if not (low is None or value >= low) or not (high is None or value <= high):
            bounds = f"{low:g} or more" if high is None else f"from {low:g} to {high:g}"
            raise UsageError(f"{option.name}: {value} is not {bounds}")


# What one may say of a plan beside the question: a whole plan in a few words, or changes to one. Declared
# once, like the options of a quote, and shown at every door with them.

SET = "set"
TOKEN_KEYS = ("training_tokens", "dataset_tokens", "samples", "tokens_per_sample", "epochs", "data_basis")
_OF_PRESET = (*TOKEN_KEYS, "global_batch_tokens", "sequence_length", "lora_rank", "name")


def _plan_option(name: str, help: str, *, kind: Any = "text", label: str = "", hint: str = "") -> QuoteOption:
    default: Any = () if kind == "names" else None
    flag = f"--{name.replace('_', '-')}"
    return QuoteOption(
        field=name,
        name=name,
        flag=flag,
        kind=kind,
        help=help,
        default=default,
        label=label,
        hint=hint,
        is_of_plan=True,
    )


PLAN_OPTIONS = (
    _plan_option(
        "model",
        "Network: a preset, a hub id (meta-llama/Llama-3.1-8B) or a loose name; then PLAN may be left out.",
    ),
    _plan_option("method", "pretrain, full_finetune, lora, qlora, dpo, distillation, ppo or grpo."),
    _plan_option("parameters", "Parameters of a network without a name, as in 7B."),
    _plan_option("samples", "Samples of the data set, as in 5000 or 20k."),
    _plan_option("tokens_per_sample", "Tokens of one sample on average."),
    _plan_option("dataset_tokens", "Tokens of one pass over the data set, as in 20M; instead of samples."),
    _plan_option("epochs", "Passes over the data set."),
    _plan_option("sequence_length", "Tokens of one sequence in training."),
    _plan_option(SET, "KEY=VALUE: one key of the plan, as in hardware.stack=unsloth.", kind="names"),
)
"""What makes or changes a plan."""


def question_options() -> tuple[QuoteOption, ...]:
    """All options that a question about a plan takes: those of the plan, then those of a quote."""
    return (*PLAN_OPTIONS, *quote_options())


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was given of the plan, and the rest; empty values are not given."""
    names = {option.name for option in PLAN_OPTIONS}
    of_plan = {
        key: value for key, value in values.items() if key in names and value not in (None, "", [], ())
    }
    return of_plan, {key: value for key, value in values.items() if key not in names}


def changed(keys: Mapping[str, Any] | None, values: Mapping[str, Any], *, is_preset: bool) -> dict[str, Any]:
    """A plan's keys with what was given in their place.

    Args:
        keys: of the plan, or `None` where the options are all there is.
        values: by the names of `PLAN_OPTIONS`.
        is_preset: the plan is a name alone, so that another method leaves its tokens behind.

    Raises:
        UsageError: there is neither plan nor network.
        InvalidPlanError: KEY=VALUE is none.
    """
    meant: dict[str, Any] = dict(keys or {})
    options = {name: value for name, value in values.items() if name != SET}
    if keys is None and not {"model", "parameters"} & options.keys() and not values.get(SET):
        raise UsageError("PLAN: is missing; name a file, a preset or -, or give --model")
    if is_preset and ("method" in options or _sets_method(values)):
        meant = {key: value for key, value in meant.items() if key not in _OF_PRESET}
    if "model" in options or "parameters" in options:
        meant.pop("model_basis", None)
    counted = (set(TOKEN_KEYS) - {"epochs"}) & options.keys()
    if counted:
        stays = _that_stay(counted)
        meant = {key: value for key, value in meant.items() if key not in TOKEN_KEYS or key in stays}
    if "epochs" in options and "training_tokens" in meant:
        raise InvalidPlanError(
            "epochs", "the plan gives training_tokens, which are all passes; give dataset_tokens"
        )
    meant |= options
    if "name" not in meant:
        words = [str(options[key]) for key in ("model", "parameters", "method") if key in options]
        meant["name"] = "-".join(words).lower().rpartition("/")[2].replace(" ", "-") or "plan"
    for text in cast(Sequence[str], values.get(SET) or ()):
        _set(meant, text)
    return meant


def _that_stay(counted: Set[str]) -> set[str]:
    """Of the keys that count tokens, those which others, given anew, leave as they are: samples beside a new length,
    and the other way round."""
    rest = {"samples"} if counted <= {"samples", "tokens_per_sample"} else set[str]()
    return {"epochs", "tokens_per_sample", *rest}


def _sets_method(values: Mapping[str, Any]) -> bool:
    texts = cast(Sequence[str], values.get(SET) or ())
    return any(text.partition("=")[0].strip() == "method" for text in texts)


def _set(keys: dict[str, Any], text: str) -> None:
    path, equals, written = text.partition("=")
    names = [name.strip() for name in path.split(".")]
    if not equals or not all(names):
        raise InvalidPlanError(
            "set", f"{text[:80]!r} is no KEY=VALUE, as in epochs=2 or hardware.stack=unsloth"
        )
    table = keys
    for name in names[:-1]:
        inner = table.get(name)
        table[name] = dict(cast(Mapping[str, Any], inner)) if isinstance(inner, Mapping) else {}
        table = table[name]
    if names[0] in TOKEN_KEYS and names != ["epochs"]:
        for name in set(TOKEN_KEYS) - _that_stay({names[0]}):
            keys.pop(name, None)
    table[names[-1]] = _value(written.strip())


def _value(text: str) -> Any:
    """A TOML value, else the text itself: `2`, `true`, `[2, 3]`, `20M`, `unsloth`."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text
