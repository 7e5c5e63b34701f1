"""The whole program as click runs it, made once: typer makes a command of it anew at every call, which takes longer
than most answers."""

import warnings

from typer.main import get_command

with warnings.catch_warnings():
    # typer 0.21 imports names that click 8.5 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from gpuledger.cli.main import app as _typed

app = get_command(_typed)
