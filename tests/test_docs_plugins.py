"""The example plugin of each page under docs/extending: installed, used in a run, and tried by the
law of its kind."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from inspect import isabstract
from pathlib import Path
from typing import Any

import pytest
import torch
from docs_laws import LAWS

import wflow_core
from wflow_core import registry
from wflow_core.export import write_networks
from wflow_core.weights import WeightSet
from wflow_core.yaml_source import dump, read_text

ROOT = Path(__file__).parents[1]
SPEC = """
name: docs
task: breast_cancer
architecture: {type: mlp, hidden: [5, 4], activation: tanh}
zoo: {type: train, networks: 6, epochs: 1}
prior: {type: gaussian, std: 0.3}
coupling: independent
velocity: {type: mlp, width: 8, layers: 1}
train: {iterations: 4, evaluate_every: 2, batch_size: 4}
solver: {type: euler, steps: 2}
sample: {networks: 3}
metrics: [task_score]
hooks: []
"""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(params=registry.KINDS)
def example(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, type[Any]]]:
    """The plugin of a page, installed in a folder on the path: ``(kind, class)``."""
    kind, page = request.param, f"extending/{request.param}.md"
    (code,), (entries,) = blocks(page, "python"), blocks(page, "toml")
    ((group, names),) = tomllib.loads(entries)["project"]["entry-points"].items()
    assert group == registry.KINDS[kind][0]
    ((name, place),) = names.items()
    file = tmp_path / f"{place.partition(':')[0].replace('.', '/')}.py"
    file.parent.mkdir()
    file.write_text(code, "utf-8")
    info = tmp_path / "my_plugin-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {place}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield kind, registry.load(kind, name)
    for module in [m for m in sys.modules if m.partition(".")[0] == file.parent.name]:
        del sys.modules[module]


def test_example_plugin_is_concrete_runs_and_keeps_its_law(
    example: tuple[str, type[Any]], tmp_path: Path
) -> None:
    kind, cls = example
    assert not isabstract(cls)
    assert cls.__module__.startswith("my_plugin.")
    (use,) = blocks(f"extending/{kind}.md", "yaml")
    if kind == "zoo":
        _write_some_networks(tmp_path / "my_networks")
    spec = read_text(SPEC, "base").data | read_text(use, f"{kind}.md").data
    assembly = wflow_core.assemble(wflow_core.spec_from_text(dump(spec)))
    assert "my-plugin 0.1.0" in assembly.origins.values()
    metrics = wflow_core.run(assembly, tmp_path / "run")
    assert metrics["samples"]["accuracy"]["mean"] is not None
    LAWS[kind](assembly, metrics, tmp_path)


def _write_some_networks(folder: Path) -> None:
    architecture = wflow_core.assemble(wflow_core.spec_from_text(SPEC)).architecture
    weights = architecture.initialize(6, torch.Generator().manual_seed(0))
    write_networks(WeightSet.of(architecture.module, weights), folder, separate=True)
