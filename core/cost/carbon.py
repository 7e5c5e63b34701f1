"""Energy and carbon of a run: kilowatt-hours from data sheets, grams of CO2 by place. Beside the money, never money.

    kWh   = GPU-hours x watts of a GPU with its share of the host x share of them that is drawn x PUE / 1000
    grams = kWh x grams per kWh of the grid of the region, else of its country

Grids are of `sql/seeds/carbon_intensity.csv`, dated and sourced, lifecycle grams of CO2 equivalent; what a provider
buys in certificates changes nothing of the grid and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gpuledger.core import seeds
from gpuledger.core.cost.assumption import default_value
from gpuledger.core.gpu import gpus

DRAWN_SHARE = 0.75
"""Of its most that an accelerator draws in training (Cottier et al. 2024, arXiv:2405.21015: 75 percent on average)."""


@lru_cache(maxsize=1)
def _grids() -> Mapping[tuple[str, str], seeds.SeedRow]:
    """By provider and region, and by country."""
    return {
        (row["provider"], row["region"]) if row["region"] else ("", row["country"]): row
        for row in seeds.rows("carbon_intensity")
    }


def energy(
    gpu_id: str, gpu_hours: Mapping[str, float], *, provider: str, region: str | None, country: str | None
) -> dict[str, Any]:
    """Kilowatt-hours and kilograms of CO2, low, mid and high as the hours are, and what they rest on.

    Where the place, its grid or the watts are not known, the figure is `None` and `basis` says why.
    """
    card = gpus().get(gpu_id)
    watts = None if card is None else card.tdp_watts
    if watts is None:
        return {"kwh": None, "kg_co2": None, "basis": f"no data sheet gives the watts of {gpu_id}"}
    ratio, pue = float(default_value("host_power_ratio")), float(default_value("power_usage_effectiveness"))
    each = watts * ratio * DRAWN_SHARE * pue / 1000
    kwh = {case: round(hours * each, 6) for case, hours in gpu_hours.items()}
    basis = f"{watts:g} W x {ratio:g} with the host x {DRAWN_SHARE:g} drawn x PUE {pue:g}"
    grid = _grids().get((provider, (region or "").lower())) or _grids().get(("", (country or "").upper()))
    if grid is None:
        where = "the offer is sold without a place" if not country else f"no figure for the grid of {country}"
        return {"kwh": kwh, "kg_co2": None, "basis": f"{basis}; {where}"}
    grams = float(grid["grams_co2_per_kwh"])
    place = grid["region"] or grid["country"]
    return {
        "kwh": kwh,
        "kg_co2": {case: round(used * grams / 1000, 6) for case, used in kwh.items()},
        "grams_co2_per_kwh": grams,
        "basis": f"{basis}; {grams:g} g CO2 per kWh in {place}, {grid['dated']}: {grid['source']}",
    }
