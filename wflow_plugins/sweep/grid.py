"""The grid of a sweep: YAML -> validated options, every error at once, each at file:line:column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from wflow_core.specs.yaml_source import Source, read_file

from wflow_core.errors import SpecError, suggest
from wflow_core.interfaces.component import Options
from wflow_core.specs.overrides import is_path
from wflow_core.specs.problems import Path as Keys, dotted, location_key, validate

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"\S")]


class Column(Options):
    """A column of the table: one measure of every row."""

    path: str = Field(
        pattern=r"^[^.\s]+(\.[^.\s]+)*$",
        description="place in `metrics.json`; where a mean and a std stand there, both are shown",
    )
    label: Name | None = Field(None, description="heading; none: made from the path")
    digits: int = Field(3, ge=0, le=12, description="digits after the point")


class Row(Options):
    """A row: overrides of a spec, and what was published of it."""

    name: Name = Field(description="what the table calls it")
    spec: str | None = Field(None, description="base spec of this row; none: that of the grid")
    set: dict[str, Any] = Field(
        {}, description="overrides, such as `coupling.type: ot`, after those of all rows"
    )
    published: dict[str, float] = Field(
        {}, description="published figures by path, such as `samples.accuracy.mean: 0.998`"
    )


COLUMNS = (
    Column(path="samples.accuracy", label="accuracy"),
    Column(path="samples.loss", label="loss"),
    Column(path="novelty.nearest_ratio", label="nearest"),
)


class Grid(Options):
    """What a sweep runs, and what its table shows."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="title of the table, names the folder"
    )
    spec: str | None = Field(
        None, description="base spec, its path relative to the grid's file; rows may have their own"
    )
    seeds: tuple[Seed, ...] | None = Field(
        None, description="each row runs with each; none: with its spec's alone"
    )
    set: dict[str, Any] = Field({}, description="overrides for all rows")
    rows: tuple[Row, ...] = Field((), description="rows, one by one")
    grid: dict[str, tuple[Any, ...]] = Field(
        {}, description="axes: path -> values; a row for each combination, after `rows`"
    )
    columns: tuple[Column, ...] = Field(
        COLUMNS, description="what the table shows, beside seeds and seconds"
    )


@dataclass(frozen=True)
class GridFile:
    """A validated grid, and the file, which knows the places of its values."""

    path: Path
    grid: Grid
    source: Source


def read_grid(path: Path) -> GridFile:
    """Read and validate a grid; its rows' specs are not looked at.

    Raises:
        SpecError: with every problem, each at its place.
    """
    source = read_file(path)
    if not isinstance(source.data, dict):
        raise SpecError([f"{source.place(())}: a grid must be a mapping of names"])
    grid, problems = validate(Grid, source.data, source, ())
    problems += _contradictions(grid, source) if grid else []
    if grid is None or problems or source.problems:
        raise SpecError(sorted({*source.problems, *problems}, key=location_key))
    return GridFile(path, grid, source)


def _contradictions(grid: Grid, source: Source) -> list[str]:
    found: list[tuple[Keys, str]] = [*_without_spec(grid), *_paths(grid), *_twice(grid)]
    found += _unseen(grid)
    if not grid.rows and not grid.grid:
        found.append(((), "there is nothing to run: give `rows`, or axes under `grid`"))
    lists: dict[Keys, Any] = {("seeds",): grid.seeds, ("columns",): grid.columns}
    lists |= {("grid", axis): values for axis, values in grid.grid.items()}
    empty = (path for path, values in lists.items() if values is not None and not values)
    found += [(path, f"{dotted(path)}: give at least one") for path in empty]
    return [f"{source.keys.get(path) or source.place(path)}: {text}" for path, text in found]


def _without_spec(grid: Grid) -> Iterator[tuple[Keys, str]]:
    if grid.spec is None:
        for i, row in enumerate(grid.rows):
            if row.spec is None:
                yield ("rows", i), f"row {row.name!r} has no spec: give `spec` here, or for all"
        if grid.grid:
            yield ("grid",), "these rows have no spec: give `spec` for all"


def _paths(grid: Grid) -> Iterator[tuple[Keys, str]]:
    """Overrides that cannot be meant."""
    sets: list[tuple[Keys, Any]] = [(("set",), grid.set), (("grid",), grid.grid)]
    sets += [(("rows", i, "set"), row.set) for i, row in enumerate(grid.rows)]
    for at, assigned in sets:
        for name in assigned:
            if not is_path(name):
                yield (*at, name), f"{dotted(at)}: {name!r} must look like zoo.networks"
            if name == "seed" and grid.seeds is not None:
                yield (*at, name), f"{dotted(at)}: seed is given by `seeds` already"


def _twice(grid: Grid) -> Iterator[tuple[Keys, str]]:
    lists: dict[Keys, list[Any]] = {
        ("seeds",): list(grid.seeds or ()),
        ("columns",): [column.path for column in grid.columns],
        ("rows",): [row.name for row in grid.rows],
    }
    for path, values in lists.items():
        for value, times in Counter(values).items():
            if times > 1:
                again = len(values) - 1 - values[::-1].index(value)
                yield (*path, again), f"{dotted(path)}: {value!r} is given twice"


def _unseen(grid: Grid) -> Iterator[tuple[Keys, str]]:
    """Published figures that no column shows: a slip, most often."""
    shown = [p for c in grid.columns for p in (c.path, f"{c.path}.mean", f"{c.path}.std")]
    for i, row in enumerate(grid.rows):
        for path in row.published:
            if path not in shown:
                columns = ", ".join(column.path for column in grid.columns)
                yield (
                    ("rows", i, "published", path),
                    f"published {path} is shown by no column{suggest(path, shown)}; "
                    f"columns: {columns}",
                )
