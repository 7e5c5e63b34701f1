"""What a library's user prints is not mixed with what DuckDB draws."""

import subprocess
import sys

# Without a file DuckDB takes the program for a terminal, and draws a bar after two seconds.
SHOWN = """
import sys
from pathlib import Path
import duckdb
from gpuledger.core.store.database import writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.core.store.snapshot_pool import SnapshotPool
home, setting = Home(Path(sys.argv[1])), "select current_setting('enable_progress_bar')"
def shown(connection):
    return connection.execute(setting).fetchall()[0][0]
plain = shown(duckdb.connect())
with reading(home) as snapshot, SnapshotPool(home).reading() as served:
    ours = [shown(snapshot), shown(served.connection)]
with writing(home) as ledger:
    ours.append(shown(ledger))
print(plain, ours)
"""


def test_no_bar_is_drawn_into_the_output_of_python_c(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    command = [sys.executable, "-c", SHOWN, str(books.home.path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "True [False, False, False]"
