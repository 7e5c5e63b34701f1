"""Where one ledger lives: its folder, and the places of everything in it. Nothing here loads DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpuledger.core.config import LakeAddress, Settings, lake_address
from gpuledger.core.errors import StoreError
from gpuledger.core.files import delete

LEDGER = "ledger.duckdb"


@dataclass(frozen=True)
class Home:
    """Where one ledger lives."""

    path: Path
    database_name: str = LEDGER
    lake: LakeAddress | None = None
    """The shared log that this ledger follows, if it is not the home's own."""
    has_history: bool = False
    """Whether the history that ships with the program belongs into it; the settings say so unless told otherwise."""

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
        """Delete the writer's file and its write-ahead log.

        Raises:
            StoreError: the disk refused.
        """
        delete(self.database)
        self.remove_log()

    def remove_log(self) -> None:
        """Delete the write-ahead log that a killed writer left, because its file goes too.

        Raises:
            StoreError: the disk refused.
        """
        from gpuledger.core.store import recover

        delete(recover.log_of(self.database))

    @property
    def store_note(self) -> Path:
        """Says which shared store this home follows, since its first opening."""
        return self.path / "store-id"

    def store_id(self) -> str | None:
        """Id of the shared store that this home was opened with before."""
        if self.lake is None:
            return None
        try:
            place, _, identity = self.store_note.read_text(encoding="utf-8").strip().rpartition(" ")
        except OSError:
            return None
        return identity if place == _place(self.lake) else None

    def note_store(self, store_id: str) -> None:
        """Remember the shared store: from now on its folders are looked for before every turn.

        Raises:
            StoreError: the disk refused.
        """
        if self.lake is None or self.store_id() == store_id:
            return
        try:
            self.store_note.write_text(f"{_place(self.lake)} {store_id}\n", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot write {self.store_note}: {error.strerror}") from error

    def check_store(self) -> None:
        """Make sure that the folders of the shared store are there, where this home knows it already.

        Raises:
            NotMountedError: they are not.
        """
        store_id = self.store_id()
        if self.lake is not None and store_id is not None:
            from gpuledger.core.store.shared import marker

            marker.check_marker(self.lake, store_id)

    def create(self) -> None:
        """Make the folders of this machine, readable by their owner alone. Those that machines share are made once, by
        whoever makes the shared store.

        Raises:
            StoreError: they cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.snapshots.mkdir(exist_ok=True)
            if self.lake is None:
                self.archive.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot use {self.path} as the ledger's home: {error.strerror}") from error


def _place(lake: LakeAddress) -> str:
    return f"{lake.host}:{lake.port}/{lake.database}/{lake.schema}"


def home_of(settings: Settings) -> Home:
    """The home that the settings name."""
    return Home(settings.home, lake=lake_address(settings.store), has_history=settings.history)
