"""What the user pays otherwise than the list says: discounts, contracted rates, credits and owned
machines.

Read from `overrides.toml` of the home directory (or `$GPULEDGER_OVERRIDES`). List prices are never changed:
every override becomes a line of its own, or, for owned machines, an offer of the provider `owned`.

    [[discount]]
    provider = "coreweave"           # gpu (a SPEC) and purchase_option narrow it further
    percent = 30

    [[contract]]
    provider = "lambda"
    gpu = "H100-SXM"
    usd_per_gpu_hour = 2.10

    [[credit]]
    provider = "runpod"              # a credit is one provider's money
    usd = 500

    [[owned]]
    name = "lab"
    gpu = "a100-sxm-80gb"
    gpus = 16
    gpus_per_node = 8
    capex_usd = 250000               # 0 or left out: paid long ago, power and usd_per_month alone count
    life_months = 48                 # needed with capex_usd
    watts_per_gpu = 800
    usd_per_kwh = 0.15
    power_usage_effectiveness = 1.3
    usd_per_month = 1200             # space, repair, administration
    utilisation = 0.8                # share of its hours in which it works for anybody
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from gpuledger.core.cost.assumption import default_value
from gpuledger.core.count import MICRO
from gpuledger.core.errors import ConfigError, EstimateError, UsageError
from gpuledger.core.gpu import gpu
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.provider_name import provider_id
from gpuledger.core.spec import parse_spec
from gpuledger.core.store.offers import LatestOffer


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Other terms for offers of a provider: a share off the list price, or a rate instead of it."""

    line: str
    """The rule as the user wrote it, for the receipt."""
    provider: str | None
    gpu_ids: frozenset[str]
    """Empty: any."""
    purchase_option: str | None
    off: Decimal | None = None
    """Share of the list price, 0 to 1."""
    usd_per_gpu_hour: Decimal | None = None

    def price(self, offer: LatestOffer) -> Decimal:
        """US dollars per hour of one price unit of the offer under these terms."""
        assert offer.usd_per_hour is not None
        if self.usd_per_gpu_hour is not None:
            return self.usd_per_gpu_hour * offer.gpu_count
        return offer.usd_per_hour * (1 - (self.off or 0))

    def matches(self, provider: str, gpu_id: str | None, purchase_option: str) -> bool:
        """Whether offers of that kind have these terms."""
        return (
            self.provider in (None, provider)
            and (not self.gpu_ids or gpu_id in self.gpu_ids)
            and self.purchase_option in (None, purchase_option)
        )


@dataclass(frozen=True, kw_only=True)
class Credit:
    """Money that a provider lets one spend."""

    line: str
    provider: str
    usd: Decimal


@dataclass(frozen=True, kw_only=True)
class OwnedMachines:
    """A cluster bought, with what an hour of it costs."""

    name: str
    line: str
    gpu_id: str
    gpus: int
    gpus_per_node: int
    capex_usd: Decimal
    life_months: Decimal
    watts_per_gpu: Decimal
    usd_per_kwh: Decimal
    power_usage_effectiveness: Decimal
    usd_per_month: Decimal
    utilisation: Decimal

    @property
    def usd_per_gpu_hour(self) -> Decimal:
        """Purchase and running costs over the hours that it works, and the power of such an hour.

        capex / life + monthly costs, per GPU and hour of 730 a month, divided by utilisation; plus
        watts x PUE x price of a kWh.
        """
        monthly = self.capex_usd / self.life_months + self.usd_per_month
        hourly = monthly / (self.gpus * HOURS_PER_MONTH * self.utilisation)
        return (hourly + self.power_usd_per_gpu_hour).quantize(MICRO)

    @property
    def power_usd_per_gpu_hour(self) -> Decimal:
        """Electricity alone."""
        return self.watts_per_gpu / 1000 * self.power_usage_effectiveness * self.usd_per_kwh

    def offer(self, now: datetime) -> LatestOffer:
        """The machines as an offer of the provider `owned`."""
        hourly = self.usd_per_gpu_hour * self.gpus_per_node
        chip = gpu(self.gpu_id)
        blank: dict[str, Any] = dict.fromkeys(LatestOffer.__slots__)
        existing: dict[str, Any] = blank | {
            "price_id": f"override:owned:{self.name}",
            "offer_id": f"owned:{self.name}",
            "source": "overrides",
            "source_kind": "override",
            "provider": "owned",
            "sku": self.name,
            "instance_type": self.name,
            "region": "own",
            "gpu_label": self.gpu_id,
            "gpu_id": self.gpu_id,
            "gpu_name": chip.name,
            "gpu_count": Decimal(self.gpus_per_node),
            "max_gpus": self.gpus,
            "purchase_option": "on_demand",
            "availability": "available",
            "is_unlisted": False,
            "is_recorded": False,
            "amount": hourly,
            "currency": "USD",
            "unit": "hour",
            "usd_per_hour": hourly,
            "usd_per_gpu_hour": self.usd_per_gpu_hour,
            "valid_from": now,
            "last_seen_at": now,
            "fresh_until": now + timedelta(days=1),
        }
        return LatestOffer(**existing)


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """The whole file."""

    text: str = ""
    """As the user wrote it, for a lock file."""
    rules: tuple[Rule, ...] = ()
    credits: tuple[Credit, ...] = ()
    owned: tuple[OwnedMachines, ...] = ()

    def rule(self, provider: str, gpu_id: str | None, purchase_option: str) -> Rule | None:
        """The first rule that matches: a contract comes before a discount, as it was agreed on for that
        offer."""
        result = [rule for rule in self.rules if rule.matches(provider, gpu_id, purchase_option)]
        return next((rule for rule in result if rule.usd_per_gpu_hour is not None), next(iter(result), None))


def credits_at(provider: str, credits: Iterable[Credit]) -> tuple[Credit, ...]:
    """Those that may be spent at the provider."""
    return tuple(credit for credit in credits if credit.provider == provider)


def read_overrides(text: str, origin: str) -> Overrides:
    """The overrides written in `text`.

    Args:
        origin: where the text is from, for messages.

    Raises:
        ConfigError: not TOML, or a key is unknown, missing or out of bounds.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: not TOML: {error}") from error
    readers: dict[str, Callable[[_Table], Any]] = {
        "discount": _discount,
        "contract": _contract,
        "credit": _credit,
        "owned": _owned,
    }
    read: dict[str, list[Any]] = {name: [] for name in readers}
    for name, tables in content.items():
        if name not in readers:
            raise ConfigError(f"{origin}: unknown table {name!r}; known are {', '.join(readers)}")
        if not isinstance(tables, list):
            raise ConfigError(f"{origin}: write [[{name}]], got {tables!r:.60}")
        for position, table in enumerate(cast(list[Any], tables)):
            if not isinstance(table, Mapping):
                raise ConfigError(f"{origin}: write [[{name}]], got {table!r:.60}")
            keys = _Table(f"{origin}: {name}[{position}]", cast(Mapping[str, Any], table))
            read[name].append(readers[name](keys))
            keys.refuse_the_rest()
    return Overrides(
        text=text,
        rules=(*read["contract"], *read["discount"]),
        credits=tuple(read["credit"]),
        owned=tuple(read["owned"]),
    )


def _seen(value: object) -> str:
    return " and missing" if value is None else f", got {value!r:.60}"


class _Table:
    """Keys of one table; each read once, what is left over is refused."""

    def __init__(self, place: str, keys: Mapping[str, Any]) -> None:
        self._place = place
        self._keys = keys
        self._read: set[str] = set()
        self.line = ", ".join(f"{key} = {value}" for key, value in keys.items())

    def text(self, key: str, default: str | None = "") -> str | None:
        self._read.add(key)
        value = self._keys.get(key, default)
        if value == "" or not isinstance(value, str | None):
            raise ConfigError(f"{self._place}.{key}: a text is needed{_seen(self._keys.get(key))}")
        return value

    def number(
        self,
        key: str,
        default: Decimal | None = None,
        *,
        most: Decimal | None = None,
        is_zero_allowed: bool = False,
    ) -> Decimal:
        self._read.add(key)
        value = self._keys.get(key, default)
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        number = Decimal(str(value)) if is_number else None
        if (
            number is None
            or not number.is_finite()
            or number < 0
            or (number == 0 and not is_zero_allowed)
            or (most is not None and number > most)
        ):
            limit = "of 0 or more" if is_zero_allowed else "above 0"
            limit += "" if most is None else f", at most {most}"
            raise ConfigError(f"{self._place}.{key}: a number {limit} is needed{_seen(value)}")
        return number

    def gpu_ids(self) -> frozenset[str]:
        spec = self.text("gpu", None)
        if spec is None:
            return frozenset()
        try:
            return frozenset(parse_spec(spec).gpu_ids)
        except (EstimateError, UsageError) as error:
            raise ConfigError(f"{self._place}.gpu: {error}") from error

    def one_gpu(self) -> str:
        spec = self.text("gpu")
        result = sorted(self.gpu_ids())
        if spec in result:
            return spec
        if len(result) != 1:
            raise ConfigError(f"{self._place}.gpu: {spec!r} means {', '.join(result)}; name one")
        return result[0]

    def refuse_the_rest(self) -> None:
        unknown: Sequence[str] = sorted(set(self._keys) - self._read)
        if unknown:
            raise ConfigError(f"{self._place}: unknown key {unknown[0]!r}, value {self._keys[unknown[0]]!r}")


def _discount(keys: _Table) -> Rule:
    return Rule(
        line=f"discount: {keys.line}",
        provider=keys.text("provider", None),
        gpu_ids=keys.gpu_ids(),
        purchase_option=keys.text("purchase_option", None),
        off=keys.number("percent", most=Decimal(100)) / 100,
    )


def _contract(keys: _Table) -> Rule:
    return Rule(
        line=f"contract: {keys.line}",
        provider=keys.text("provider"),
        gpu_ids=keys.gpu_ids(),
        purchase_option=keys.text("purchase_option", None),
        usd_per_gpu_hour=keys.number("usd_per_gpu_hour"),
    )


def _credit(keys: _Table) -> Credit:
    provider = keys.text("provider")
    assert provider is not None
    return Credit(line=f"credit: {keys.line}", provider=provider_id(provider), usd=keys.number("usd"))


def plan_credits(plan: TrainingPlan) -> tuple[Credit, ...]:
    """The credits that stand in a plan."""
    return tuple(
        Credit(
            line=f"credit: provider = {credit.provider}, usd = {credit.usd:f}",
            provider=provider_id(credit.provider),
            usd=credit.usd,
        )
        for credit in plan.credit
    )


def _owned(keys: _Table) -> OwnedMachines:
    name = keys.text("name")
    gpus = int(keys.number("gpus"))
    gpu_id = keys.one_gpu()
    capex_usd = keys.number("capex_usd", Decimal(0), is_zero_allowed=True)
    return OwnedMachines(
        name=name or "",
        line=f"owned: {keys.line}",
        gpu_id=gpu_id,
        gpus=gpus,
        gpus_per_node=min(gpus, int(keys.number("gpus_per_node", Decimal(gpu(gpu_id).gpus_per_node)))),
        capex_usd=capex_usd,
        # what was paid long ago has no life left to spread over
        life_months=keys.number("life_months", None if capex_usd else Decimal(1)),
        watts_per_gpu=keys.number("watts_per_gpu", Decimal(str(gpu(gpu_id).tdp_watts or 700))),
        usd_per_kwh=keys.number("usd_per_kwh", default_value("usd_per_kwh")),
        power_usage_effectiveness=keys.number(
            "power_usage_effectiveness", default_value("power_usage_effectiveness")
        ),
        usd_per_month=keys.number("usd_per_month", Decimal(0), is_zero_allowed=True),
        utilisation=keys.number("utilisation", Decimal(1), most=Decimal(1)),
    )
