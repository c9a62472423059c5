"""The rows of a sweep: each a valid spec, with its seeds and its run folders."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wflow_core.assembly.assemble import assemble
from wflow_core.errors import SpecError, WflowError, suggest
from wflow_core.interfaces.components import Components
from wflow_core.specs.located_yaml import LocatedYaml, read_file
from wflow_core.specs.overrides import set_path
from wflow_core.specs.problems import location_key
from wflow_core.specs.spec import parse
from wflow_plugins.sweep.grid import GridFile, read_grid
from wflow_plugins.sweep.plan import RowPlan, plan_rows

MAX_SLUG_LENGTH = 60
"""Characters of a folder's name, without a hash."""


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
    source: LocatedYaml
    resolved: dict[str, Any]
    allow_code: bool = False

    @property
    def label(self) -> str:
        return f"{self.row}, seed {self.seed}"

    def assemble(self) -> Components:
        """New components, for one run."""
        return assemble(parse(deepcopy(self.source), allow_code=self.allow_code))


@dataclass(frozen=True)
class SweepRow:
    """A row: the overrides of its spec, and its runs, one per seed.

    Attributes:
        headings: those that its metrics declare, by the path of the number.
    """

    name: str
    spec: str
    set: dict[str, Any]
    published: dict[str, float]
    runs: tuple[Run, ...]
    headings: Mapping[str, str] = field(default_factory=dict)


def load_rows(path: Path, allow_code: bool = False) -> tuple[GridFile, tuple[SweepRow, ...]]:
    """Read a grid and assemble the spec of every row, so that errors show before anything runs.

    Args:
        allow_code: import the code that specs name, which may do anything.

    Raises:
        SpecError: with every problem of all rows, each with the names of its rows.
    """
    file = read_grid(path)
    plans, bases = plan_rows(file), dict[str, LocatedYaml]()
    problems: dict[str, list[str]] = {}
    rows: list[SweepRow] = []
    for plan, slug in zip(plans, slugs([p.name for p in plans]), strict=True):
        try:
            if plan.spec not in bases:
                bases[plan.spec] = read_file(path.parent / plan.spec)
            rows.append(_build_row(file, plan, slug, deepcopy(bases[plan.spec]), allow_code))
        except SpecError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).append(plan.name)
    if problems:
        lines = (_with_rows(problem, names) for problem, names in problems.items())
        raise SpecError(sorted(lines, key=location_key))
    return file, tuple(rows)


def slugs(names: Iterable[str]) -> list[str]:
    """Folder names, distinct regardless of case; those that lose too much get a hash."""
    taken: list[str] = []
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._")
        if len(slug) > MAX_SLUG_LENGTH or not slug or slug.lower() in (s.lower() for s in taken):
            digest = hashlib.sha256(name.encode()).hexdigest()[:8]
            slug = "-".join(filter(None, [slug[:MAX_SLUG_LENGTH], digest]))
        taken.append(slug)
    return taken


def select_rows(rows: Sequence[SweepRow], names: Iterable[str]) -> tuple[SweepRow, ...]:
    """The rows of these names; all rows for no name.

    Raises:
        WflowError: there is no row of a name.
    """
    known, names = [row.name for row in rows], tuple(names)
    for name in names:
        if name not in known:
            guess = suggest(name, known)
            raise WflowError(f"no row is called {name!r}{guess}; rows: {', '.join(known)}")
    return tuple(row for row in rows if row.name in names or not names)


def _build_row(
    file: GridFile, plan: RowPlan, slug: str, source: LocatedYaml, allow_code: bool
) -> SweepRow:
    """The row, whose spec is valid for its first seed."""
    values = [_extract(file.source, path) for path in plan.overrides]
    if isinstance(source.data, dict):
        source.data["name"] = slug
        for path, target, value in zip(plan.overrides, plan.targets, values, strict=True):
            set_path(source, target, value, f"{file.source.location(path)}: {target}")
    seeds = file.grid.seeds or (parse(deepcopy(source), allow_code=allow_code).seed,)
    source.data["seed"] = seeds[0]
    components = assemble(parse(deepcopy(source), allow_code=allow_code))
    resolved = dict(components.resolved)
    runs = tuple(_make_run(plan.name, slug, s, source, resolved, allow_code) for s in seeds)
    overrides = {name: value.data for name, value in zip(plan.targets, values, strict=True)}
    headings = {path: head for m in components.metrics for head, path in m.columns.items()}
    return SweepRow(plan.name, plan.spec, overrides, plan.published, runs, headings)


def _make_run(
    row: str, slug: str, seed: int, source: LocatedYaml, resolved: dict[str, Any], allow_code: bool
) -> Run:
    own = deepcopy(source)
    own.data["seed"] = seed
    return Run(row, seed, f"{slug}-{seed}", own, resolved | {"seed": seed}, allow_code)


def _with_rows(problem: str, names: list[str]) -> str:
    """A problem with the names of its rows, after its location."""
    first = ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" * (len(names) > 3))
    label = f"row{'s' * (len(names) > 1)} {first}: "
    file, line, column, _ = location_key(problem)
    start = len(f"{file}:{line}:{column}: ") if line else 0
    return problem[:start] + label + problem[start:]


def _extract(source: LocatedYaml, path: Iterable[str | int]) -> LocatedYaml:
    """A value of a file with the locations of all in it, to be set elsewhere."""
    path = tuple(path)
    data, n = source.data, len(path)
    for key in path:
        data = data[key]
    data = deepcopy(data)
    locations, keys = (
        {p[n:]: at for p, at in of.items() if p[:n] == path}
        for of in (source.locations, source.keys)
    )
    return LocatedYaml(source.location(path), data, locations, keys)
