"""A package of somebody else's, under third_party: found as installed, used by its spec.

No file of the core or of the built-in plugins knows of it. Its contracts are in
third_party/test_stranger.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from plugin_support import distribution, refused, tensors, tiny, wflow, without_seconds, write_spec

import wflow_core
from wflow_core import registry
from wflow_core.cli.plugins import import_problem

PACKAGES = Path(__file__).parent / "third_party"
PLUGINS = {
    "stages": {"prune": "stranger.prune:Prune"},
    "baselines": {"shrunk": "stranger.measuring:Shrunk"},
    "losses": {"norm": "stranger.training:NormLoss"},
    "optimizers": {"sgd": "stranger.training:Sgd"},
    "times": {"early": "stranger.training:EarlyTimes"},
    "priors": {"narrow": "stranger.narrow:Narrow"},
    "couplings": {"cautious": "stranger.narrow:Cautious"},
    "metrics": {"sparsity": "stranger.measuring:Sparsity"},
    "run_options": {"ledger": "stranger.ledger:LEDGER"},
}
TRAIN = "{iterations: 20, evaluate_every: 10, batch_size: 8, "
LINES = {
    "stages": "[collect, prune, canonicalize, train, sample, evaluate]",
    "canonicalizers": "[weight_matching]",
    "prune": "{fraction: 0.5}",
    "prior": "narrow",
    "coupling": "cautious",
    "train": TRAIN + "time: early, optimizer: {type: sgd, lr: 1.0e-3}, losses: [norm]}",
    "metrics": "[task_score, {type: sparsity, below: 0.2}]",
    "baselines": "[untrained, {type: shrunk, factor: 0.5}]",
    "hooks": "[]",
}
OURS = "stranger"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package and its distribution on the path."""
    monkeypatch.syspath_prepend(PACKAGES)
    monkeypatch.syspath_prepend(tmp_path / "site")
    distribution(tmp_path / "site", OURS, "3.1", **PLUGINS)


def test_its_plugins_are_listed_and_whole() -> None:
    ours = [p for p in registry.plugins() if p.distribution == OURS]
    groups = {registry.KINDS[p.kind].group.removeprefix("wflow.") for p in ours}
    assert groups | {"run_options"} == PLUGINS.keys()
    assert {import_problem(p) for p in ours} == {None}


def test_its_spec_runs(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shown = wflow("run", write_spec(tmp_path, tiny(**LINES)), "--out", run)
    assert shown.exit_code == 0, shown.output

    zoo, pruned = tensors(run, "zoo"), tensors(run, "pruned")
    smallest = zoo["covariates.loss"].sort().values[:12]
    assert torch.equal(pruned["covariates.loss"].sort().values, smallest)
    kept = torch.isin(zoo["covariates.loss"], smallest)
    assert torch.equal(pruned["weights"], zoo["weights"][kept])

    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["pruned"] == 12
    assert metrics["zoo"]["sparsity"]["networks"] == 12
    assert metrics["collected"]["sparsity"]["networks"] == 24
    shrunk = metrics["baselines"]["shrunk"]
    assert shrunk["sparsity"]["fraction"]["mean"] > metrics["zoo"]["sparsity"]["fraction"]["mean"]
    heading, *rows = [line.split() for line in shown.stdout.splitlines() if line.strip()]
    assert {"accuracy", "sparse", "count"} <= set(heading)
    assert {"zoo", "samples", "untrained", "shrunk"} <= {row[0] for row in rows}


def test_later_stages_use_its_artefact(tmp_path: Path) -> None:
    run = tmp_path / "run"
    components = wflow_core.assemble(wflow_core.spec_from_text(tiny(**LINES)))
    wflow_core.run(components, run, "cpu")
    flow = wflow_core.load(run, "cpu")
    assert len(flow.zoo) == 12
    pruned = tensors(run, "pruned")
    assert torch.equal(flow.zoo.covariates["loss"], pruned["covariates.loss"])
    assert not torch.equal(flow.zoo.weights, pruned["weights"])  # which canonicalize moved
    record = json.loads((run / "record.json").read_text())
    assert f"[{', '.join(record['stages'])}]" == LINES["stages"]
    ours = {path for path, origin in record["plugins"].items() if origin == f"{OURS} 3.1"}
    assert {"prune", "train.time", "train.optimizer", "train.losses.0", "prior"} <= ours


def test_another_option_of_its_stage_makes_the_later_stages_run_again(tmp_path: Path) -> None:
    before, after = (
        wflow_core.assemble(wflow_core.spec_from_text(tiny(**LINES | {"prune": prune})))
        for prune in ("{fraction: 0.5}", "{fraction: 0.25}")
    )
    wflow_core.run(before, tmp_path / "run", "cpu")
    manifests = [tmp_path / "run" / n / "manifest.json" for n in ("zoo", "canonical", "flow")]
    first = [file.stat().st_mtime_ns for file in manifests]
    wflow_core.run(after, tmp_path / "run", "cpu", overwrite=True)
    second = [file.stat().st_mtime_ns for file in manifests]
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, False]
    assert len(tensors(tmp_path / "run", "canonical")["weights"]) == 6


def test_its_need_is_refused_with_its_reason_and_met_by_its_prior(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(**LINES | {"prior": "gaussian"}))
    message = refused(wflow("check", spec))
    assert "coupling: 'cautious' needs a prior whose points are close together" in message
    line = 1 + spec.read_text().splitlines().index("coupling: cautious")
    assert f"{spec}:{line}:" in message
    assert wflow("check", write_spec(tmp_path, tiny(**LINES))).exit_code == 0


def test_its_run_option_is_offered_and_used(tmp_path: Path) -> None:
    assert "--ledger FILE" in wflow("run", "--help").stdout
    spec, ledger = write_spec(tmp_path, tiny(**LINES)), tmp_path / "ledger.txt"
    for name, options in (("plain", []), ("listed", ["--ledger", ledger])):
        assert wflow("run", spec, "--out", tmp_path / name, *options).exit_code == 0
    lines = [line.split(": ")[0] for line in ledger.read_text().splitlines()]
    assert lines == ["zoo", "pruned", "canonical", "flow", "samples", "evaluation"]
    plain, listed = (
        without_seconds(json.loads((tmp_path / name / "metrics.json").read_text()))
        for name in ("plain", "listed")
    )
    assert plain == listed


def test_its_components_have_options_in_the_schema() -> None:
    schema = json.loads(wflow("schema").stdout)
    text = json.dumps(schema)
    for name in ("shrunk", "sgd", "early", "narrow", "cautious", "sparsity"):
        assert f'"{name}"' in text
    assert "absolute value of a small weight" in text
