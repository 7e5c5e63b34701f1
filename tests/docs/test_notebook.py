"""The notebook runs from top to bottom and gives the answers that are stored in it.

`GPULEDGER_WRITE_DOCS=1 pytest tests/docs/test_notebook.py` stores what it gives now.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.docs.page_blocks import ROOT

NOTEBOOK = ROOT / "docs" / "notebooks" / "price-history.ipynb"
LARGEST_BYTES = 100_000
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def said(notebook: nbformat.NotebookNode) -> list[str]:
    """What each cell printed and returned, as text; of a picture, that there is one."""
    return [
        "".join(_text(output) for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _text(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return output.text
    return "picture" if "image/png" in output.data else output.data["text/plain"]


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out what differs from run to run: times of cells, pieces of what was printed, the kernel's version."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        printed = [output for output in cell.get("outputs", ()) if output.output_type == "stream"]
        if printed:
            printed[0].text = "".join(output.text for output in printed)
            cell.outputs = [output for output in cell.outputs if output not in printed[1:]]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


@pytest.mark.documentation
def test_the_notebook_gives_what_is_stored_in_it(bundled_ledger: Path, tmp_path: Path):
    done, ledger = tmp_path / "done.ipynb", tmp_path / "ledger"
    # quotes are saved into the home, and other pages begin with a copy of it as it was
    shutil.copytree(bundled_ledger, ledger)
    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "GPULEDGER_HOME": str(ledger),
        # the kernel speaks to its client through files of the user, and to nobody else
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK), str(tmp_path), str(done)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = nbformat.read(done, as_version=4)
    if os.environ.get("GPULEDGER_WRITE_DOCS") == "1" and said(seen) != said(
        nbformat.read(NOTEBOOK, as_version=4)
    ):
        tidy(seen)
        nbformat.write(seen, NOTEBOOK)
    answers = said(seen)
    assert "picture" in answers
    assert answers == said(nbformat.read(NOTEBOOK, as_version=4)), (
        "GPULEDGER_WRITE_DOCS=1 stores what was seen"
    )


def test_the_notebook_is_small_and_stored_without_times():
    assert NOTEBOOK.stat().st_size < LARGEST_BYTES
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert sum(bool(cell.get("outputs")) for cell in cells) >= 4
    assert [cell["id"] for cell in cells if "execution" in cell["metadata"]] == []
