"""What Google's price lists leave to the documentation of its machine series."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Build:
    """How a machine series is put together: families of its vCPU and memory SKUs, of which the first that is
    sold in a region counts, none where the GPU's price holds all; and GiB of local SSD with each GPU."""

    families: tuple[str, ...] = ()
    ssd_gib_per_gpu: int = 0


BUILDS = {
    "n1-standard": Build(("N1 Predefined",)),
    "g2-standard": Build(("G2",)),
    "g4-standard": Build(("G4",)),
    "a2-highgpu": Build(("A2",)),
    "a2-megagpu": Build(("A2",)),
    "a2-ultragpu": Build(("A2",), 375),
    "a3-highgpu": Build(("A3",), 750),
    "a3-megagpu": Build(("A3Plus", "A3"), 750),
    "a3-ultragpu": Build(("A3Ultra",), 1500),
    "a4-highgpu": Build(),
    "ct5lp-hightpu": Build(),
    "ct5p-hightpu": Build(),
    "ct6e-standard": Build(),
    "tpu7x-standard": Build(),
}
"""Compute Engine machine type documentation, read 2026."""
NOT_ON_DEMAND = re.compile(r"a4-|a3-ultragpu-|a3-highgpu-[124]g")
"""Sold as spot, flex-start or by reservation only, though SKUs price them (Compute Engine consumption
options documentation, read 2026)."""
