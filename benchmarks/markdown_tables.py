"""Tables of sweeps and benchmarks as Markdown, each with its command and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wflow_plugins.sweep.text import EMPTY, escape, format_cell, render_markdown

Table = dict[str, Any]

STD = " std"
"""Suffix of the column that holds the standard deviation of another."""
TINY = 5e-4
"""Smaller magnitudes are shown in scientific notation."""


def with_caption(table: Table) -> list[str]:
    """A table as Markdown, and a line with its command, machine and versions."""
    if "columns" not in table:
        return [*flat(table["rows"]), "", _about(table)]
    lines = [line for line in render_markdown(table).splitlines() if line.startswith("|")]
    return [*lines, "", _about(table)]


def flat(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of a Markdown table; a row is a mapping, a key a column."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys = [key for key in keys if key.removesuffix(STD) == key or key[: -len(STD)] not in keys]
    body = [[_cell(row.get(key), row.get(key + STD)) for key in keys] for row in rows]
    rule = ["---", *["---:"] * (len(keys) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in ([escape(k) for k in keys], rule, *body)]


def _cell(value: Any, std: float | None) -> str:
    if isinstance(value, float) and 0 < abs(value) < TINY and not std:
        return f"{value:.0e}"
    if isinstance(value, float):
        return format_cell({"mean": value, "std": std}, 3 if abs(value) < 10 else 1)
    return EMPTY if value is None else escape(str(value))


def _about(table: Table) -> str:
    """Command, seeds or options, seconds, all machines and versions of the finished runs."""
    runs = [run for row in table["rows"] for run in row.get("runs", ())]
    made = [table | run for run in runs if run["status"] == "finished"] or [table]
    parts = [f"`{table['command']}`"] if table["command"] else []
    if seeds := [str(seed) for seed in table.get("seeds", ())]:
        parts.append(f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}")
    options = {k: of for k, of in table.get("options", {}).items() if of is not None}
    parts += [", ".join(f"{name} {of}" for name, of in options.items())]
    parts += [f"{table['seconds']:.1f} s in all"] if "seconds" in table else []
    parts += [" and ".join(dict.fromkeys(_machine(m["machine"]) for m in made if "machine" in m))]
    parts += [
        " and ".join(dict.fromkeys(_versions(m["versions"]) for m in made if "versions" in m))
    ]
    return "; ".join([*filter(None, parts), *map(escape, table.get("notes", ()))]) + "."


def _machine(machine: Table) -> str:
    system = machine.get("system") or machine.get("processor", "")
    cores = machine.get("cores") or machine.get("cpus")
    parts = [system, f"{cores} cores" if cores else "", machine.get("device", "")]
    return ", ".join([*filter(None, parts), f"threads: {machine.get('threads', EMPTY)}"])


def _versions(versions: Table) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("wflow", "torch") if name in versions)
