"""A ledger of what GPU clouds charged, when, and what a training plan costs with it.

    import gpuledger
    gpuledger.Ledger().cheapest("H100")

Names are loaded when they are first used: importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuledger.core.cost.options import QuoteOptions as QuoteOptions
    from gpuledger.core.errors import ConfigError as ConfigError
    from gpuledger.core.errors import CorruptError as CorruptError
    from gpuledger.core.errors import DoesNotFitError as DoesNotFitError
    from gpuledger.core.errors import EmptyLedgerError as EmptyLedgerError
    from gpuledger.core.errors import EstimateError as EstimateError
    from gpuledger.core.errors import GPULedgerError as GPULedgerError
    from gpuledger.core.errors import InvalidPlanError as InvalidPlanError
    from gpuledger.core.errors import NoOfferError as NoOfferError
    from gpuledger.core.errors import SourceError as SourceError
    from gpuledger.core.errors import StoreBusyError as StoreBusyError
    from gpuledger.core.errors import StoreError as StoreError
    from gpuledger.core.errors import UnknownGPUError as UnknownGPUError
    from gpuledger.core.errors import UsageError as UsageError
    from gpuledger.core.plan import TrainingPlan as TrainingPlan
    from gpuledger.ledger import Ledger as Ledger

    __version__: str

_ERRORS = (
    *(
        "ConfigError",
        "CorruptError",
        "DoesNotFitError",
        "EmptyLedgerError",
        "EstimateError",
        "GPULedgerError",
    ),
    *("InvalidPlanError", "NoOfferError", "SourceError", "StoreBusyError", "StoreError", "UnknownGPUError"),
    "UsageError",
)
_PLACES = {
    "Ledger": "gpuledger.ledger",
    "QuoteOptions": "gpuledger.core.cost.options",
    "TrainingPlan": "gpuledger.core.plan",
    **dict.fromkeys(_ERRORS, "gpuledger.core.errors"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("gpuledger")
        except PackageNotFoundError:
            return "0"
    if name not in _PLACES:
        raise AttributeError(f"module 'gpuledger' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *_PLACES, "__version__"))
