"""Tables of sweeps and benchmarks into a page on what others published; no figure is typed by hand.

    python benchmarks/reproduction.py sweeps/table-7.1 --other results/initialisation.json
    python benchmarks/reproduction.py --page deepweightflow sweeps/mnist sweeps/iris

A page is ``docs/reproduction/PAGE.md``, and its grids are in ``examples/PAGE/``. ``PAGE.json``
beside it keeps what was measured; a table takes the place of one of its name. In the page,
everything between ``<!-- table: NAME -->`` and ``<!-- end -->`` is written from there, and nothing
else is touched. Without folders the page is filled anew.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from markdown_tables import Table, whole

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
    """The folder of a page's grids, from where the repository is."""
    return f"examples/{page.stem}"


def update(
    folders: Iterable[Path], others: Iterable[Path] = (), page: Path = PAGES[THESIS]
) -> dict[str, Table]:
    """Take in the tables, fill the page, and write both; nothing, where something is wrong.

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
        raise DataError(f"two of these are called {twice!r}; give one of them")
    store, kept = Store(page.parent), page.with_suffix(".json").name
    before = (store.read_json(kept) or {}).get("tables", {})
    tables = dict(sorted((before | dict(found)).items()))
    filled = fill(page.read_text("utf-8"), tables, page)
    store.write_json(kept, {"tables": tables})
    store.write(page.name, filled)
    return tables


def fill(text: str, tables: Mapping[str, Table], page: Path) -> str:
    """The page's text with a table, or a line that says that there is none, between all markers.

    Raises:
        DataError: a marker is not closed or there twice, or a table has none.
    """
    where, grids = page.name, grids_of(page)
    opened, closed = OPENED.findall(text), [match[1] for match in MARKED.finditer(text)]
    for name in opened:
        if name not in closed:
            raise DataError(f"{where}: no <!-- end --> after the marker of {name!r}; add one")
        if opened.count(name) > 1:
            raise DataError(f"{where}: the marker of {name!r} is there twice; leave one")
    for name in tables:
        if name not in opened:
            fix = f"add <!-- table: {name} --> and <!-- end -->, or take it out of the JSON file"
            raise DataError(f"{where}: no marker for the table {name!r}; {fix}")

    def between(match: re.Match[str]) -> str:
        name = match[1]
        body = "\n".join(whole(tables[name]) if name in tables else [_unmeasured(name, grids)])
        return f"<!-- table: {name} -->\n\n{body}\n\n<!-- end -->"

    return MARKED.sub(between, text)


def of_sweep(folder: Path, grids: str) -> tuple[str, Table]:
    """The name and the table of a sweep of a grid in ``grids``, without the paths of folders."""
    found = Store(folder).read_json(TABLE)
    if found is None or "command" not in found:
        raise StoreError(f"{folder}: no sweep; give a folder in which `wflow sweep` left {TABLE}")
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
    """A run of a row; its machine and versions where they are others than the table's."""
    reason = run["reason"] and run["reason"].replace(f"{folder}/", "")
    kept = {"seed": run["seed"], "status": run["status"], "reason": reason}
    kept["seconds"] = sum(run["seconds"].values())
    if run["versions"] and run["versions"] != about["versions"]:
        kept["versions"] = run["versions"]
    if run["machine"] and (own := _named(run["machine"])).items() - about["machine"].items():
        kept["machine"] = own
    return kept


def of_benchmark(path: Path) -> tuple[str, Table]:
    """The name and the rows of a result of a benchmark, with what it says of them."""
    found = Store(path.parent).read_json(path.name)
    if found is None:
        raise StoreError(f"{path}: not there; give a result of a benchmark")
    # Where there is a row a seed, what a page shows is their summary.
    rows = summary if isinstance(summary := found.get("summary"), list) else found.get("rows")
    right = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not right or any(isinstance(v, list | dict) for row in rows for v in row.values()):
        raise DataError(f"{path}: its `rows` are no list of flat mappings; give another file")
    script = ROOT / "benchmarks" / f"{path.stem}.py"
    command = found.get("command") or (f"python benchmarks/{script.name}" * script.exists())
    kept = {key: found[key] for key in ABOUT if key in found}
    return path.stem, _without_folders({"command": command, **kept, "rows": rows})


def _named(machine: Table) -> Table:
    """A machine by the name and version of its system, without those of the build."""
    return machine | {"system": "-".join(machine["system"].split("-")[:2])}


def _without_folders(value: Any) -> Any:
    """Plain data in whose texts the folders of absolute paths are left out."""
    if isinstance(value, dict):
        return {name: _without_folders(of) for name, of in value.items()}
    if isinstance(value, list):
        return [_without_folders(of) for of in value]
    return ABSOLUTE.sub("", value) if isinstance(value, str) else value


def _unmeasured(name: str, grids: str) -> str:
    """What would measure a table: the benchmark of its name, or the grid."""
    if (ROOT / "benchmarks" / f"{name}.py").exists():
        return f"Not measured yet: `python benchmarks/{name}.py`."
    return f"Not measured yet: `wflow sweep {grids}/{re.sub('[-.]', '_', name)}.yaml`."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="of sweeps")
    parser.add_argument("--page", choices=PAGES, default=THESIS, help="which page they belong to")
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
