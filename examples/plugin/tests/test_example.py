"""The spec of the package: right, and of this package's plugins."""

from __future__ import annotations

from pathlib import Path

import wflow_core

SPEC = Path(__file__).parents[1] / "example.yaml"
SMALL = ["zoo.networks=24", "zoo.epochs=1", "train.iterations=5", "sample.networks=4"]


def test_the_spec_runs(tmp_path: Path) -> None:
    """A run as small as can be leaves networks that score."""
    components = wflow_core.assemble(wflow_core.load_spec(SPEC, SMALL))
    assert components.origins["architecture"].startswith("wflow-example ")
    assert components.origins["manifold"].startswith("wflow-example ")
    metrics = wflow_core.run(components, tmp_path / "run")
    assert 0 <= metrics["samples"]["accuracy"]["mean"] <= 1
