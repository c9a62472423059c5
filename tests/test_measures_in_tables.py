"""Every measure has its column: of a run, of its report, of a sweep."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wflow_plugins.evaluation.table import columns
from wflow_core.specs.yaml_source import read_text
from wflow_plugins.sweep.grid import Column, Grid
from wflow_plugins.sweep.labels import label, labels
from wflow_plugins.sweep.results import Result
from wflow_plugins.sweep.rows import Run, SweepRow
from wflow_plugins.sweep.table import table
from wflow_plugins.sweep.text import markdown
from wflow_plugins.report import tables


def spread(mean: float, std: float = 0.25) -> dict[str, float]:
    return {"mean": mean, "std": std}


OF_TEXTS = {"spearman": spread(0.5), "r2": spread(0.75), "mae": spread(0.125)}
OF_CLASSES = {"wrong_iou": {"max": spread(0.875), "mean": spread(0.5)}}
METRICS: dict[str, Any] = {
    "samples": OF_TEXTS | OF_CLASSES,
    "zoo": OF_TEXTS,
    "nulls": {"zoo_noise": OF_TEXTS},
}


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("samples.accuracy", "accuracy"),
        ("samples.spearman", "Spearman"),
        ("samples.r2.mean", "R2 mean"),
        ("zoo.mae", "zoo MAE"),
        ("nulls.zoo_noise.accuracy", "zoo noise accuracy"),
        ("samples.wrong_iou.max_corrected", "wrong IoU max corrected"),
        ("samples.model_average.accuracy", "average accuracy"),
        ("novelty.nearest_ratio", "nearest"),
        ("samples.iris.loss", "iris loss"),
        ("samples", "samples"),
        ("nulls", "nulls"),
    ],
)
def test_a_heading_says_what_is_measured(path: str, heading: str) -> None:
    assert label(path) == heading


def test_two_columns_have_no_heading_in_common() -> None:
    paths = ("samples.gaussian.loss", "nulls.gaussian.loss", "samples.loss")
    given = [Column(path=path) for path in paths] + [Column(path="zoo.loss", label="loss")]
    assert labels(given) == [*paths, "loss"]


def test_the_table_of_a_sweep() -> None:
    paths = [f"samples.{name}" for name in (*OF_TEXTS, "wrong_iou.max", "wrong_iou.mean")]
    shown = [{"path": path} for path in [*paths, "nulls.zoo_noise.r2", "zoo.spearman.mean"]]
    grid = Grid.model_validate({"name": "g", "spec": "s", "grid": {"x": [1]}, "columns": shown})
    run = Run("a", 0, "a-0", read_text("{}", "spec"), {})
    rows = [SweepRow("a", "s", {}, {"samples.wrong_iou.max.mean": 0.75}, (run,))]
    about = {"command": "", "versions": {"wflow": "0", "torch": "0", "python": "0"},
             "machine": {"system": "", "cores": 1, "device": "cpu", "threads": 1}}  # fmt: skip
    found = table(grid, rows, {"a-0": Result("finished", None, METRICS)}) | about
    assert not found["notes"]
    head, _, row = (line.strip("| ").split("|") for line in markdown(found).splitlines()[2:5])
    assert dict(zip(map(str.strip, head), map(str.strip, row), strict=True)) == {
        "row": "a", "Spearman": "0.500 ±0.250", "R2": "0.750 ±0.250", "MAE": "0.125 ±0.250",
        "wrong IoU max": "0.875 ±0.250", "wrong IoU max, published": "0.750",
        "wrong IoU mean": "0.500 ±0.250", "zoo noise R2": "0.750 ±0.250",
        "zoo Spearman mean": "0.500", "seeds": "1", "seconds": "0.0",
    }  # fmt: skip


def test_the_tables_of_a_run_and_of_its_report() -> None:
    rows = {"samples": METRICS["samples"], "zoo": METRICS["zoo"]}
    names = ["r2", "spearman", "mae", "wrong IoU"]
    assert list(columns(rows.values())) == names
    page = tables.table(SimpleNamespace(numbers=rows))  # type: ignore[arg-type]
    assert page.names == names
    cells = dict(zip(names, page.rows[0].cells, strict=True))
    assert cells["wrong IoU"] == ("0.8750", "0.2500")
    assert cells["spearman"] == ("0.5000", "0.2500")
    assert page.rows[1].cells[-1] == ("", "")
