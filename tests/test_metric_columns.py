"""A metric from outside declares a heading; the table of a run shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_support import distribution, tensors, tiny, wflow, write_spec


def test_the_table_of_a_run_has_the_column_of_a_foreign_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins, run = tmp_path / "plugins", tmp_path / "run"
    name = {"largest_weight": "plugin_support:LargestWeight"}
    distribution(plugins, "wflow-loudness", metrics=name)
    monkeypatch.syspath_prepend(plugins)
    text = tiny(metrics="[task_score, largest_weight]", baselines="[untrained]", hooks="[]")
    result = wflow("run", write_spec(tmp_path, text), "--out", run)
    assert result.exit_code == 0, result.output
    found = json.loads((run / "metrics.json").read_text())
    largest = tensors(run, "samples")["weights"].abs().amax(1)
    mean = found["samples"]["largest_weight"]["of_all"]["mean"]
    assert mean == pytest.approx(largest.mean().item())
    lines = iter(result.stdout.splitlines())
    heading = next(line for line in lines if "accuracy" in line)
    assert heading.split() == ["accuracy", "loss", "loudest", "seconds"]
    rows = [next(lines) for _ in range(3)]
    assert [row.split()[0] for row in rows] == ["zoo", "samples", "untrained"]
    assert f" {mean:.4f} " in rows[1]
