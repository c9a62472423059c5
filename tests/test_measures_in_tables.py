"""Every metric has its columns: in the table of a run, of its report, of a sweep."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wflow_core.specs.located_yaml import read_text
from wflow_plugins.evaluation.table import columns
from wflow_plugins.metrics.error_iou import ErrorIou
from wflow_plugins.metrics.model_average import ModelAverage
from wflow_plugins.metrics.novelty import Novelty
from wflow_plugins.metrics.task_score import TaskScore
from wflow_plugins.report import tables
from wflow_plugins.sweep.grid import Column, Grid
from wflow_plugins.sweep.labels import label, labels
from wflow_plugins.sweep.results import Result
from wflow_plugins.sweep.rows import Run, SweepRow
from wflow_plugins.sweep.table import build_table
from wflow_plugins.sweep.text import render_markdown

DECLARING = (TaskScore, ModelAverage, ErrorIou, Novelty)
HEADINGS = {path: heading for m in DECLARING for heading, path in m.columns.items()}


def spread(mean: float, std: float = 0.25) -> dict[str, float]:
    return {"mean": mean, "std": std}


OF_TEXTS = {"spearman": spread(0.5), "r2": spread(0.75), "mae": spread(0.125)}
OF_CLASSES = {"error_iou": {"max": spread(0.875), "mean": spread(0.5)}}
METRICS: dict[str, Any] = {
    "samples": OF_TEXTS | OF_CLASSES,
    "zoo": OF_TEXTS,
    "baselines": {"zoo_noise": OF_TEXTS},
}


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("samples.accuracy", "accuracy"),
        ("samples.spearman", "Spearman"),
        ("samples.r2.mean", "R2 mean"),
        ("zoo.mae", "zoo MAE"),
        ("baselines.zoo_noise.accuracy", "zoo noise accuracy"),
        ("samples.error_iou.max_corrected", "error IoU max corrected"),
        ("samples.model_average.accuracy", "average accuracy"),
        ("novelty.nearest_ratio", "nearest"),
        ("samples.iris.loss", "iris loss"),
        ("samples", "samples"),
        ("baselines", "baselines"),
        ("samples.error_iou.max", "error IoU"),
        ("samples.weights.mean", "weights mean"),
        ("samples.iris.model_average.accuracy", "iris average accuracy"),
    ],
)
def test_a_heading_says_what_is_measured(path: str, heading: str) -> None:
    assert label(path, HEADINGS) == heading


def test_two_columns_have_no_heading_in_common() -> None:
    paths = ("samples.gaussian.loss", "baselines.gaussian.loss", "samples.loss")
    given = [Column(path=path) for path in paths] + [Column(path="zoo.loss", label="loss")]
    assert labels(given, HEADINGS) == [*paths, "loss"]


def test_the_table_of_a_sweep() -> None:
    paths = [f"samples.{name}" for name in (*OF_TEXTS, "error_iou.max", "error_iou.mean")]
    shown = [{"path": path} for path in [*paths, "baselines.zoo_noise.r2", "zoo.spearman.mean"]]
    grid = Grid.model_validate({"name": "g", "spec": "s", "grid": {"x": [1]}, "columns": shown})
    run = Run("a", 0, "a-0", read_text("{}", "spec"), {})
    rows = [SweepRow("a", "s", {}, {"samples.error_iou.max.mean": 0.75}, (run,), HEADINGS)]
    about = {"command": "", "versions": {"wflow": "0", "torch": "0", "python": "0"},
             "machine": {"system": "", "cores": 1, "device": "cpu", "threads": 1}}  # fmt: skip
    found = build_table(grid, rows, {"a-0": Result("finished", None, METRICS)}) | about
    assert not found["notes"]
    head, _, row = (
        line.strip("| ").split("|") for line in render_markdown(found).splitlines()[2:5]
    )
    assert dict(zip(map(str.strip, head), map(str.strip, row), strict=True)) == {
        "row": "a", "Spearman": "0.500 ±0.250", "R2": "0.750 ±0.250", "MAE": "0.125 ±0.250",
        "error IoU": "0.875 ±0.250", "error IoU, published": "0.750",
        "error IoU mean": "0.500 ±0.250", "zoo noise R2": "0.750 ±0.250",
        "zoo Spearman mean": "0.500", "seeds": "1", "seconds": "0.0",
    }  # fmt: skip


def test_the_tables_of_a_run_and_of_its_report() -> None:
    rows = {"samples": METRICS["samples"], "zoo": METRICS["zoo"]}
    names = ["r2", "spearman", "mae", "error IoU"]
    assert list(columns(DECLARING, rows.values())) == names
    run = SimpleNamespace(components=SimpleNamespace(metrics=DECLARING), numbers=rows)
    page = tables.results(run)  # type: ignore[arg-type]
    assert [column.heading for column in page.columns] == names
    cells = dict(zip(names, page.rows[0].cells, strict=True))
    assert cells["error IoU"] == ("0.8750", "0.2500")
    assert cells["spearman"] == ("0.5000", "0.2500")
    assert page.rows[1].cells[-1] == ("", "")
