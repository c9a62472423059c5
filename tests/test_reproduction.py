"""Pages of reproductions: tables are generated from the measured numbers, the rest is unchanged."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from plugin_support import tiny, wflow, write_spec

import wflow_core
from wflow_core.errors import DataError, StoreError, WflowError
from wflow_core.specs.located_yaml import read_text
from wflow_plugins.sweep.grid import Grid, read_grid
from wflow_plugins.sweep.plan import plan_rows
from wflow_plugins.sweep.results import Result
from wflow_plugins.sweep.rows import Run, SweepRow
from wflow_plugins.sweep.table import build_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import initialisation  # noqa: E402
from markdown_tables import flat  # noqa: E402
from reproduction import OPENED, PAGES, fill, grids_of, update  # noqa: E402

THESIS = PAGES["thesis"]
TABLES: dict[str, dict[str, Any]] = {
    page: json.loads(path.with_suffix(".json").read_text("utf-8"))["tables"]
    for page, path in PAGES.items()
}
SWEPT = [(p, n) for p, tables in TABLES.items() for n, of in tables.items() if "columns" in of]
MACHINE = {"system": "Linux-6.1.2-build-7", "device": "cpu", "threads": 1}
VERSIONS = {"wflow": "0.1.0", "torch": "2.9", "python": "3.12"}
TEXT = """\
# Title

<!-- table: toy -->
old | text
<!-- end -->

Between 0.5.

<!-- table: bench -->
<!-- end -->

<!-- table: table-7.9 -->
<!-- end -->
After.
"""
COLUMNS = [{"path": "samples.accuracy", "label": "accuracy"}]


def finished(accuracy: float, device: str = "cpu") -> Result:
    stages = {"train": {"key": f"{accuracy}", "seconds": 2.0}}
    record = {"machine": MACHINE | {"device": device}, "versions": VERSIONS, "stages": stages}
    metrics = {"samples": {"accuracy": {"mean": accuracy, "std": 0.25}}, "seconds": {"train": 2.0}}
    return Result("finished", None, metrics, record)


def sweep(folder: Path, results: dict[str, Result], name: str = "toy") -> Path:
    """The folder of a sweep of the rows `a` and `b`, each with seeds 0 and 1."""
    grid = Grid.model_validate({"name": name, "spec": "s.yaml", "grid": {"x": [1]},
                                "columns": COLUMNS})  # fmt: skip
    source = read_text("{}", "spec")
    rows = [
        SweepRow(row, "s.yaml", {}, published,
                 tuple(Run(row, seed, f"{row}-{seed}", source, {}) for seed in (0, 1)))
        for row, published in (("a", {}), ("b", {"samples.accuracy.mean": 0.875}))
    ]  # fmt: skip
    found = {run.folder: results.get(run.folder, Result()) for row in rows for run in row.runs}
    about = {
        "command": f"wflow sweep /home/me/toy_grid.yaml --out {folder} --only a",
        "versions": VERSIONS,
        "machine": MACHINE | {"cores": 4},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.json").write_text(json.dumps(build_table(grid, rows, found) | about))
    return folder


def page(folder: Path) -> Path:
    path = folder / "docs" / "thesis.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(TEXT, "utf-8")
    return path


def between(path: Path, name: str) -> list[str]:
    body = re.search(rf"<!-- table: {name} -->\n\n(.*?)\n\n<!-- end -->", path.read_text(), re.S)
    assert body
    return body[1].splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


ALL = {"a-0": finished(0.5), "a-1": finished(0.75), "b-0": finished(0.5), "b-1": finished(1.0)}


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_of_a_page_are_those_of_its_json(name: str) -> None:
    text = PAGES[name].read_text("utf-8")
    assert fill(text, TABLES[name], PAGES[name]) == text


@pytest.mark.parametrize("name", PAGES)
def test_every_table_of_a_page_has_a_command(name: str) -> None:
    """Each grid has a table on its page, and each table is of a grid or of a benchmark."""
    path = PAGES[name]
    stems = {re.sub(r"[-.]", "_", table) for table in OPENED.findall(path.read_text("utf-8"))}
    sources = {of.stem: of.read_text("utf-8") for of in (ROOT / grids_of(path)).glob("*.yaml")}
    grids = {stem for stem, text in sources.items() if re.search("^columns:", text, re.M)}
    assert grids
    assert grids <= stems
    for stem in stems - grids:
        assert stem in TABLES[name] or (ROOT / "benchmarks" / f"{stem}.py").exists(), stem


@pytest.mark.parametrize(("page", "name"), SWEPT)
def test_a_table_is_of_the_grid_that_it_names(page: str, name: str) -> None:
    """Rows, columns and published figures as the example has them now: else run it again."""
    of = TABLES[page][name]
    file = read_grid(ROOT / of["command"].removeprefix("wflow sweep "))
    assert file.grid.name == name
    assert [row["name"] for row in of["rows"]] == [each.name for each in plan_rows(file)]
    assert [c["path"] for c in of["columns"]] == [column.path for column in file.grid.columns]
    for row, each in zip(of["rows"], plan_rows(file), strict=True):
        for path, cell in row["cells"].items():
            theirs = each.published.get(path, each.published.get(f"{path}.mean"))
            assert (cell["published"] or {"mean": None})["mean"] == theirs


def test_tables_contain_no_absolute_paths() -> None:
    assert not re.findall(r'"[^"]*(?<![\w.])/\w[^"]*"', json.dumps(TABLES))


def test_a_sweep_replaces_only_the_text_between_its_markers(tmp_path: Path) -> None:
    path = page(tmp_path)
    assert list(update([sweep(tmp_path / "s", ALL)], page=path)) == ["toy"]
    head, _, a, b, empty, about = between(path, "toy")
    assert cells(head) == ["row", "accuracy", "accuracy, published", "seeds", "seconds"]
    assert cells(a) == ["a", "0.625 ±0.250 (±0.177)", "-", "2", "4.0"]
    assert cells(b) == ["b", "0.750 ±0.250 (±0.354)", "0.875", "2", "4.0"]
    assert empty == ""
    assert about == (
        "`wflow sweep examples/thesis/toy_grid.yaml`; seeds 0, 1; 6.0 s in all; Linux-6.1.2, "
        "4 cores, cpu, threads: 1; wflow 0.1.0, torch 2.9."
    )
    kept = re.sub(r"(<!-- table: \S+ -->).*?(<!-- end -->)", r"\1\2", path.read_text(), flags=re.S)
    assert kept == re.sub(r"(<!-- table: \S+ -->).*?(<!-- end -->)", r"\1\2", TEXT, flags=re.S)
    assert between(path, "table-7.9") == [
        "Not measured yet: `wflow sweep examples/thesis/table_7_9.yaml`."
    ]
    once = path.read_text(), path.with_suffix(".json").read_text()
    update([], page=path)
    assert (path.read_text(), path.with_suffix(".json").read_text()) == once
    assert str(tmp_path) not in "".join(once)
    assert "/home" not in "".join(once)


def test_the_command_of_a_table_is_the_benchmark_of_its_name() -> None:
    text = fill("<!-- table: initialisation -->\n<!-- end -->\n", {}, THESIS)
    assert "Not measured yet: `python benchmarks/initialisation.py`." in text


def test_unfinished_rows_are_shown(tmp_path: Path) -> None:
    path, folder = page(tmp_path), tmp_path / "s"
    failed = Result("failed", f"{folder}/rows/b-0: gone; see /home/me/x.log")
    update([sweep(folder, {"a-0": finished(0.5), "b-0": failed})], page=path)
    head, _, a, b, *_ = map(cells, between(path, "toy"))
    assert head[-1] == "note"
    assert a == ["a", "0.500 ±0.250", "-", "1 of 2", "2.0", "to do"]
    assert b[:5] == ["b", "-", "0.875", "0 of 2", "-"]
    assert b[5] == "failed (seed 0): rows/b-0: gone; see x.log; to do"


def test_every_machine_of_the_finished_runs_is_listed(tmp_path: Path) -> None:
    path = page(tmp_path)
    update([sweep(tmp_path / "s", ALL | {"b-1": finished(1.0, "cuda")})], page=path)
    about = between(path, "toy")[-1]
    assert "Linux-6.1.2, 4 cores, cpu, threads: 1 and Linux-6.1.2, cuda, threads: 1;" in about


def test_tables_of_other_names_are_kept_and_those_of_one_name_replaced(tmp_path: Path) -> None:
    path = page(tmp_path)
    update([sweep(tmp_path / "s", ALL)], page=path)
    before = between(path, "toy")
    other = tmp_path / "bench.json"
    other.write_text('{"rows": [{"x": 1}]}')
    assert list(update([], [other], page=path)) == ["bench", "toy"]
    assert between(path, "toy") == before
    update([sweep(tmp_path / "t", {"a-0": finished(1.0)})], page=path)
    assert cells(between(path, "toy")[2])[1] == "1.000 ±0.250"
    assert between(path, "bench")[2] == "| 1 |"


def test_the_rows_of_a_benchmark_are_a_table(tmp_path: Path) -> None:
    rows = [
        {"name": "a|b", "far": 0.5, "far std": 0.125, "n": 3, "at": "/home/me/x.json"},
        {"name": "c", "far": 12.25, "far std": None, "n": None, "own std": 2.0},
    ]
    other = tmp_path / "bench.json"
    about = {"seconds": 3.25, "options": {"seeds": 2, "task": None}, "machine": {"cpus": 2}}
    other.write_text(json.dumps({"rows": rows, "command": "python /home/me/b.py"} | about))
    path = page(tmp_path)
    update([], [other], page=path)
    assert between(path, "bench") == [
        "| name | far | n | at | own std |",
        "| --- | ---: | ---: | ---: | ---: |",
        r"| a\|b | 0.500 ±0.125 | 3 | x.json | - |",
        "| c | 12.2 | - | - | 2.000 |",
        "",
        "`python b.py`; seeds 2; 3.2 s in all; 2 cores, threads: -.",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("table: toy", "table: other"), "no marker for the table 'toy'; add <!-- tab"),
        (TEXT.replace("text\n<!-- end -->", "text"), "no <!-- end --> after the marker of 'toy'"),
        (TEXT.replace("table: bench", "table: toy"), "two markers of 'toy'; remove one"),
    ],
)
def test_wrong_markers_are_errors_and_nothing_is_written(
    tmp_path: Path, text: str, says: str
) -> None:
    path = page(tmp_path)
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(says)):
        update([sweep(tmp_path / "s", ALL)], page=path)
    assert path.read_text() == text
    assert not path.with_suffix(".json").exists()


def test_folders_without_a_sweep_and_files_without_rows_are_errors(tmp_path: Path) -> None:
    path, wrong = page(tmp_path), tmp_path / "wrong.json"
    wrong.write_text('{"rows": [{"x": [1]}]}')
    (tmp_path / "s").mkdir()
    with pytest.raises(StoreError, match=r"s: no sweep; give the folder of a sweep"):
        update([tmp_path / "s"], page=path)
    with pytest.raises(DataError, match="is no list of flat mappings"):
        update([], [wrong], page=path)
    with pytest.raises(StoreError, match=r"none.json: no such file"):
        update([], [tmp_path / "none.json"], page=path)
    twice = [sweep(tmp_path / name, ALL) for name in ("a", "b")]
    with pytest.raises(DataError, match="two tables have the name 'toy'"):
        update(twice, page=path)


def test_the_command_of_a_table_is_a_sweep_of_its_page() -> None:
    for page, name in SWEPT:
        command = TABLES[page][name]["command"]
        assert re.fullmatch(rf"wflow sweep {grids_of(PAGES[page])}/\w+\.yaml", command), name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    spec = write_spec(folder, tiny(metrics="[task_score]", hooks="[]"))
    assert wflow("run", spec, "--out", folder / "run").exit_code == 0
    return folder / "run"


def test_initialisations_are_compared(run: Path) -> None:
    o = initialisation.options([str(run), "--seeds", "2", "--networks", "5", "--epochs", "2"])
    flow = wflow_core.load(run)
    found, again = initialisation.measure(flow, o), initialisation.measure(flow, o)
    assert found["curves"] == again["curves"]
    fresh, prior, samples, zoo = found["rows"]
    assert fresh["reached"] == "2 of 2"
    assert zoo["population"] == "zoo, trained on breast_cancer (the target task)"
    assert (fresh["sampling seconds"], prior["sampling seconds"]) == (0.0, 0.0)
    assert samples["sampling seconds"] > 0
    for name, row in zip(found["curves"], found["rows"], strict=True):
        one, other = found["curves"][name]
        assert [*one] == [*other]
        steps = list(one)
        assert (steps[0], steps[-1]) == (0, 2 * -(-len(flow.components.task.splits["train"]) // 64))
        mean = (one[0] + other[0]) / 2
        assert row["accuracy at 0 steps"] == pytest.approx(mean)
        assert row["accuracy at the end"] == pytest.approx((one[steps[-1]] + other[steps[-1]]) / 2)
    assert [line.count("|") for line in flat(found["rows"])] == [8] * 6


def test_seconds_to_the_target_count_sampling_and_training() -> None:
    curve = {"0": {"accuracy": 0.5}, "4": {"accuracy": 0.75}}
    found = initialisation.numbers(curve, {"accuracy": 0.625}, per_step=0.5, sampling=3.0)
    assert (found["steps to target"], found["seconds to target"]) == (2.0, 4.0)
    never = initialisation.numbers(curve, {"accuracy": 0.875}, per_step=0.5, sampling=3.0)
    assert (never["steps to target"], never["seconds to target"]) == (None, None)
    later = initialisation.numbers(curve, {"accuracy": 0.75}, per_step=0.5, sampling=3.0)
    row = initialisation.row("x", [found, later])
    assert (row["reached"], row["seconds to target"], row["steps to target"]) == ("2 of 2", 4.5, 3)
    assert row["seconds to target std"] == pytest.approx(0.5**0.5)
    assert initialisation.row("x", [found])["seconds to target std"] is None
    row = initialisation.row("x", [found, never])
    assert (row["reached"], row["seconds to target"]) == ("1 of 2", None)
    assert (row["seconds to target std"], row["sampling seconds"]) == (None, 3.0)


def test_tasks_of_other_signatures_are_refused(run: Path) -> None:
    flow = wflow_core.load(run)
    assert initialisation.target_task(flow, "breast_cancer") is flow.components.task
    with pytest.raises(DataError, match=r"--task iris has inputs \[4\] and 3 outputs"):
        initialisation.target_task(flow, "iris")
    with pytest.raises(WflowError, match="unknown task 'irish'"):
        initialisation.target_task(flow, "irish")
