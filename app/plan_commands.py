"""Commands about training plans: what they need and what they cost."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add this group's commands to the program."""
