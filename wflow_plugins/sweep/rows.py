"""The rows of a sweep: each a spec that is right, its seeds and its folders."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from wflow_core.assembly.assembly import Assembly
from wflow_core.specs.yaml_source import Source, read_file

from wflow_core.assembly.assemble import assemble
from wflow_core.errors import SpecError, WflowError, suggest
from wflow_core.specs.overrides import part, put
from wflow_core.specs.problems import Path as Keys, location_key
from wflow_core.specs.spec import parse
from wflow_plugins.sweep.grid import GridFile, read_grid

LONGEST = 60
"""Letters of a folder's name, at most."""


@dataclass(frozen=True)
class Plan:
    """A row as the grid has it.

    Attributes:
        sets: places in the grid of the overrides, in the order that they apply in.
    """

    name: str
    spec: str
    sets: tuple[Keys, ...]
    published: dict[str, float]

    @property
    def assigned(self) -> list[str]:
        """The path in the spec of each override: the last name on the way to its place."""
        return [str([key for key in at if isinstance(key, str)][-1]) for at in self.sets]


@dataclass(frozen=True)
class Run:
    """A row with one of its seeds.

    Attributes:
        folder: its name under ``rows/``.
        source: the spec with all overrides; read once, so that later edits change nothing.
        resolved: the spec with every option written out.
        allow_code: whether it may name code.
    """

    row: str
    seed: int
    folder: str
    source: Source
    resolved: dict[str, Any]
    allow_code: bool = False

    @property
    def label(self) -> str:
        return f"{self.row}, seed {self.seed}"

    def assemble(self) -> Assembly:
        """Fresh components, for one run."""
        return assemble(parse(deepcopy(self.source), allow_code=self.allow_code))


@dataclass(frozen=True)
class SweepRow:
    """A row: what it changes of which spec, and its runs, one a seed."""

    name: str
    spec: str
    set: dict[str, Any]
    published: dict[str, float]
    runs: tuple[Run, ...]


def load_rows(path: Path, allow_code: bool = False) -> tuple[GridFile, tuple[SweepRow, ...]]:
    """Read a grid and assemble the spec of every row, so that what cannot run is known before.

    Args:
        allow_code: import the code that specs name, which may do anything.

    Raises:
        SpecError: with every problem of all rows, each with its rows.
    """
    file = read_grid(path)
    plans, bases = plan(file), dict[str, Source]()
    told: dict[str, list[str]] = {}
    rows: list[SweepRow] = []
    for each, slug in zip(plans, slugs([p.name for p in plans]), strict=True):
        try:
            if each.spec not in bases:
                bases[each.spec] = read_file(path.parent / each.spec)
            rows.append(_row(file, each, slug, deepcopy(bases[each.spec]), allow_code))
        except SpecError as error:
            for problem in error.problems:
                told.setdefault(problem, []).append(each.name)
    if told:
        raise SpecError(sorted((_of_rows(line, of) for line, of in told.items()), key=location_key))
    return file, tuple(rows)


def plan(file: GridFile) -> list[Plan]:
    """The rows of a grid: those given one by one, then those of its axes.

    Raises:
        SpecError: two of them have one name.
    """
    grid, plans = file.grid, list[Plan]()
    every: tuple[Keys, ...] = tuple(("set", name) for name in grid.set)
    for i, row in enumerate(grid.rows):
        sets: tuple[Keys, ...] = tuple(("rows", i, "set", name) for name in row.set)
        plans.append(Plan(row.name, str(row.spec or grid.spec), (*every, *sets), row.published))
    axes = [[(axis, i) for i in range(len(values))] for axis, values in grid.grid.items()]
    for point in product(*axes) if axes else ():
        name = ", ".join(value_name(grid.grid[axis][i]) for axis, i in point)
        sets = tuple(("grid", axis, i) for axis, i in point)
        if any(name == other.name for other in plans):
            at = file.source.place(sets[-1])
            raise SpecError([f"{at}: two rows would be called {name!r}; write them as `rows`"])
        plans.append(Plan(name, str(grid.spec), (*every, *sets), {}))
    return plans


def value_name(value: Any) -> str:
    """A value in the name of a row: ``ot``, ``euler steps=4``, ``a + b``, ``none``."""
    if isinstance(value, list | tuple):
        return " + ".join(map(value_name, value)) or "none"
    if isinstance(value, dict):
        words = [f"{k}={value_name(v)}" for k, v in value.items() if k != "type"]
        return " ".join([*(str(v) for k, v in value.items() if k == "type"), *words])
    return value if isinstance(value, str) and value.strip() else json.dumps(value)


def slugs(names: Iterable[str]) -> list[str]:
    """Names of folders, different also where case does not count; what is lost tells by a hash."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._")
        if len(slug) > LONGEST or not slug or slug.lower() in (f.lower() for f in found):
            digest = hashlib.sha256(name.encode()).hexdigest()[:8]
            slug = "-".join(filter(None, [slug[:LONGEST], digest]))
        found.append(slug)
    return found


def choose(rows: Sequence[SweepRow], only: Iterable[str]) -> tuple[SweepRow, ...]:
    """The rows of these names; all, where none is named.

    Raises:
        WflowError: there is no row of a name.
    """
    names = [row.name for row in rows]
    for name in (only := tuple(only)):
        if name not in names:
            guess = suggest(name, names)
            raise WflowError(f"no row is called {name!r}{guess}; rows: {', '.join(names)}")
    return tuple(row for row in rows if row.name in only or not only)


def _row(file: GridFile, each: Plan, slug: str, source: Source, allow_code: bool) -> SweepRow:
    """The row, if its spec is right for its first seed."""
    values = [part(file.source, at) for at in each.sets]
    if isinstance(source.data, dict):
        source.data["name"] = slug
        for at, name, value in zip(each.sets, each.assigned, values, strict=True):
            put(source, name, value, f"{file.source.place(at)}: {name}")
    spec = parse(deepcopy(source), allow_code=allow_code).spec
    seeds = file.grid.seeds or (spec.seed,)
    source.data["seed"] = seeds[0]
    resolved = assemble(parse(deepcopy(source), allow_code=allow_code)).resolved
    runs = tuple(_run(each.name, slug, s, source, resolved, allow_code) for s in seeds)
    given = {name: value.data for name, value in zip(each.assigned, values, strict=True)}
    return SweepRow(each.name, each.spec, given, each.published, runs)


def _run(
    row: str, slug: str, seed: int, source: Source, resolved: dict[str, Any], allow_code: bool
) -> Run:
    own = deepcopy(source)
    own.data["seed"] = seed
    return Run(row, seed, f"{slug}-{seed}", own, resolved | {"seed": seed}, allow_code)


def _of_rows(problem: str, names: list[str]) -> str:
    """A problem with the rows that have it, after its place."""
    named = ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" * (len(names) > 3))
    label = f"row{'s' * (len(names) > 1)} {named}: "
    file, line, column, _ = location_key(problem)
    start = len(f"{file}:{line}:{column}: ") if line else 0
    return problem[:start] + label + problem[start:]
