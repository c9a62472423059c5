"""The grids and specs of DeepWeightFlow assemble, and show samples beside the baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from wflow_core import assemble, load_spec
from wflow_plugins.sweep.rows import load_rows

DEEP = Path(__file__).parents[1] / "examples/deepweightflow"
# Networks of 108 million weights are slow to build.
SMALLER = {"bert_yelp.yaml": ["architecture.width=48", "architecture.layers=1"]}


@pytest.mark.parametrize("path", sorted(DEEP.glob("*.yaml")), ids=lambda p: p.name)
def test_the_grids_of_deepweightflow_show_baselines_beside_samples(path: Path) -> None:
    file, rows = load_rows(path)
    shown = {column.path for column in file.grid.columns}
    names = ("interpolation", "soup", "zoo_noise", "gaussian")
    of_baselines = {f"baselines.{name}.accuracy" for name in names}
    assert shown >= {"samples.accuracy", "zoo.accuracy", "novelty.nearest_ratio"} | of_baselines
    for row in rows:
        spec = row.runs[0].resolved
        if "ours" not in row.name:  # the published protocol
            assert (spec["prior"]["type"], spec["solver"]["steps"]) == ("gaussian", 100)
            assert (spec["zoo"]["networks"], spec["train"]["batch_size"]) == (100, 8)


@pytest.mark.parametrize("path", sorted((DEEP / "specs").glob("*.yaml")), ids=lambda p: p.name)
def test_the_specs_of_deepweightflow_are_right(path: Path) -> None:
    """Those of networks and data that are not here, too."""
    assemble(load_spec(path, SMALLER.get(path.name, [])))
