"""The report of runs with metrics, baselines and stages of other packages."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from plugin_support import distribution, refused, tiny, wflow, write_spec

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.weights import WeightSet
from wflow_plugins.report.read import read_run
from wflow_plugins.report.tables import further_numbers, results
from wflow_plugins.report.verdict import verdict


class Norm(Metric):
    """The norm of each network, and the largest."""

    columns = {"largest norm": "norm.max"}

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        norm = samples.weights.norm(dim=1)
        return {"a_norm": norm, "norm": {"max": norm.max().item(), "min": norm.min().item()}}


class Shift(Metric):
    """The distance between the means of samples and zoo."""

    compares_to_zoo = True
    columns = {"nearest": "shift"}

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        return {"shift": (samples.weights.mean(0) - zoo.weights.mean(0)).norm().item()}


class Copies(Baseline):
    """Zoo networks."""

    def make(self, context: BaselineContext) -> WeightSet:
        return context.zoo[context.sample_indices("copies")]


def run_spec(folder: Path, **lines: str | None) -> tuple[Path, str]:
    """A run of a spec with these lines: its folder, and what was printed on stderr."""
    result = wflow("run", write_spec(folder, tiny(**lines)), "--out", folder / "run")
    assert result.exit_code == 0, result.stderr
    return folder / "run", result.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    distribution(
        folder / "site",
        "other-metrics",
        metrics={"norm": f"{__name__}:Norm", "shift": f"{__name__}:Shift"},
        baselines={"copies": f"{__name__}:Copies"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "site")
        metrics, baselines = "[norm, shift, task_score, novelty]", "[copies, untrained]"
        return run_spec(folder, metrics=metrics, baselines=baselines, hooks="[report]")[0]


@pytest.fixture(autouse=True)
def site(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(run.parent / "site")


def test_columns_of_any_metric_are_in_the_table(run: Path) -> None:
    data = read_run(run)
    table, numbers = results(data), json.loads((run / "metrics.json").read_text())
    known = {c.heading: i for i, c in enumerate(table.columns)}
    # Two metrics declare the same heading: the later one has it.
    assert [*known] == ["largest norm", "nearest", "accuracy", "loss", "spread", "seconds"]
    assert table.columns[known["nearest"]].path == "novelty.nearest_ratio"
    cells = {row.name: row.cells for row in table.rows}
    assert [*cells] == ["samples", "zoo", "copies", "untrained"]
    for name, row in {"zoo": numbers["zoo"], "copies": numbers["baselines"]["copies"]}.items():
        assert cells[name][0] == (f"{row['norm']['max']:.4f}", "")


def test_numbers_without_a_column_are_on_the_page(run: Path) -> None:
    data, numbers = read_run(run), json.loads((run / "metrics.json").read_text())
    further = further_numbers(data, results(data).paths)
    cells = {row.name: row.cells for row in further.rows}
    assert {"a_norm", "norm.min", "shift", "novelty.nearest"} == cells.keys()
    assert [column.heading for column in further.columns] == [
        "samples", "zoo", "copies", "untrained"
    ]  # fmt: skip
    of_zoo = numbers["zoo"]["a_norm"]
    assert cells["a_norm"][1] == (f"{of_zoo['mean']:.4f}", f"{of_zoo['std']:.4f}")
    assert cells["shift"][0] == (f"{numbers['shift']:.4f}", "")
    assert cells["shift"][1] == ("", "")
    page = unescape(re.sub(r"<[^>]+>", "", (run / "report.html").read_text("utf-8")))
    assert f"{numbers['shift']:.4f}" in page
    assert "Further numbers" in page


def test_units_belong_to_a_number_not_to_a_heading(run: Path) -> None:
    units = {column.path: column.unit for column in results(read_run(run)).columns}
    assert units["novelty.nearest_ratio"] == "× zoo"
    assert units["norm.max"] == ""


def test_the_main_score_is_one_of_the_task(run: Path) -> None:
    assert read_run(run).scores == ["accuracy", "a_norm", "loss"]


def test_any_cheap_baseline_can_be_a_rival(run: Path) -> None:
    data = read_run(run)
    assert data.cheap_baselines == ["copies", "untrained"]
    for name, nearest in (("samples", 1.0), ("copies", 1.0), ("untrained", 0.1)):
        data.numbers[name]["accuracy"] = data.numbers["zoo"]["accuracy"]
        data.numbers[name]["novelty"] = {"nearest_ratio": nearest}
    assert "but the baseline copies reaches as far and scores as well" in verdict(data)


@pytest.mark.parametrize(
    ("stages", "sections"),
    [
        ("[collect, canonicalize, encode, train, sample]", ["figures", "composition", "record"]),
        ("[collect, train, sample, evaluate]", ["results", "figures", "composition", "record"]),
    ],
)
def test_a_run_may_have_other_stages(tmp_path: Path, stages: str, sections: list[str]) -> None:
    run, _ = run_spec(tmp_path, stages=stages, hooks="[report]")
    found: list[Any] = re.findall(r'<section id="(\w+)"', (run / "report.html").read_text("utf-8"))
    assert found == sections


def test_a_run_without_samples_has_no_report(tmp_path: Path) -> None:
    run, stderr = run_spec(tmp_path, stages="[collect, train]", sample=None, hooks="[report]")
    why = "the `stages` of this run are collect, train, without 'sample'"
    assert f"report  none: {run}: the report is about samples of a trained flow" in stderr
    assert not (run / "report.html").exists()
    assert why in refused(wflow("report", run))
