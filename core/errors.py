"""Every error gpuledger raises, grouped by what the caller should do about it.

GPULedgerError
├── ConfigError                    stop: the operator must change a setting
│   └── MissingCredentialError     skip this source and say which variable is missing
├── UsageError                     stop: an argument cannot be understood; names it and the value seen
├── SourceError (source, url)      this source failed; the others go on and the past stays
│   ├── TransientFetchError        retry: timeouts, resets, 429, 5xx
│   ├── RefusedFetchError          do not retry: 401, 403, 404, a redirect or a size we do not accept
│   ├── ParseError                 the shape changed: the bytes are archived, somebody must look
│   └── ContractError (report)     parsed, but not believable: the batch is quarantined
├── StoreError                     stop: the ledger cannot be read or written
│   ├── ClockError                 a clock is ahead: set it right, or `gpuledger repair`
│   ├── StoreBusyError             retry soon: another writer holds the ledger
│   ├── NotMountedError            a folder of the shared store is not there: mount it
│   ├── UnreachableError           the shared store's catalogue does not answer; fetching goes on
│   ├── EmptyLedgerError           refresh first: nothing was ever published
│   ├── CorruptError               a stored byte is not what was written; names the file
│   └── MigrationError             stop: the ledger is of another release
│       └── OlderReleaseError      the shared store is of a newer one: reading and fetching go on
└── EstimateError
    ├── InvalidPlanError           names the field, the bound and the value seen
    ├── UnknownGPUError            suggests the nearest ids
    ├── DoesNotFitError            says by how much
    └── NoOfferError               says which filter removed the last one
"""

from __future__ import annotations

from collections.abc import Sequence


class GPULedgerError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(GPULedgerError):
    """A setting is missing or wrong."""


class MissingCredentialError(ConfigError):
    """A source needs a key that the environment does not hold."""

    def __init__(self, source: str, variables: Sequence[str]) -> None:
        self.source = source
        self.variables = tuple(variables)
        super().__init__(f"{source}: no credential; set {' or '.join(self.variables)}")


class UsageError(GPULedgerError):
    """An argument, a filter or a SPEC cannot be understood."""


class SourceError(GPULedgerError):
    """One source failed. Carries the source's name and the address, never a secret."""

    def __init__(self, source: str, url: str, message: str) -> None:
        self.source = source
        self.url = url
        self.message = message
        super().__init__(f"{source}: {message} ({url})")


class TransientFetchError(SourceError):
    """Worth another attempt: timeout, connection reset, 429 or 5xx."""

    def __init__(self, source: str, url: str, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(source, url, message)


class RefusedFetchError(SourceError):
    """Another attempt would end the same way."""


class ParseError(SourceError):
    """The document does not have the shape the adapter knows."""


class ContractError(SourceError):
    """The batch parsed but breaks the source's contract; `breaches` says how."""

    def __init__(self, source: str, url: str, breaches: Sequence[str]) -> None:
        self.breaches = tuple(breaches)
        super().__init__(source, url, "; ".join(breaches))


class StoreError(GPULedgerError):
    """The ledger cannot be read or written."""


class StoreBusyError(StoreError):
    """Another writer holds the ledger."""


class LeasedError(StoreBusyError):
    """Another process reads the source all the time, or took it over."""


class ClockError(StoreError):
    """A clock is, or was, ahead of the one that all machines of a store have in common."""


class NotMountedError(StoreError):
    """A folder of the shared store is not mounted, or is another store's."""


class UnreachableError(StoreError):
    """The catalogue of the shared store does not answer."""


class EmptyLedgerError(StoreError):
    """No snapshot was ever published."""


class OutdatedError(StoreError):
    """The newest snapshot was made by another release; publishing again mends it."""


class CorruptError(StoreError):
    """Stored bytes differ from what was written."""


class MigrationError(StoreError):
    """The ledger cannot be brought to this release's schema."""


class OlderReleaseError(MigrationError):
    """The shared store is of a newer release than this machine's program, which goes on reading and fetching."""


class EstimateError(GPULedgerError):
    """A plan cannot be estimated or priced."""


class InvalidPlanError(EstimateError):
    """A plan's field is missing, unknown or out of bounds."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"plan: {message}" if field == "plan" else f"plan: {field}: {message}")


class UnknownGPUError(EstimateError):
    """No such accelerator; `nearest` holds the closest ids."""

    def __init__(self, seen: str, nearest: Sequence[str] = ()) -> None:
        self.seen = seen
        self.nearest = tuple(nearest)
        hint = f"; did you mean {', '.join(self.nearest)}?" if self.nearest else ""
        super().__init__(f"unknown GPU {seen!r}{hint}")


class DoesNotFitError(EstimateError):
    """The plan's memory need exceeds what the hardware has."""


class TooSlowError(DoesNotFitError):
    """It fits, and no token of an answer comes in the time that is allowed."""

    def __init__(self, message: str, milliseconds_per_token: float) -> None:
        super().__init__(message)
        self.milliseconds_per_token = milliseconds_per_token
        """Of the fastest answer."""


class NoOfferError(EstimateError):
    """No offer is left; the message says which filter removed the last one."""
