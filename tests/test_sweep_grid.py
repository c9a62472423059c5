"""Grids of sweeps: what is wrong is told at once and in its place; rows, names, overrides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from plugin_support import refused, tiny, wflow

from wflow_core.errors import SpecError, WflowError
from wflow_plugins.sweep.grid import Column, Grid, Row
from wflow_plugins.sweep.plan import format_value
from wflow_plugins.sweep.rows import SweepRow, load_rows, select_rows, slugs

ROOT = Path(__file__).parents[1]
SPECS = ("mnist.yaml",)  # what grids vary
THESIS = sorted(p for p in (ROOT / "examples/thesis").glob("*.yaml") if p.name not in SPECS)
GOOD = "name: t\nspec: spec.yaml\nrows:\n  - {name: a}\n  - {name: b, set: {train.sigma: 0.1}}\n"


def rows_of(folder: Path, text: str) -> tuple[SweepRow, ...]:
    (folder / "spec.yaml").write_text(tiny())
    (folder / "g.yaml").write_text(text)
    return load_rows(folder / "g.yaml")[1]


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        rows_of(folder, text)
    return [line.replace(f"{folder}/", "") for line in caught.value.problems]


def test_rows_then_the_product_of_axes(tmp_path: Path) -> None:
    text = """\
name: t
spec: spec.yaml
seeds: [3, 5]
set: {zoo.networks: 30, train.sigma: 0.5}
rows:
  - {name: "A, b", set: {train.sigma: 0.25}}
  - {name: c, spec: other.yaml}
grid:
  solver.steps: [2, 3]
  canonicalizers: [[], [sinkhorn_rebasin]]
  train: [{iterations: 4}]
"""
    (tmp_path / "other.yaml").write_text(tiny(solver="{type: heun, steps: 7}"))
    found = rows_of(tmp_path, text)
    assert [row.name for row in found] == [
        "A, b", "c", "2, none, iterations=4", "2, sinkhorn_rebasin, iterations=4",
        "3, none, iterations=4", "3, sinkhorn_rebasin, iterations=4",
    ]  # fmt: skip
    assert [[run.seed for run in row.runs] for row in found] == [[3, 5]] * 6
    assert [run.folder for run in found[0].runs] == ["A-b-3", "A-b-5"]
    assert found[0].set == {"zoo.networks": 30, "train.sigma": 0.25}
    resolved = [row.runs[1].resolved for row in found]
    assert {spec["seed"] for spec in resolved} == {5}
    assert {spec["zoo"]["networks"] for spec in resolved} == {30}
    # The row's own come last; a value takes the place of all that is there.
    assert [spec["train"]["sigma"] for spec in resolved] == [0.25, 0.5, *[0.0] * 4]
    assert [spec["solver"]["steps"] for spec in resolved] == [4, 7, 2, 2, 3, 3]
    assert [len(spec["canonicalizers"]) for spec in resolved] == [0, 0, 0, 1, 0, 1]
    for row in found:
        for run in row.runs:
            assert run.assemble().resolved == run.resolved


def test_without_seeds_a_row_has_that_of_its_spec(tmp_path: Path) -> None:
    found = rows_of(tmp_path, GOOD + "  - {name: c, set: {seed: 9}}\n")
    assert [[run.seed for run in row.runs] for row in found] == [[0], [0], [9]]


def test_later_edits_of_the_files_change_nothing(tmp_path: Path) -> None:
    [first, _] = rows_of(tmp_path, GOOD)
    (tmp_path / "spec.yaml").write_text("ruined")
    assert first.runs[0].assemble().resolved == first.runs[0].resolved


GRID_OPTIONS = ", ".join(Grid.model_fields)
WRONG = {
    "no mapping": ("[a]\n", ["g.yaml:1:1: a grid must be a mapping of names"]),
    "nothing to run": (
        "name: t\nspec: spec.yaml\n",
        ["g.yaml:1:1: there is nothing to run: give `rows`, or axes under `grid`"],
    ),
    "unknown option": (
        GOOD + "sedes: [1]\n",
        ["g.yaml:6:1: unknown option sedes (did you mean 'seeds'?); options: " + GRID_OPTIONS],
    ),
    "several": (
        "name: a b\nspec: spec.yaml\nseeds: [x]\nrows: [{nme: a}]\n",
        [
            "g.yaml:1:7: name: string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'; "
            "got 'a b'",
            "g.yaml:3:9: seeds.0: input should be a valid integer; got 'x'",
            "g.yaml:4:8: rows.0.name is missing",
            "g.yaml:4:9: unknown option rows.0.nme (did you mean 'name'?); options: "
            + ", ".join(Row.model_fields),
        ],
    ),
    "no spec": (
        "name: t\nrows: [{name: a}]\ngrid: {seed: [1]}\n",
        [
            "g.yaml:2:8: row 'a' has no spec: give `spec` here, or for all",
            "g.yaml:3:1: these rows have no spec: give `spec` for all",
        ],
    ),
    "empty lists": (
        "name: t\nspec: spec.yaml\nseeds: []\ngrid: {seed: []}\ncolumns: []\n",
        [
            "g.yaml:3:1: seeds: give at least one",
            "g.yaml:4:8: grid.seed: give at least one",
            "g.yaml:4:8: grid: seed is given by `seeds` already",
            "g.yaml:5:1: columns: give at least one",
        ],
    ),
    "seed and seeds": (
        "name: t\nspec: spec.yaml\nseeds: [1, 1]\nset: {seed: 1}\ngrid: {seed: [2]}\n",
        [
            "g.yaml:3:12: seeds: 1 is given twice",
            "g.yaml:4:7: set: seed is given by `seeds` already",
            "g.yaml:5:8: grid: seed is given by `seeds` already",
        ],
    ),
    "no path": (
        GOOD + "set: {zoo..networks: 1}\n",
        ["g.yaml:6:7: set: 'zoo..networks' must look like zoo.networks"],
    ),
    "rows of one name": (
        GOOD.replace("name: b", "name: a"),
        ["g.yaml:5:5: rows: 'a' is given twice"],
    ),
    "values of one name": (
        "name: t\nspec: spec.yaml\ngrid: {seed: [1, 1]}\n",
        ["g.yaml:3:18: two rows would be called '1'; write them as `rows`"],
    ),
    "published nowhere": (
        GOOD.replace("name: a", "name: a, published: {samples.acuracy.mean: 1, samples.loss: 2}"),
        [
            "g.yaml:4:27: published samples.acuracy.mean is shown by no column (did you mean "
            "'samples.accuracy.mean'?); columns: samples.accuracy, samples.loss, "
            "novelty.nearest_ratio"
        ],
    ),
    "no file": (
        GOOD.replace("spec.yaml", "none.yaml"),
        ["rows 'a', 'b': none.yaml: cannot be read: No such file or directory"],
    ),
    "of the specs": (
        GOOD.replace("train.sigma: 0.1", "train.sigma: -1, zoo.nets: 3")
        + "set: {metrics.9: x, velocity.layers: 0}\n",
        ["g.yaml:6:18: rows 'a', 'b': metrics.9: there is nothing to set at '9'"],
    ),
    "of some rows": (
        GOOD.replace("train.sigma: 0.1", "train.sigma: -1, zoo.nets: 3")
        + "set: {velocity.layers: 0}\n",
        [
            "g.yaml:5:34: row 'b': train.sigma: input should be greater than or equal to 0; got -1",
            "g.yaml:5:38: row 'b': unknown option zoo.nets (did you mean 'networks'?); options: "
            "networks, epochs, batch_size, optimizer, shared_batches, snapshots, task",
            "g.yaml:6:24: rows 'a', 'b': velocity.layers: input should be greater than or equal "
            "to 1; got 0",
        ],
    ),
    "what does not fit together": (
        GOOD.replace("train.sigma: 0.1", "zoo: gaussian"),
        [
            "spec.yaml:7:11: row 'b': coupling: 'trajectory' needs a zoo that knows the "
            "initialisation of each network"
        ],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_its_place(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]
    assert problems(tmp_path, text) == said


def test_the_command_refuses_a_wrong_grid_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("name: t\n")
    before = sorted(tmp_path.iterdir())
    message = refused(wflow("sweep", tmp_path / "g.yaml", "--out", tmp_path / "out"))
    assert message.endswith(
        "g.yaml:1:1: there is nothing to run: give `rows`, or axes under `grid`"
    )
    assert sorted(tmp_path.iterdir()) == before


def test_rows_by_name(tmp_path: Path) -> None:
    found = rows_of(tmp_path, GOOD)
    assert [row.name for row in select_rows(found, ["b"])] == ["b"]
    assert select_rows(found, []) == found
    with pytest.raises(WflowError, match=r"no row is called 'bb' .did you mean 'b'.*; rows: a, b"):
        select_rows(found, ["bb"])


def test_a_dry_run_lists_rows_and_overrides(tmp_path: Path) -> None:
    rows_of(tmp_path, GOOD + "seeds: [1, 2]\n")
    before = sorted(tmp_path.iterdir())
    shown = wflow("sweep", tmp_path / "g.yaml", "--dry-run")
    assert shown.stdout == (
        "[1/2] a: spec.yaml, seed 1, 2\n[2/2] b: spec.yaml, seed 1, 2\n    train.sigma=0.1\n"
    )
    one = json.loads(
        wflow("sweep", tmp_path / "g.yaml", "--dry-run", "--json", "--only", "b").stdout
    )
    runs = [{"seed": 1, "folder": "b-1"}, {"seed": 2, "folder": "b-2"}]
    assert one == [{"name": "b", "spec": "spec.yaml", "set": {"train.sigma": 0.1}, "runs": runs}]
    assert sorted(tmp_path.iterdir()) == before


@given(st.lists(st.text(max_size=90), max_size=8, unique=True))
def test_folders_are_plain_and_each_row_has_its_own(names: list[str]) -> None:
    found = slugs(names)
    assert len({slug.lower() for slug in found}) == len(names)
    for slug in found:
        assert slug.replace("-", "").replace(".", "").replace("_", "").isalnum()
        assert slug.isascii()
        assert slug[0].isalnum()
        assert len(slug) < 80


def test_names_of_values() -> None:
    named = {"ot": "ot", "a": ["a", {"type": "b", "n": 2}], "x": {"n": None}, "1": 1, "true": True}
    assert [format_value(v) for v in named.values()] == ["ot", "a + b n=2", "n=null", "1", "true"]
    assert format_value([]) == "none"


@pytest.mark.parametrize("path", THESIS, ids=lambda p: p.name)
def test_the_grids_of_the_thesis_are_right(path: Path) -> None:
    file, rows = load_rows(path)
    assert any(row.published for row in rows) == path.name.startswith("table")
    assert len(file.grid.columns) > 1


def test_table_7_1_has_its_nine_rows_on_one_zoo() -> None:
    _, rows = load_rows(ROOT / "examples/thesis/table_7_1.yaml")
    assert all(row.published for row in rows[:9])
    found = [row.runs[0].resolved for row in rows[:9]]
    flows = ["euclidean", "normalized", "relu_sphere"]
    assert [spec["manifold"]["type"] for spec in found] == [f for f in flows for _ in range(3)]
    assert [spec["coupling"]["type"] for spec in found] == ["independent", "independent", "ot"] * 3
    for i, spec in enumerate(found):
        named = [slot["type"] for slot in spec["canonicalizers"]]
        assert ("sinkhorn_rebasin" in named) == (i % 3 > 0)
        assert ("relu_sphere" in named) == (i >= 3)
        same = ("task", "architecture", "zoo", "prior", "velocity", "train", "seed")
        assert all(spec[name] == found[0][name] for name in same)
    projected = rows[9].runs[0].resolved
    assert projected["manifold"] == found[5]["manifold"] | {"project": "predictions"}
    for row in rows[10:]:  # as far as the thesis's own network gets
        spec = row.runs[0].resolved
        assert spec["velocity"]["type"] == "relational_transformer"
        assert all(spec[name] == found[0][name] for name in ("task", "zoo", "prior", "seed"))


@pytest.mark.parametrize("model", [Grid, Row, Column])
def test_every_option_has_a_meaning(model: type[Grid | Row | Column]) -> None:
    page = (ROOT / "docs/sweep.md").read_text("utf-8")
    assert "<!-- wflow:grid -->" in page
    assert all(field.description for field in model.model_fields.values())
