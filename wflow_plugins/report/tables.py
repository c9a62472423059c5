"""The tables of the report, and the key figures on top."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from wflow_plugins.evaluation.table import at, columns
from wflow_plugins.report.data import RunData
from wflow_plugins.report.names import MEANINGS, label
from wflow_plugins.report.numbers import format_cell, format_seconds, format_short
from wflow_plugins.report.verdict import NEAREST

NOVELTY = "novelty"
UNITS = {f"{NOVELTY}.nearest_ratio": "× zoo", f"{NOVELTY}.spread_ratio": "× zoo", "seconds": "s"}
"""By the path of a column."""
Cell = tuple[str, str]
"""A number and its standard deviation as text, empty where not measured."""


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        path: of its numbers, dotted.
    """

    heading: str
    unit: str = ""
    path: str = ""


@dataclass(frozen=True)
class Row:
    """A population, or in the table of further numbers a number, with a cell a column."""

    name: str
    label: str
    cells: list[Cell]
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns; both empty where nothing was measured."""

    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [column.path for column in self.columns]


@dataclass(frozen=True)
class Kpi:
    """A key figure: a number, what it is, and what to compare it with."""

    name: str
    value: str
    reference: str


def results(run: RunData) -> Table:
    """A row a population, a column for each number that a metric of the run declares."""
    declared = columns(run.components.metrics, run.numbers.values()).items()
    rows = run.numbers.values()
    shown = [
        Column(heading, UNITS.get(path, ""), path)
        for heading, path in declared
        if any(_cell(at(row, path))[0] for row in rows)
    ]
    if not shown:
        return Table()
    return Table(shown, [
        Row(name, label(name), [_cell(at(row, c.path)) for c in shown], MEANINGS.get(name, ""))
        for name, row in run.numbers.items()
    ])  # fmt: skip


def further_numbers(run: RunData, shown: Collection[str]) -> Table:
    """A row for each number without a column of its own, a column a population.

    Args:
        shown: dotted paths of the numbers that have one.
    """
    found = {
        name: {".".join(path): of for path, of in _leaves(row, shown)}
        for name, row in run.numbers.items()
    }
    found = {name: numbers for name, numbers in found.items() if numbers}
    paths = dict.fromkeys(path for numbers in found.values() for path in numbers)
    return Table(
        [Column(label(name)) for name in found],
        [Row(p, p, [_cell(numbers.get(p)) for numbers in found.values()]) for p in paths],
    )


def _leaves(
    value: Any, shown: Collection[str], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Numbers, and pairs of mean and standard deviation, by their paths."""
    dotted = ".".join(path)
    if path and dotted in shown:
        return
    holds_shown = any(other.startswith(f"{dotted}.") for other in shown)
    is_summary = isinstance(value, dict) and "mean" in value and value.keys() <= {"mean", "std"}
    if isinstance(value, dict) and (holds_shown or not is_summary):
        for name, inner in value.items():
            yield from _leaves(inner, shown, (*path, name))
    else:
        yield path, value


def _cell(value: Any) -> Cell:
    if not isinstance(value, dict):
        return format_cell(value), ""
    return format_cell(value.get("mean")), format_cell(value.get("std"))


def kpis(run: RunData) -> list[Kpi]:
    """The main score of single samples and of their average, the distance to the zoo, the time."""
    found = [_score(run), _average(run), _nearest(run), _seconds(run)]
    return [kpi for kpi in found if kpi]


def _score(run: RunData) -> Kpi | None:
    score = run.scores[0] if run.scores else ""
    own, zoo = run.mean("samples", score), run.mean("zoo", score)
    if own is None or zoo is None:
        return None
    return Kpi(f"{score} of single samples", format_short(own), f"zoo {format_short(zoo)}")


def _average(run: RunData) -> Kpi | None:
    score = run.scores[0] if run.scores else ""
    own, zoo = (run.mean(p, "model_average", score) for p in ("samples", "zoo"))
    if own is None or zoo is None:
        return None
    reference = f"average of the zoo {format_short(zoo)}"
    return Kpi(f"{score} of their average", format_short(own), reference)


def _nearest(run: RunData) -> Kpi | None:
    own = run.mean("samples", *NEAREST)
    if own is None:
        return None
    return Kpi("distance to the nearest zoo network", f"{own:.2f}", "1 is that of training runs")


def _seconds(run: RunData) -> Kpi | None:
    own, other = run.mean("samples", "seconds"), run.mean("retrained", "seconds")
    if own is None:
        return None
    reference = "" if other is None else f"retraining as many took {format_seconds(other)}"
    return Kpi(f"to sample {len(run.samples)} networks", format_seconds(own), reference)
