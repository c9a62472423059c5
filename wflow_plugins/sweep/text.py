"""The table of a sweep as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Table = dict[str, Any]
NONE = "-"


def markdown(table: Table) -> str:
    """The whole page: title, table, and how to read it."""
    lines = [f"# {table['name']}", "", *_aligned(_cells(table)), ""]
    lines += [f"- {escaped(text)}" for text in [*_legend(table), *table["notes"]]]
    return "\n".join([*lines, "", f"    {_line(table['command'])}", ""])


def escaped(text: str) -> str:
    """Text on one line in which nothing is markup."""
    return re.sub(r"([\\|<*`\[\]])", r"\\\1", _line(text))


def shown(cell: dict[str, Any], digits: int) -> str:
    """``0.992 ±0.011 (±0.002)``: mean, over networks, between seeds."""
    if cell["mean"] is None:
        return NONE
    text = _number(cell["mean"], digits)
    if cell["std"] is not None:
        text += f" ±{_number(cell['std'], digits)}"
    if cell.get("seeds_std") is not None:
        text += f" (±{_number(cell['seeds_std'], digits)})"
    return text


def brief(table: Table, row: dict[str, Any]) -> str:
    """A row's measures on one line."""
    measured = ((c, row["cells"][c["path"]]) for c in table["columns"])
    measured = ((c, cell) for c, cell in measured if cell["mean"] is not None)
    return ", ".join(f"{c['label']} {shown(cell, c['digits'])}" for c, cell in measured)


def _cells(table: Table) -> list[list[str]]:
    """The texts of the table, its head first; columns of published figures where there are any."""
    rows, head, body = table["rows"], ["row"], [[row["name"]] for row in table["rows"]]
    for c in table["columns"]:
        cells = [row["cells"][c["path"]] for row in rows]
        head.append(c["label"])
        for texts, cell in zip(body, cells, strict=True):
            texts.append(shown(cell, c["digits"]))
        if any(cell["published"] for cell in cells):
            head.append(f"{c['label']}, published")
            for texts, cell in zip(body, cells, strict=True):
                texts.append(shown(cell["published"] or {"mean": None}, c["digits"]))
    notes = [_note(row) for row in rows]
    head += ["seeds", "seconds", *["note"] * any(notes)]
    for texts, row, note in zip(body, rows, notes, strict=True):
        seconds = NONE if row["seconds"] is None else _number(row["seconds"], 1)
        texts += [_seeds(row), seconds, *[note] * any(notes)]
    return [head, *body]


def _seeds(row: dict[str, Any]) -> str:
    finished, total = sum(r["status"] == "finished" for r in row["runs"]), len(row["runs"])
    return str(total) if finished == total else f"{finished} of {total}"


def _note(row: dict[str, Any]) -> str:
    """What is missing of a row, and why."""
    said = []
    for run in row["runs"]:
        seed = f" (seed {run['seed']})" if len(row["runs"]) > 1 else ""
        if run["status"] == "failed":
            said.append(f"failed{seed}: {run['reason']}")
    return "; ".join([*said, *["to do"] * any(run["status"] == "to do" for run in row["runs"])])


def _aligned(cells: list[list[str]]) -> Iterator[str]:
    """Rows of a Markdown table whose source reads as a table, too."""
    cells = [[escaped(text) for text in row] for row in cells]
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
        f"seconds: of all stages of a row's runs; stages that rows share are made once, so it is "
        f"{_number(table['seconds'], 1)} s in all"
    )
    versions, machine = table["versions"], table["machine"]
    yield (
        f"wflow {versions['wflow']}, torch {versions['torch']}, Python {versions['python']}; "
        f"{machine['system']}, {machine['cores']} cores, {machine['device']}, "
        f"threads: {machine['threads']}"
    )


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    lost = value != 0 and float(text) == 0
    return f"{value:.1e}" if lost or abs(value) >= 1e6 else text


def _line(text: str) -> str:
    return " ".join(text.split())
