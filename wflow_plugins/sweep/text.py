"""The table of a sweep as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Table = dict[str, Any]
EMPTY = "-"
"""The text of a cell without a number."""


def render_markdown(table: Table) -> str:
    """The whole page: title, table, legend and command."""
    lines = [f"# {table['name']}", "", *_aligned(_cells(table)), ""]
    lines += [f"- {escape(text)}" for text in [*_legend(table), *table["notes"]]]
    return "\n".join([*lines, "", f"    {_one_line(table['command'])}", ""])


def escape(text: str) -> str:
    """Text on one line, with its Markdown characters escaped."""
    return re.sub(r"([\\|<*`\[\]])", r"\\\1", _one_line(text))


def format_cell(cell: dict[str, Any], digits: int) -> str:
    """``0.992 ±0.011 (±0.002)``: mean, std over networks, std between seeds."""
    if cell["mean"] is None:
        return EMPTY
    text = _format_number(cell["mean"], digits)
    if cell["std"] is not None:
        text += f" ±{_format_number(cell['std'], digits)}"
    if cell.get("seeds_std") is not None:
        text += f" (±{_format_number(cell['seeds_std'], digits)})"
    return text


def summary_line(table: Table, row: dict[str, Any]) -> str:
    """The numbers of a row on one line."""
    cells = ((c, row["cells"][c["path"]]) for c in table["columns"])
    measured = ((c, cell) for c, cell in cells if cell["mean"] is not None)
    return ", ".join(f"{c['label']} {format_cell(cell, c['digits'])}" for c, cell in measured)


def _cells(table: Table) -> list[list[str]]:
    """The texts of the table, headings first; columns of published figures where there are any."""
    rows, head, body = table["rows"], ["row"], [[row["name"]] for row in table["rows"]]
    for c in table["columns"]:
        cells = [row["cells"][c["path"]] for row in rows]
        head.append(c["label"])
        for texts, cell in zip(body, cells, strict=True):
            texts.append(format_cell(cell, c["digits"]))
        if any(cell["published"] for cell in cells):
            head.append(f"{c['label']}, published")
            for texts, cell in zip(body, cells, strict=True):
                texts.append(format_cell(cell["published"] or {"mean": None}, c["digits"]))
    notes = [_note(row) for row in rows]
    head += ["seeds", "seconds", *["note"] * any(notes)]
    for texts, row, note in zip(body, rows, notes, strict=True):
        seconds = EMPTY if row["seconds"] is None else _format_number(row["seconds"], 1)
        texts += [_seeds(row), seconds, *[note] * any(notes)]
    return [head, *body]


def _seeds(row: dict[str, Any]) -> str:
    finished, total = sum(r["status"] == "finished" for r in row["runs"]), len(row["runs"])
    return str(total) if finished == total else f"{finished} of {total}"


def _note(row: dict[str, Any]) -> str:
    """Which runs of a row are missing, and why."""
    notes = []
    for run in row["runs"]:
        seed = f" (seed {run['seed']})" if len(row["runs"]) > 1 else ""
        if run["status"] == "failed":
            notes.append(f"failed{seed}: {run['reason']}")
    return "; ".join([*notes, *["to do"] * any(run["status"] == "to do" for run in row["runs"])])


def _aligned(cells: list[list[str]]) -> Iterator[str]:
    """The lines of a Markdown table, their cells padded to columns."""
    cells = [[escape(text) for text in row] for row in cells]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    head, *body = [_padded(row, widths) for row in cells]
    yield head
    yield _padded(["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])], widths)
    yield from body


def _padded(row: list[str], widths: list[int]) -> str:
    first, *rest = row
    texts = [first.ljust(widths[0]), *(t.rjust(w) for t, w in zip(rest, widths[1:], strict=True))]
    return f"| {' | '.join(texts)} |"


def _legend(table: Table) -> Iterator[str]:
    cells = [cell for row in table["rows"] for cell in row["cells"].values()]
    if any(cell["std"] is not None for cell in cells):
        yield "±: standard deviation over the networks of a run"
    if any(cell["seeds_std"] is not None for cell in cells):
        yield "in parentheses: standard deviation of the mean between seeds"
    yield (
        f"seconds: of all stages of a row's runs; {_format_number(table['seconds'], 1)} s in all, "
        "with each shared stage counted once"
    )
    versions, machine = table["versions"], table["machine"]
    yield (
        f"wflow {versions['wflow']}, torch {versions['torch']}, Python {versions['python']}; "
        f"{machine['system']}, {machine['cores']} cores, {machine['device']}, "
        f"threads: {machine['threads']}"
    )


def _format_number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    vanished = value != 0 and float(text) == 0
    return f"{value:.1e}" if vanished or abs(value) >= 1e6 else text


def _one_line(text: str) -> str:
    return " ".join(text.split())
