"""The example plugin of each page under docs/extending: installed, used in a run, tested by the law
that belongs to its page, and by the contract test that its page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from inspect import isabstract
from pathlib import Path

import pytest
import torch
from docs_laws import LAWS
from plugin_support import distribution

import wflow_core
from wflow_core import WeightSet, registry
from wflow_core.specs.located_yaml import dump, read_text
from wflow_core.testing import CONTRACTS
from wflow_plugins.commands.export import write_networks

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
SECTIONS = (
    "When to write one", "Interface", "Example", "Register it", "Use it", "Test it", "Rules",
)  # fmt: skip


def page(kind: str) -> str:
    return (ROOT / f"docs/extending/{kind}.md").read_text("utf-8")


def blocks(kind: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(kind), re.MULTILINE | re.DOTALL)


def install(kind: str, folder: Path) -> str:
    """Put the plugin of a page into a folder that is to go on the path; the plugin's name."""
    code, contract = blocks(kind, "python")
    (entries,) = blocks(kind, "toml")
    ((group, names),) = tomllib.loads(entries)["project"]["entry-points"].items()
    assert group == registry.KINDS[kind].group
    ((name, target),) = names.items()
    file = folder / f"{target.partition(':')[0].replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(code, "utf-8")
    (folder / f"test_{file.name}").write_text(contract, "utf-8")
    distribution(folder, f"my-{kind}", **{group.partition(".")[2]: names})
    return str(name)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, and the working folder."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for module in [m for m in sys.modules if m.partition(".")[0] == "my_plugin"]:
        del sys.modules[module]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_page_has_the_same_sections(kind: str) -> None:
    text = re.sub(r"^```.*?^```$", "", page(kind), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^# (.+)$", text, re.MULTILINE) == [kind.capitalize()]
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == SECTIONS


@pytest.mark.parametrize("kind", registry.KINDS)
def test_example_plugin_is_concrete_runs_and_keeps_its_law(kind: str, path: Path) -> None:
    cls = registry.load(kind, install(kind, path))
    assert not isabstract(cls)
    assert cls.__module__.startswith("my_plugin.")
    (use,) = blocks(kind, "yaml")
    if kind == "zoo":
        _write_some_networks(path / "my_networks")
    spec = read_text(SPEC, "base").data | read_text(use, f"{kind}.md").data
    components = wflow_core.assemble(wflow_core.spec_from_text(dump(spec)))
    assert f"my-{kind} 1.0" in components.origins.values()
    assert any(isinstance(of, cls) for of in components.built.values())
    metrics = wflow_core.run(components, path / "run")
    assert metrics["samples"]["accuracy"]["mean"] is not None
    LAWS[kind](components, metrics, path)


def _write_some_networks(folder: Path) -> None:
    architecture = wflow_core.assemble(wflow_core.spec_from_text(SPEC)).architecture
    weights = architecture.initialize(6, torch.Generator().manual_seed(0))
    write_networks(WeightSet.from_module(architecture.template, weights), folder, separate=True)


def test_example_plugins_pass_the_contracts_that_their_pages_show(tmp_path: Path) -> None:
    for kind in registry.KINDS:
        install(kind, tmp_path)
        assert f"({CONTRACTS[kind].__name__}):" in blocks(kind, "python")[1]
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path)]
    env = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    tried = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert tried.returncode == 0, tried.stdout
    assert int(re.findall(r"(\d+) passed", tried.stdout)[0]) >= 5 * len(registry.KINDS)
