"""The options of a sweep's grid, of its rows and of its columns."""

from __future__ import annotations

from wflow_plugins.sweep.grid import Column, Grid, Row
from wflow_reference.options import Row as Option, rows, table

TAKES = {"rows": "list of [rows](#grid-row)", "columns": "list of [columns](#grid-column)"}
MAPPINGS = ("set", "grid", "published")


def grid() -> str:
    """A table each."""
    text = []
    for model in (Grid, Row, Column):
        name = model.__name__.lower()
        title = "## The grid's file" if model is Grid else f"## Each of its {name}s"
        found = table(["option", "takes", "default", "meaning"], [_cells(r) for r in rows(model)])
        text += [f"(grid-{name})=\n{title}", str(model.__doc__), found]
    return "\n\n".join(text)


def _cells(option: Option) -> list[str]:
    name, takes, default, meaning = option.cells()
    if option.name in MAPPINGS:
        takes = "mapping"
    takes = TAKES.get(option.name, takes)
    return [name, takes, "" if option.name == "columns" else default, meaning]
