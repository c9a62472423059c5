"""The grid of a sweep: YAML -> validated options, every error at once, each at file:line:column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from wflow_core.errors import SpecError, suggest
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.components import KeyPath
from wflow_core.specs.located_yaml import LocatedYaml, read_file
from wflow_core.specs.overrides import is_path
from wflow_core.specs.problems import dotted, location_key, validate

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"\S")]


class Column(Options):
    """A column of the table: one number of every row."""

    path: str = Field(
        pattern=r"^[^.\s]+(\.[^.\s]+)*$",
        description="path in `metrics.json`: of a number, or of a mean with a std",
    )
    label: Name | None = Field(None, description="heading [of the metric, or the path in words]")
    digits: int = Field(3, ge=0, le=12, description="digits after the point")


class Row(Options):
    """A row: overrides of a spec, and published figures to compare with."""

    name: Name = Field(description="name in the table")
    spec: str | None = Field(None, description="base spec of this row [that of the grid]")
    set: dict[str, Any] = Field(
        {}, description="overrides, such as `coupling.type: ot`, after those of all rows"
    )
    published: dict[str, float] = Field(
        {}, description="published figures by path, such as `samples.accuracy.mean: 0.998`"
    )


COLUMNS = (
    Column(path="samples.accuracy"),
    Column(path="samples.loss"),
    Column(path="novelty.nearest_ratio"),
)


class Grid(Options):
    """The runs of a sweep, and the columns of its table."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="title of the table, name of the folder",
    )
    spec: str | None = Field(
        None, description="base spec, relative to the grid's file; rows may have their own"
    )
    seeds: tuple[Seed, ...] | None = Field(
        None, description="seeds of every row [that of its spec]"
    )
    set: dict[str, Any] = Field({}, description="overrides for all rows")
    rows: tuple[Row, ...] = Field((), description="rows, one by one")
    grid: dict[str, tuple[Any, ...]] = Field(
        {}, description="axes: path -> values; a row for each combination, after `rows`"
    )
    columns: tuple[Column, ...] = Field(
        COLUMNS, description="columns of the table, beside seeds and seconds"
    )


@dataclass(frozen=True)
class GridFile:
    """A validated grid, and the file with the location of every value."""

    path: Path
    grid: Grid
    source: LocatedYaml


Problem = tuple[KeyPath, str]
"""Path of a value in the grid, and what is wrong with it."""


def read_grid(path: Path) -> GridFile:
    """Read and validate a grid, but not the specs of its rows.

    Raises:
        SpecError: with every problem, each at its location.
    """
    source = read_file(path)
    if not isinstance(source.data, dict):
        raise SpecError([f"{source.location(())}: a grid must be a mapping of names"])
    grid, problems = validate(Grid, source.data, source, ())
    problems += _contradictions(grid, source) if grid else []
    if grid is None or problems or source.problems:
        raise SpecError(sorted({*source.problems, *problems}, key=location_key))
    return GridFile(path, grid, source)


def _contradictions(grid: Grid, source: LocatedYaml) -> list[str]:
    problems: list[Problem] = [*_missing_specs(grid), *_invalid_overrides(grid)]
    problems += [*_duplicates(grid), *_hidden_figures(grid)]
    if not grid.rows and not grid.grid:
        problems.append(((), "there is nothing to run: give `rows`, or axes under `grid`"))
    lists: dict[KeyPath, Any] = {("seeds",): grid.seeds, ("columns",): grid.columns}
    lists |= {("grid", axis): values for axis, values in grid.grid.items()}
    empty = (path for path, values in lists.items() if values is not None and not values)
    problems += [(path, f"{dotted(path)}: give at least one") for path in empty]
    return [f"{source.keys.get(path) or source.location(path)}: {text}" for path, text in problems]


def _missing_specs(grid: Grid) -> Iterator[Problem]:
    if grid.spec is None:
        for i, row in enumerate(grid.rows):
            if row.spec is None:
                yield ("rows", i), f"row {row.name!r} has no spec: give `spec` here, or for all"
        if grid.grid:
            yield ("grid",), "these rows have no spec: give `spec` for all"


def _invalid_overrides(grid: Grid) -> Iterator[Problem]:
    """Overrides of no path of a spec, or of the seed beside ``seeds``."""
    mappings: list[tuple[KeyPath, Any]] = [(("set",), grid.set), (("grid",), grid.grid)]
    mappings += [(("rows", i, "set"), row.set) for i, row in enumerate(grid.rows)]
    for path, overrides in mappings:
        for name in overrides:
            if not is_path(name):
                yield (*path, name), f"{dotted(path)}: {name!r} must look like zoo.networks"
            if name == "seed" and grid.seeds is not None:
                yield (*path, name), f"{dotted(path)}: seed is given by `seeds` already"


def _duplicates(grid: Grid) -> Iterator[Problem]:
    lists: dict[KeyPath, list[Any]] = {
        ("seeds",): list(grid.seeds or ()),
        ("columns",): [column.path for column in grid.columns],
        ("rows",): [row.name for row in grid.rows],
    }
    for path, values in lists.items():
        for value, count in Counter(values).items():
            if count > 1:
                last = len(values) - 1 - values[::-1].index(value)
                yield (*path, last), f"{dotted(path)}: {value!r} is given twice"


def _hidden_figures(grid: Grid) -> Iterator[Problem]:
    """Published figures that no column shows, often a typing error."""
    shown = [p for c in grid.columns for p in (c.path, f"{c.path}.mean", f"{c.path}.std")]
    columns = ", ".join(column.path for column in grid.columns)
    for i, row in enumerate(grid.rows):
        for path in row.published:
            if path not in shown:
                yield (
                    ("rows", i, "published", path),
                    f"published {path} is shown by no column{suggest(path, shown)}; "
                    f"columns: {columns}",
                )
