from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from plugin_support import (
    TINY,
    content,
    file_size_limit,
    refused,
    tensors,
    tiny,
    wflow,
    write_spec,
)
from safetensors.torch import load_file

import wflow_core
from wflow_core.errors import StoreError, UnsupportedError
from wflow_core.weights import WeightSet
from wflow_plugins.commands.export import write_networks


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    assert wflow("run", write_spec(folder), "--out", folder / "run").exit_code == 0
    return folder / "run"


def test_networks_in_one_file(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    result = wflow("sample", run, "--networks", 5, "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"{out}: 5 networks\n")
    found = load_file(out / "weights.safetensors")
    shapes = {
        "fc1.weight": [5, 4, 30],
        "fc1.bias": [5, 4],
        "fc2.weight": [5, 2, 4],
        "fc2.bias": [5, 2],
    }
    assert {n: list(t.shape) for n, t in found.items()} == shapes
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["networks"] == 5
    assert {n: t["shape"] for n, t in manifest["files"]["weights.safetensors"].items()} == shapes
    assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "weights.safetensors"]
    assert len({p.stat().st_mode for p in out.iterdir()}) == 1


def test_one_seed_gives_the_same_bytes_and_another_does_not(run: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert wflow("sample", run, "--seed", seed, "--out", tmp_path / name).exit_code == 0
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


def test_separate_files_load_into_the_module(run: Path, tmp_path: Path) -> None:
    assert wflow("sample", run, "--networks", 11, "--out", tmp_path / "one").exit_code == 0
    result = wflow("sample", run, "--networks", 11, "--separate", "--out", tmp_path / "many")
    assert result.exit_code == 0
    together = load_file(tmp_path / "one" / "weights.safetensors")
    files = sorted((tmp_path / "many").glob("*.safetensors"))
    assert [f.name for f in files] == [f"network-{i:02d}.safetensors" for i in range(11)]
    module = wflow_core.load(run).components.architecture.build()
    for i, file in enumerate(files):
        module.load_state_dict(load_file(file))
        for name, parameter in module.named_parameters():
            assert torch.equal(parameter, together[name][i])
    manifest = json.loads((tmp_path / "many" / "manifest.json").read_text())
    assert list(manifest["files"]) == [f.name for f in files]


def test_samples_of_the_run_itself(run: Path) -> None:
    flow = wflow_core.load(run)
    assert torch.equal(flow.samples.weights, tensors(run, "samples")["weights"])
    assert torch.equal(flow.zoo.weights, tensors(run, "zoo")["weights"])
    # Further samples are others, whatever the seed.
    assert torch.cdist(flow.sample(8, seed=0).weights, flow.samples.weights).min() > 1e-3


def test_samples_come_from_the_flow_and_not_from_the_prior_alone(run: Path) -> None:
    networks = wflow_core.load(run).sample(4, seed=1)
    assert networks.initial is not None
    assert (networks.weights - networks.initial).abs().amax() > 1e-4


def test_from_python(run: Path) -> None:
    flow = wflow_core.load(str(run))
    states = flow.sample(3, seed=1).state_dicts()
    assert len(states) == 3
    module = flow.components.architecture.build()
    test = flow.components.task.splits["test"]
    outputs = []
    for state in states:
        module.load_state_dict(state)
        outputs.append(module(test.x).softmax(-1))
    networks = WeightSet.from_state_dicts(module, states)
    predicted = flow.predict(test.x, networks)
    assert predicted.shape == (len(test), 2)
    torch.testing.assert_close(predicted.sum(-1), torch.ones(len(test)))
    torch.testing.assert_close(predicted, torch.stack(outputs).mean(0))
    own = flow.predict(test.x)
    torch.testing.assert_close(own.sum(-1), torch.ones(len(test)))
    metrics = json.loads((run / "metrics.json").read_text())
    accuracy = (own.argmax(-1) == test.y).float().mean().item()
    assert accuracy == pytest.approx(metrics["samples"]["model_average"]["accuracy"])


def test_components_run_from_python(tmp_path: Path) -> None:
    components = wflow_core.assemble(wflow_core.spec_from_text(tiny(hooks="[]")))
    metrics = wflow_core.run(components, str(tmp_path / "out"))
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wflow_core.nothing


def test_nothing_to_predict_without_data(tmp_path: Path) -> None:
    text = tiny(task="gaussian", zoo="{type: gaussian, networks: 24}", prior="gaussian",
                coupling="independent", metrics="[moments]")  # fmt: skip
    spec = write_spec(tmp_path, text)
    assert wflow("run", spec, "--out", tmp_path / "out").exit_code == 0
    with pytest.raises(UnsupportedError, match="nothing to predict"):
        wflow_core.load(tmp_path / "out").predict(torch.zeros(1, 30))


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_never_written_over(run: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    message = refused(wflow("sample", run, "--out", out))
    assert message == f"wflow: {out}: already exists; give another --out"
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_leaves_nothing(run: Path, tmp_path: Path) -> None:
    with file_size_limit(1000):
        message = refused(wflow("sample", run, "--out", tmp_path / "out"))
    assert message.startswith(f"wflow: {tmp_path / 'out'}: cannot be written: ")
    assert message.endswith("; nothing was changed")
    assert list(tmp_path.iterdir()) == []
    networks = wflow_core.load(run).sample(2)
    with file_size_limit(100), pytest.raises(StoreError, match="File too large"):
        write_networks(networks, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    for name in (".", "none", "x" * 300):
        message = refused(wflow("sample", tmp_path / name, "--out", tmp_path / "out"))
        assert "is no run folder (it has no spec.yaml); `wflow run` makes one" in message
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_finished(run: Path, tmp_path: Path) -> None:
    spec, out = write_spec(tmp_path, TINY), tmp_path / "out"
    with file_size_limit(100_000):
        wflow("run", spec, "--out", out)
    message = refused(wflow("sample", out, "--out", tmp_path / "more"))
    assert message == (
        f"wflow: {out / 'flow'}: not of a finished stage 'train'; "
        "the same `wflow run` resumes from here"
    )
    assert not (tmp_path / "more").exists()


def test_a_flow_of_another_spec_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """As where a run with --overwrite stopped before its own flow was trained."""
    out = tmp_path / "out"
    assert wflow("run", write_spec(tmp_path), "--out", out).exit_code == 0
    other = write_spec(
        tmp_path,
        tiny(train="{optimizer: {type: adamw, lr: 1e30}, iterations: 30, evaluate_every: 10}"),
    )
    refused(wflow("run", other, "--out", out, "--overwrite"))
    assert not (out / "metrics.json").exists()
    message = refused(wflow("sample", out, "--out", tmp_path / "more"))
    assert message == (
        f"wflow: {out / 'flow'}: not of a finished stage 'train'; "
        "the same `wflow run` resumes from here"
    )
