"""Where one ledger lives: its folder, and the places of everything in it. Nothing here loads DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpuledger.core.config import LakeAddress, Settings, lake_address
from gpuledger.core.errors import StoreError

LEDGER = "ledger.duckdb"


@dataclass(frozen=True)
class Home:
    """Where one ledger lives."""

    path: Path
    database_name: str = LEDGER
    lake: LakeAddress | None = None
    """The shared log that this ledger follows, if it is not the home's own."""

    @property
    def database(self) -> Path:
        return self.path / self.database_name

    @property
    def archive(self) -> Path:
        return self.lake.archive if self.lake else self.path / "archive"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def lock(self) -> Path:
        return self.path / "writer.lock"

    @property
    def is_ledger(self) -> bool:
        """Whether this is the ledger itself, of which there are snapshots, and not one that a replay builds."""
        return self.database_name == LEDGER

    @property
    def follows(self) -> LakeAddress | None:
        """The shared log that this database is kept up with; a replay builds its own from the archive alone."""
        return self.lake if self.is_ledger else None

    def remove_database(self) -> None:
        """Delete the writer's file and its write-ahead log."""
        self.database.unlink(missing_ok=True)
        self.remove_log()

    def remove_log(self) -> None:
        """Delete the write-ahead log that a killed writer left, because its file goes too."""
        from gpuledger.core.store import recover

        recover.log_of(self.database).unlink(missing_ok=True)

    def create(self) -> None:
        """Make the folders, readable by their owner alone.

        Raises:
            StoreError: they cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.archive.mkdir(exist_ok=True)
            self.snapshots.mkdir(exist_ok=True)
        except OSError as error:
            if self.lake is not None and error.filename == str(self.archive):
                raise StoreError(
                    f"cannot use {self.archive} as the shared archive: {error.strerror}"
                ) from error
            raise StoreError(f"cannot use {self.path} as the ledger's home: {error.strerror}") from error


def home_of(settings: Settings) -> Home:
    """The home that the settings name."""
    return Home(settings.home, lake=lake_address(settings.store))
