"""The Gaussian toy of the thesis, section 7.1, whose end is known."""

from __future__ import annotations

from pathlib import Path

import pytest

import wflow_core

EXAMPLE = Path(__file__).parents[1] / "examples" / "gaussian.yaml"


@pytest.mark.parametrize(
    ("velocity", "networks"),
    [("mlp", 4096), ("{type: neuron_transformer, width: 32, layers: 1, heads: 2}", 512)],
)
def test_a_gaussian_flows_to_another(tmp_path: Path, velocity: str, networks: int) -> None:
    changes = [f"velocity={velocity}", f"sample.networks={networks}", "hooks=[]"]
    assembly = wflow_core.assemble(wflow_core.load_spec(EXAMPLE, changes))
    assert assembly.solver.config.steps == 100
    found = wflow_core.run(assembly, tmp_path / "run")["samples"]["weights"]
    assert found["mean"] == pytest.approx(1.0, abs=0.05)
    assert found["std"] == pytest.approx(1.0, rel=0.05)
