"""Which prices a picture over time is asked for, as read from an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from gpuledger.core.errors import UsageError
from gpuledger.core.gpu import gpus
from gpuledger.core.spec import Spec, parse_spec
from gpuledger.parse import instant

DEFAULT_GPU = "h100-sxm-80gb"
OPTIONS = ("on_demand", "spot", "reserved", "capacity_block")
SPANS = {
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": timedelta(days=3650),
}
STATS = ("min", "median")
SHOWN = ("price", "index")
MOST_CARDS = 4
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# at most some 500 steps, whatever the span
STEPS = ((7 * DAY, HOUR), (60 * DAY, 6 * HOUR), (400 * DAY, DAY))
LONGEST_STEP = 7 * DAY


@dataclass(frozen=True)
class Card:
    """One accelerator that is drawn, with the instance sizes that are meant."""

    gpu_id: str
    min_count: float | None
    max_count: float | None

    @property
    def name(self) -> str:
        """For people."""
        chip = gpus().get(self.gpu_id)
        name = self.gpu_id if chip is None else chip.name
        return f"{name} x{self.max_count:g}" if self.max_count is not None else name

    @property
    def spec(self) -> str:
        """As one asks for it elsewhere."""
        if self.max_count is None:
            return self.gpu_id
        counts = (
            f"{self.max_count:g}"
            if self.min_count == self.max_count
            else f"{self.min_count:g}..{self.max_count:g}"
        )
        return f"{self.gpu_id}:{counts}"


@dataclass(frozen=True)
class ChartForm:
    """Which prices to draw."""

    gpu: str
    cards: tuple[Card, ...]
    left_out: tuple[str, ...]
    """Accelerators that the question means as well, beyond the most that are compared."""
    providers: tuple[str, ...]
    option: str
    region: str
    span: str
    stat: str
    show: str
    since: datetime
    until: datetime

    @property
    def is_comparison(self) -> bool:
        """Whether lines are accelerators and not providers."""
        return len(self.cards) > 1

    @property
    def step(self) -> timedelta:
        """Length of a step: some hours, or whole days."""
        span = self.until - self.since
        return next((step for limit, step in STEPS if span <= limit), LONGEST_STEP)

    @property
    def rest(self) -> str:
        """The same question as an address of the REST interface, without a format."""
        if self.show == "index":
            named = {"gpu": ",".join(card.gpu_id for card in self.cards), "purchase_option": self.option}
        else:
            named = {
                "gpu": ",".join(card.spec for card in self.cards),
                "provider": ",".join(self.providers),
                "region": self.region,
                "purchase_option": self.option,
            }
        named |= {"from": self.since.date().isoformat(), "to": self.until.isoformat()}
        return urlencode({name: value for name, value in named.items() if value})


def read_chart_form(
    inputs: Mapping[str, str], now: datetime, offers: Mapping[str, int] | None = None
) -> ChartForm:
    """The question in an address.

    Args:
        offers: on sale of each accelerator, which decides where a name means more than four.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: a field cannot be understood.
    """
    option = _one_of("option", inputs.get("option") or "on_demand", OPTIONS)
    span = _one_of("span", inputs.get("span") or "1y", tuple(SPANS))
    stat = _one_of("stat", inputs.get("stat") or "min", STATS)
    show = _one_of("show", inputs.get("show") or "price", SHOWN)
    until = instant(inputs.get("to") or inputs.get("as_of") or None, "to") or now
    # to the minute, so that addresses and kept answers repeat
    until = until.replace(second=0, microsecond=0)
    since = instant(inputs.get("from") or None, "from") or until - SPANS[span]
    if since >= until:
        raise UsageError(f"from: {since.date()} is not before {until.date()}")
    text = ",".join(part for part in (inputs.get("gpu") or DEFAULT_GPU, inputs.get("add", "")) if part)
    cards, left_out = _cards(text, offers or {})
    return ChartForm(
        gpu=",".join(card.spec for card in cards),
        cards=cards,
        left_out=left_out,
        providers=tuple(
            name.strip().lower() for name in inputs.get("provider", "").split(",") if name.strip()
        ),
        option=option,
        region=inputs.get("region") or "",
        span=span,
        stat=stat,
        show=show,
        since=since,
        until=until,
    )


def as_filled_in(inputs: Mapping[str, str], form: ChartForm) -> ChartForm:
    """A form with the words of an address that cannot be answered, to be mended."""
    typed = {name: inputs[name] for name in ("gpu", "option", "region", "span", "show") if inputs.get(name)}
    return replace(form, providers=tuple(filter(None, [inputs.get("provider")])), **typed)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UsageError(f"{name}: {value[:40]!r} is none of {', '.join(allowed)}")
    return value


def _cards(text: str, offers: Mapping[str, int]) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    """Each accelerator that the SPECs mean is a line of its own: A100 is several cards."""
    card_by_gpu: dict[str, Card] = {}
    for piece in (piece.strip() for piece in text.split(",")):
        if piece:
            spec: Spec = parse_spec(piece)
            for gpu_id in sorted(spec.gpu_ids, key=lambda gpu_id: -offers.get(gpu_id, 0)):
                low = None if spec.min_count in (None, 1) and spec.max_count is None else spec.min_count
                card_by_gpu.setdefault(gpu_id, Card(gpu_id, low, spec.max_count))
    sold = [card for card in card_by_gpu.values() if offers.get(card.gpu_id, 0)] or list(card_by_gpu.values())
    return tuple(sold[:MOST_CARDS]), tuple(card.name for card in sold[MOST_CARDS:])
