"""The rows that a grid asks for: those written out, then the product of its axes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

from wflow_core.errors import SpecError
from wflow_core.interfaces.components import KeyPath
from wflow_plugins.sweep.grid import GridFile


@dataclass(frozen=True)
class RowPlan:
    """A row as the grid has it.

    Attributes:
        overrides: paths in the grid of the values, in the order in which they apply.
    """

    name: str
    spec: str
    overrides: tuple[KeyPath, ...]
    published: dict[str, float]

    @property
    def targets(self) -> list[str]:
        """The dotted path in the spec that each override sets: the last name of its own path."""
        return [str([key for key in path if isinstance(key, str)][-1]) for path in self.overrides]


def plan_rows(file: GridFile) -> list[RowPlan]:
    """The rows of a grid: those written out, then those of its axes.

    Raises:
        SpecError: two rows have the same name.
    """
    grid, plans = file.grid, list[RowPlan]()
    shared: tuple[KeyPath, ...] = tuple(("set", name) for name in grid.set)
    for i, row in enumerate(grid.rows):
        own: tuple[KeyPath, ...] = tuple(("rows", i, "set", name) for name in row.set)
        spec = str(row.spec or grid.spec)
        plans.append(RowPlan(row.name, spec, (*shared, *own), row.published))
    axes = [[(axis, i) for i in range(len(values))] for axis, values in grid.grid.items()]
    for point in product(*axes) if axes else ():
        name = ", ".join(format_value(grid.grid[axis][i]) for axis, i in point)
        on_axes: tuple[KeyPath, ...] = tuple(("grid", axis, i) for axis, i in point)
        if any(name == other.name for other in plans):
            at = file.source.location(on_axes[-1])
            raise SpecError([f"{at}: two rows would be called {name!r}; write them as `rows`"])
        plans.append(RowPlan(name, str(grid.spec), (*shared, *on_axes), {}))
    return plans


def format_value(value: Any) -> str:
    """A value in the name of a row: ``ot``, ``euler steps=4``, ``a + b``, ``none``."""
    if isinstance(value, list | tuple):
        return " + ".join(map(format_value, value)) or "none"
    if isinstance(value, dict):
        words = [f"{k}={format_value(v)}" for k, v in value.items() if k != "type"]
        return " ".join([*(str(v) for k, v in value.items() if k == "type"), *words])
    return value if isinstance(value, str) and value.strip() else json.dumps(value)
