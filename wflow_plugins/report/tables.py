"""The numbers of the report: the table of populations, and the few that stand on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wflow_plugins.evaluation.table import columns
from wflow_plugins.report.data import RunData, at, number
from wflow_plugins.report.names import MEANINGS, label
from wflow_plugins.report.verdict import short

UNITS = {"nearest": "× zoo", "spread": "× zoo", "seconds": "s"}


@dataclass(frozen=True)
class Row:
    """One population: ``cells`` are ``(number, spread)`` as text, empty where not measured."""

    key: str
    name: str
    meaning: str
    cells: list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Populations by columns ``(name, unit)``; columns that nothing was measured for are out."""

    columns: list[tuple[str, str]]
    rows: list[Row]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]


@dataclass(frozen=True)
class Tile:
    """One number on top, what it is, and what to hold it against."""

    name: str
    value: str
    beside: str


def table(run: RunData) -> Table:
    """Samples beside the zoo and the nulls, in the columns of the command's own table."""
    rows = run.numbers
    known = columns(rows.values()).items()
    shown = {c: path for c, path in known if any(_cell(at(r, *path))[0] for r in rows.values())}
    return Table(
        [(column, UNITS.get(column, "")) for column in shown],
        [
            Row(
                name,
                label(name),
                MEANINGS.get(name, ""),
                [_cell(at(r, *path)) for path in shown.values()],
            )
            for name, r in rows.items()
            if shown
        ],
    )


def _cell(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        return _number(value), ""
    return _number(value.get("mean")), _number(value.get("std"))


def _number(value: Any) -> str:
    found = number(value)
    if found is None:
        return ""
    return f"{found:.4f}" if abs(found) < 1000 else f"{found:.3e}"


def tiles(run: RunData) -> list[Tile]:
    """The main score, alone and together; the distance to the zoo; the seconds."""
    found = [_score(run), _average(run), _nearest(run), _seconds(run)]
    return [tile for tile in found if tile]


def _score(run: RunData) -> Tile | None:
    score = run.scores[0] if run.scores else ""
    own, zoo = run.mean("samples", score), run.mean("zoo", score)
    if own is None or zoo is None:
        return None
    return Tile(f"{score} of single samples", short(own), f"zoo {short(zoo)}")


def _average(run: RunData) -> Tile | None:
    score = run.scores[0] if run.scores else ""
    own, zoo = (run.mean(p, "model_average", score) for p in ("samples", "zoo"))
    if own is None or zoo is None:
        return None
    return Tile(f"{score} of their average", short(own), f"average of the zoo {short(zoo)}")


def _nearest(run: RunData) -> Tile | None:
    own = run.mean("samples", "novelty", "nearest_ratio")
    if own is None:
        return None
    return Tile("distance to the nearest zoo network", f"{own:.2f}", "1 is that of training runs")


def _seconds(run: RunData) -> Tile | None:
    own, other = run.mean("samples", "seconds"), run.mean("retrained", "seconds")
    if own is None:
        return None
    beside = "" if other is None else f"retraining as many took {seconds(other)}"
    return Tile(f"to sample {len(run.samples)} networks", seconds(own), beside)


def seconds(value: float) -> str:
    """A duration as a person says it."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value / 60:.1f} min"
