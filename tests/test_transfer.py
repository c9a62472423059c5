"""A flow that learned from networks of one width samples those of another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from plugin_support import log_lines, own_distribution, refused, tiny, wflow, without_seconds

import wflow_core
from wflow_core.assembly.assemble import assemble
from wflow_core.errors import DataError, SpecError, UnsupportedError
from wflow_core.interfaces.task import Signature
from wflow_core.specs.spec import spec_from_text
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.commands.spec_schema import spec_schema
from wflow_plugins.evaluation.populations import populations
from wflow_plugins.likelihood.flow_density import FlowDensity
from wflow_plugins.report.write import write_report
from wflow_plugins.stages.points import check_on_manifold
from wflow_plugins.stages.trained_flow import NetworkFlow, load_velocity
from wflow_plugins.stages.width_transfer import at_architecture
from wflow_plugins.sweep import run_sweep

WIDE = "{networks: 6, architecture: {type: mlp, hidden: [6]}}"
LINES = {"hooks": "[log]", "sample": WIDE, "metrics": "[task_score, novelty, likelihood]"}
SPHERE = {
    "canonicalizers": "[weight_matching, relu_sphere]",
    "manifold": "relu_sphere",
    "prior": "{type: gaussian, std: 0.3}",
    "coupling": "{type: ot, align: true}",
    "metrics": "[task_score, novelty]",
    "solver": "{type: guided_euler, steps: 4}",
    "guidance": "{type: task_loss, strength: 0.1}",
}
VELOCITIES = {
    "neuron_transformer": "{type: neuron_transformer, width: 16, layers: 1, heads: 2}",
    "relational_transformer": "{type: relational_transformer, width: 8, layers: 1}",
    "pna": "{type: pna, width: 8, layers: 1}",
}
CASES = {name: LINES | {"velocity": of} for name, of in VELOCITIES.items()}
CASES["relu_sphere"] = LINES | SPHERE | {"velocity": VELOCITIES["relational_transformer"]}


@pytest.fixture(scope="module", params=CASES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    spec = folder / "s.yaml"
    spec.write_text(tiny(**CASES[request.param]))
    result = wflow("run", spec, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture(scope="module")
def flow(run: Path) -> NetworkFlow:
    return wflow_core.load(run)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> NetworkFlow:
    """A run that samples what it learned from."""
    folder = tmp_path_factory.mktemp("plain")
    components = assemble(spec_from_text(tiny(hooks="[]", metrics="[task_score]")))
    wflow_core.run(components, folder / "run")
    return wflow_core.load(folder / "run")


def width(networks: WeightSet) -> int:
    return networks.layout.by_name["fc1.weight"].shape[0]


def reference(flow: NetworkFlow) -> WeightSet:
    """The networks that samples are compared with."""
    return populations(flow.run, flow.sampled, flow.samples).zoo


def numbers(run: Path) -> Any:
    return json.loads((run / "metrics.json").read_text())


def test_samples_and_what_they_are_compared_with(run: Path, flow: NetworkFlow) -> None:
    compared = reference(flow)
    assert (width(flow.zoo), width(flow.samples), width(compared)) == (4, 6, 6)
    assert len(compared) == len(flow.samples) == 6
    architecture = flow.sampled.architecture
    score = flow.sampled.metrics[0]
    assert score.architecture is architecture
    found = numbers(run)
    for name, networks in {"samples": flow.samples, "zoo": compared}.items():
        expected = score.measure(networks, networks)["loss"].mean().item()
        assert found[name]["loss"]["mean"] == pytest.approx(expected)
    assert found["novelty"]["nearest_ratio"] > 0
    assert "collected" in found or not flow.components.canonicalizers
    module = architecture.build()
    module.load_state_dict(flow.samples.state_dicts()[0])


def test_samples_and_reference_lie_on_the_manifold(flow: NetworkFlow) -> None:
    manifold = flow.sampled.space.manifold
    check_on_manifold(flow.samples.weights, manifold, "samples")
    check_on_manifold(reference(flow).weights, manifold, "reference")


def test_trained_weights_are_the_same(flow: NetworkFlow) -> None:
    wide = flow.density_of(flow.samples).velocity
    own, other = flow.velocity.state_dict(), wide.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)
    assert wide.space.dim > flow.velocity.space.dim


def test_it_is_measured_again_as_the_run_measured_it(run: Path, flow: NetworkFlow) -> None:
    known = {n: of for n, of in numbers(run).items() if n != "seconds"}
    assert without_seconds(flow.evaluate()) == without_seconds(known)


def test_more_networks(run: Path, flow: NetworkFlow, tmp_path: Path) -> None:
    more = flow.sample(3, seed=1)
    assert width(more) == 6
    assert flow.predict(torch.zeros(2, 30), more).shape == (2, 2)
    assert (
        wflow("sample", run, "--networks", 3, "--seed", 1, "--out", tmp_path / "m").exit_code == 0
    )
    result = wflow("evaluate", run, "--from", tmp_path / "m", "--metric", "task_score", "--json")
    assert json.loads(result.stdout)["samples"]["loss"] == pytest.approx(
        flow.evaluate(more, ["task_score"])["samples"]["loss"]
    )


def test_networks_that_were_learned_from_are_beside_the_zoo(flow: NetworkFlow) -> None:
    chosen = flow.zoo[torch.arange(4)]
    found = flow.evaluate(chosen, ["task_score"])
    score = flow.components.metrics[0]
    assert found["zoo"]["loss"]["mean"] == pytest.approx(
        score.measure(flow.zoo, flow.zoo)["loss"].mean().item()
    )
    assert flow.predict(torch.zeros(2, 30), chosen).shape == (2, 2)


def test_the_report_is_of_the_sampled_architecture(run: Path, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "r.html", say=lambda _: None).read_text()
    assert "mlp (hidden [6], activation relu" in page
    assert 'id="steps"' in page


def test_density_at_the_other_width(plain: NetworkFlow, tmp_path: Path) -> None:
    other = Mlp(plain.components.task.signature, hidden=[6])
    networks = plain.sample(3, architecture=other)
    with pytest.raises(DataError, match="of 200 weights are not of this run"):
        plain.log_prob(networks)
    with pytest.raises(DataError, match=r"\[N, 134\]"):
        plain.log_prob(networks.weights)
    wide = at_architecture(plain.components, other)
    velocity = load_velocity(wide, plain.velocity.state_dict())
    density = FlowDensity(wide, plain.flow_of(wide), velocity)
    assert density.dim == 200
    assert density(networks).value.isfinite().all()


def test_from_python(plain: NetworkFlow) -> None:
    signature = plain.components.task.signature
    assert width(plain.sample(3)) == 4
    wide = plain.sample(3, seed=1, architecture=Mlp(signature, hidden=[9]))
    assert width(wide) == 9
    assert wide.weights.isfinite().all()
    # The run's own architecture, said again, is that of the run.
    same = plain.sample(3, seed=1, architecture=Mlp(signature, hidden=[4]))
    assert torch.equal(same.weights, plain.sample(3, seed=1).weights)
    for ask in (plain.predict, lambda _, networks: plain.evaluate(networks)):
        with pytest.raises(DataError, match=r"sample\.architecture"):
            ask(torch.zeros(2, 30), wide)
    with pytest.raises(UnsupportedError, match=r"is built for inputs \[4\] and 3 outputs"):
        plain.sample(3, architecture=Mlp(Signature((4,), 3), hidden=[4]))
    assert reference(plain).weights.equal(plain.zoo.weights)


HERE = "11:37: sample.architecture: "
WRONG = {
    "mlp": (
        {"velocity": "mlp"},
        f"{HERE}MlpVelocity(width=512, layers=3, time_width=64) serves one",
    ),
    "more layers": (
        {"sample": WIDE.replace("[6]", "[6, 6]")},
        f"{HERE}a flow serves other sizes of permutable groups, and nothing else; the group",
    ),
    "a zoo that cannot be trained": (
        {"zoo": "{type: checkpoints, folder: nets}", "prior": "gaussian", "coupling": "ot"},
        f"{HERE}samples of another architecture are compared with networks of it that are trained",
    ),
    "unknown": (
        {"sample": "{architecture: mpl}"},
        "11:24: sample.architecture: unknown architecture 'mpl' (did you mean 'mlp'?)",
    ),
    "its option": (
        {"sample": WIDE.replace("hidden", "hiden")},
        "11:49: unknown option sample.architecture.hiden (did you mean 'hidden'?)",
    ),
    "no mapping": (
        {"sample": "{architecture: 3}"},
        "11:24: sample.architecture: input should be the name of a component, or a mapping"
        " with a `type`; got 3",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_told_before_anything_runs(case: str) -> None:
    lines, said = WRONG[case]
    with pytest.raises(SpecError) as caught:
        assemble(spec_from_text(tiny(**{"sample": WIDE} | lines), "s.yaml"))
    [found] = caught.value.problems
    assert found.startswith(f"s.yaml:{said}")


def test_a_codec_fits_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_distribution(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    spec = tmp_path / "s.yaml"
    lines = {"prior": "gaussian", "coupling": "independent", "velocity": "mlp", "sample": WIDE}
    spec.write_text(tiny(codec="{type: rotation, keep: 5}", **lines))
    told = refused(wflow("run", spec, "--out", tmp_path / "run"))
    assert told.endswith("leave the codec out, or sample the zoo's architecture")
    assert not (tmp_path / "run").exists()


def test_the_schema_knows_it() -> None:
    validator = Draft202012Validator(spec_schema())
    data = assemble(spec_from_text(tiny(sample=WIDE))).resolved

    def valid(architecture: Any) -> bool:
        return validator.is_valid(data | {"sample": {"architecture": architecture}})

    assert validator.is_valid(data)
    assert valid("mlp")
    assert valid(None)
    assert not valid("mpl")
    assert not valid({"type": "mlp", "hiden": [6]})


def test_rows_of_a_sweep_share_the_trained_flow(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(tiny(hooks="[log]", metrics="[task_score]"))
    (tmp_path / "g.yaml").write_text(
        "name: widths\nspec: base.yaml\nrows:\n  - {name: own}\n"
        "  - {name: w6, set: {sample.architecture: {type: mlp, hidden: [6]}}}\n"
        "  - {name: w6 again, set: {sample: {networks: 8, architecture: {type: mlp, hidden: [6]}}, "
        "solver.steps: 2}}\n"
        "columns: [{path: samples.accuracy}, {path: zoo.accuracy}]\n"
    )
    table = run_sweep(tmp_path / "g.yaml", tmp_path / "out")
    assert all(row["runs"] for row in table["rows"])

    def made(row: str) -> list[str]:
        ends = [e for e in log_lines(tmp_path / "out" / "rows" / row) if e["event"] == "stage_end"]
        return [e["stage"] for e in ends if not e["reused"]]

    assert made("own-0") == ["collect", "train", "sample", "evaluate"]
    assert made("w6-0") == ["sample", "reference", "evaluate"]
    assert made("w6-again-0") == ["sample", "evaluate"]
