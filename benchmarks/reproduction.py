"""Writes the tables of sweeps and benchmarks into the pages of docs/reproduction.

    python benchmarks/reproduction.py sweeps/table-7.1 --other results/initialisation.json
    python benchmarks/reproduction.py --page deepweightflow sweeps/mnist sweeps/iris

A page is ``docs/reproduction/PAGE.md``; its grids are in ``examples/PAGE/``. ``PAGE.json`` beside
it holds the measured tables; a new table replaces the one of the same name. In the page, the text
between ``<!-- table: NAME -->`` and ``<!-- end -->`` is generated from that file, and nothing else
changes. Without folders the page is generated again.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from markdown_tables import Table, with_caption

from wflow_core.errors import DataError, StoreError, WflowError
from wflow_core.storage.store import Store
from wflow_plugins.sweep.results import TABLE

ROOT = Path(__file__).parents[1]
PAGES = {path.stem: path for path in sorted((ROOT / "docs" / "reproduction").glob("*.md"))}
THESIS = "thesis"
OPENED = re.compile(r"^<!-- table: (\S+) -->$", re.MULTILINE)
MARKED = re.compile(
    r"^<!-- table: (\S+) -->$(?:(?!^<!-- table: ).)*?^<!-- end -->$", re.MULTILINE | re.DOTALL
)
ABOUT = ("options", "seconds", "machine", "versions", "notes")
ABSOLUTE = re.compile(r"(?<![\w.~/])~?/(?=\S)(?:[^\s/'\",:;]+/)*")


def grids_of(page: Path) -> str:
    """The folder of a page's grids, relative to the repository."""
    return f"examples/{page.stem}"


def update(
    folders: Iterable[Path], others: Iterable[Path] = (), page: Path = PAGES[THESIS]
) -> dict[str, Table]:
    """Add tables, generate the page, and write both files; on an error, write nothing.

    Returns:
        All tables, by name.

    Raises:
        StoreError: a folder is no sweep, or a file cannot be read or written.
        DataError: two tables have one name, a table has no marker, or a marker is wrong.
    """
    sweeps = [of_sweep(folder, grids_of(page)) for folder in folders]
    found = [*sweeps, *map(of_benchmark, others)]
    names = [name for name, _ in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"two tables have the name {twice!r}; give one of them")
    store, kept = Store(page.parent), page.with_suffix(".json").name
    before = (store.read_json(kept) or {}).get("tables", {})
    tables = dict(sorted((before | dict(found)).items()))
    filled = fill(page.read_text("utf-8"), tables, page)
    store.write_json(kept, {"tables": tables})
    store.write(page.name, filled)
    return tables


def fill(text: str, tables: Mapping[str, Table], page: Path) -> str:
    """The text of a page with the table of each marker, or the command that measures it.

    Raises:
        DataError: a marker is not closed or is repeated, or a table has no marker.
    """
    where, grids = page.name, grids_of(page)
    opened, closed = OPENED.findall(text), [match[1] for match in MARKED.finditer(text)]
    for name in opened:
        if name not in closed:
            raise DataError(f"{where}: no <!-- end --> after the marker of {name!r}; add one")
        if opened.count(name) > 1:
            raise DataError(f"{where}: two markers of {name!r}; remove one")
    for name in tables:
        if name not in opened:
            fix = f"add <!-- table: {name} --> and <!-- end -->, or remove it from the JSON file"
            raise DataError(f"{where}: no marker for the table {name!r}; {fix}")

    def between(match: re.Match[str]) -> str:
        name = match[1]
        body = "\n".join(
            with_caption(tables[name]) if name in tables else [_unmeasured(name, grids)]
        )
        return f"<!-- table: {name} -->\n\n{body}\n\n<!-- end -->"

    return MARKED.sub(between, text)


def of_sweep(folder: Path, grids: str) -> tuple[str, Table]:
    """The name and the table of a sweep of a grid in ``grids``, without the paths of folders."""
    found = Store(folder).read_json(TABLE)
    if found is None or "command" not in found:
        raise StoreError(f"{folder}: no sweep; give the folder of a sweep; it holds {TABLE}")
    grid = Path(shlex.split(found["command"])[2]).name
    about = {"versions": found["versions"], "machine": _named(found["machine"])}
    name, command = found["name"], f"wflow sweep {grids}/{grid}"
    rows = [
        {key: row[key] for key in ("name", "status", "cells", "seconds")}
        | {"runs": [_run(run, about, folder) for run in row["runs"]]}
        for row in found["rows"]
    ]
    kept = {key: found[key] for key in ("columns", "seconds", "notes")}
    seeds = sorted({run["seed"] for row in rows for run in row["runs"]})
    table = {"name": name, "command": command, "seeds": seeds, **about, **kept, "rows": rows}
    return name, _without_folders(table)


def _run(run: Table, about: Table, folder: Path) -> Table:
    """A run of a row; its machine and versions where they differ from those of the table."""
    reason = run["reason"] and run["reason"].replace(f"{folder}/", "")
    kept = {"seed": run["seed"], "status": run["status"], "reason": reason}
    kept["seconds"] = sum(run["seconds"].values())
    if run["versions"] and run["versions"] != about["versions"]:
        kept["versions"] = run["versions"]
    if run["machine"] and (own := _named(run["machine"])).items() - about["machine"].items():
        kept["machine"] = own
    return kept


def of_benchmark(path: Path) -> tuple[str, Table]:
    """The name, rows and metadata of a benchmark result."""
    found = Store(path.parent).read_json(path.name)
    if found is None:
        raise StoreError(f"{path}: no such file; give the result of a benchmark")
    # Where there is a row for each seed, a page shows their summary.
    rows = summary if isinstance(summary := found.get("summary"), list) else found.get("rows")
    right = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not right or any(isinstance(v, list | dict) for row in rows for v in row.values()):
        raise DataError(f"{path}: `rows` is no list of flat mappings; give another file")
    script = ROOT / "benchmarks" / f"{path.stem}.py"
    command = found.get("command") or (f"python benchmarks/{script.name}" * script.exists())
    kept = {key: found[key] for key in ABOUT if key in found}
    return path.stem, _without_folders({"command": command, **kept, "rows": rows})


def _named(machine: Table) -> Table:
    """A machine with the name and version of its system, without the build."""
    return machine | {"system": "-".join(machine["system"].split("-")[:2])}


def _without_folders(value: Any) -> Any:
    """Plain data without the folders of absolute paths in its texts."""
    if isinstance(value, dict):
        return {name: _without_folders(of) for name, of in value.items()}
    if isinstance(value, list):
        return [_without_folders(of) for of in value]
    return ABSOLUTE.sub("", value) if isinstance(value, str) else value


def _unmeasured(name: str, grids: str) -> str:
    """The command that measures a table: the benchmark of its name, or the grid."""
    if (ROOT / "benchmarks" / f"{name}.py").exists():
        return f"Not measured yet: `python benchmarks/{name}.py`."
    return f"Not measured yet: `wflow sweep {grids}/{re.sub('[-.]', '_', name)}.yaml`."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="folders of sweeps")
    parser.add_argument("--page", choices=PAGES, default=THESIS, help="page of the tables")
    parser.add_argument("--other", nargs="+", type=Path, default=[], help="results of benchmarks")
    options = parser.parse_args()
    try:
        page = PAGES[options.page]
        tables = update(options.folders, options.other, page)
        print(f"{page.name}: {', '.join(tables) or 'no tables'}")
    except WflowError as error:
        sys.exit(f"reproduction: {error}")


if __name__ == "__main__":
    main()
