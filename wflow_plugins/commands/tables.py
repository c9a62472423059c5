"""Where tables are printed."""

from __future__ import annotations

from rich.console import Console

WIDTH = 120
"""Columns of text that is not printed on a terminal."""


def make_console() -> Console:
    """A console on stdout, as wide as the terminal where it is one."""
    return Console(width=None if Console().is_terminal else WIDTH)
