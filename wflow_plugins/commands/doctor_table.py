"""The findings of ``wflow doctor`` as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from wflow_core.cli.console import console

Row = tuple[str, str]


def print_findings(found: dict[str, Any]) -> None:
    """Print a table for each section, and what to fix at the end."""
    terminal = console()
    for title in ROWS:
        broken = "problem" in found[title]
        rows = [("problem", found[title]["problem"])] if broken else ROWS[title](found[title])
        table = Table(
            title=title, title_justify="left", box=None, show_header=False, pad_edge=False
        )
        table.add_column(min_width=20, no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(Text(f"  {name}"), Text(value))  # Text: a name is no markup
        terminal.print(table)
    advice = found["advice"]
    terminal.print(Text("to fix" if advice else "nothing to fix", style="bold"))
    for line in advice:
        terminal.print(Text(f"  {line}"))


def _plain(found: dict[str, Any]) -> Iterable[Row]:
    return [(name, "not set" if value is None else str(value)) for name, value in found.items()]


def _versions(found: dict[str, Any]) -> Iterable[Row]:
    return [(name, "MISSING" if value is None else value) for name, value in found.items()]


def _devices(found: dict[str, Any]) -> Iterable[Row]:
    load = "" if found["load"] is None else f", load {found['load']:.1f}"
    yield "system", found["system"]
    yield "cpu", f"{found['cores']} cores, {found['threads']} threads of torch{load}"
    yield "torch build", found["torch build"]
    for number, device in enumerate(found["cuda"]):
        yield f"cuda:{number}", f"{device['name']}, {device['memory_gib']} GiB"
    if not found["cuda"]:
        yield "cuda", "none"


def _plugins(found: dict[str, Any]) -> Iterable[Row]:
    yield from ((kind, ", ".join(names) or "none") for kind, names in found["kinds"].items())
    yield "command", ", ".join(found["commands"]) or "none"
    yield from (("broken", f"{of['plugin']} {of['problem']}") for of in found["broken"])


def _data(found: dict[str, Any]) -> Iterable[Row]:
    for name, of in found.items():
        yield name, of["where"] if of["found"] else f"missing: {of['where']}"


def _folder(found: dict[str, Any]) -> Iterable[Row]:
    yield "path", found["path"]
    yield "writable", "yes" if found["writable"] else "no"
    yield "free", f"{found['free_bytes'] / 2**30:.1f} GiB"


ROWS = {
    "versions": _versions,
    "devices": _devices,
    "plugins": _plugins,
    "data": _data,
    "environment": _plain,
    "folder": _folder,
}
