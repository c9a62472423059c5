"""Where results are printed."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """The terminal, or lines of 120 columns where the output goes elsewhere."""
    return Console(width=None if Console().is_terminal else 120)
