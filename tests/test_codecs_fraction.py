"""A spec that asks for a fraction of the variance: what is built for D coordinates waits for D."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plugin_support import refused, tiny, wflow, without_seconds, write_spec

import wflow_core

LINES = {
    "prior": "gaussian", "coupling": "independent", "velocity": "{type: mlp, width: 16, layers: 1}",
    "metrics": "[task_score]", "hooks": "[]",
}  # fmt: skip


def run(folder: Path, components: str) -> Path:
    folder.mkdir()
    spec = write_spec(folder, tiny(codec=f"{{type: pca, components: {components}}}", **LINES))
    shown = wflow("run", spec, "--out", folder / "run")
    assert shown.exit_code == 0, shown.output
    return folder / "run"


def metrics(folder: Path) -> Any:
    found = json.loads((folder / "metrics.json").read_text())
    return without_seconds({n: of for n, of in found.items() if n != "seconds"})


def test_a_fraction_is_the_number_of_components_that_it_takes(tmp_path: Path) -> None:
    by_fraction = run(tmp_path / "fraction", "0.6")
    flow = wflow_core.load(by_fraction)
    assert flow.components.codec is not None
    k = flow.components.codec.dim
    assert 2 < k < 23
    assert flow.components.space.dim == k
    assert flow.sample(3).weights.shape == (3, 134)
    by_number = run(tmp_path / "number", str(k))
    assert metrics(by_fraction) == metrics(by_number)
    again = wflow("run", tmp_path / "fraction/spec.yaml", "--out", by_fraction)
    assert again.exit_code == 0
    assert metrics(by_fraction) == metrics(by_number)


def test_check_takes_it_and_a_density_is_refused_as_of_any_codec(tmp_path: Path) -> None:
    lines = LINES | {"codec": "{type: pca, components: 0.6}"}
    assert wflow("check", write_spec(tmp_path, tiny(**lines))).exit_code == 0
    with_density = tiny(**lines | {"metrics": "[likelihood]"})
    said = refused(wflow("check", write_spec(tmp_path, with_density)))
    assert "no density of weights" in said


def test_dim_is_unknown_before_it_is_fitted(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(**LINES | {"codec": "{type: pca, components: 0.6}"}))
    codec = wflow_core.assemble(wflow_core.load_spec(spec)).codec
    assert codec is not None
    assert codec.dim is None
