"""Networks of files: what is read and how, and what an end-to-end run notes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_support import MLP, State, collect, networks, source
from plugin_support import content, refused, tensors, tiny, wflow, write_spec
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.interfaces.task import Signature
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.commands.export import write_networks
from wflow_plugins.zoos.state_dict_matching import match_state_dict


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "best": 0.9},
    "model_state_dict": lambda s: {"model_state_dict": s, "optimizer": {"lr": 0.1}},
    "model": lambda s: {"model": s, "epoch": 1},
    "data parallel": lambda s: {"state_dict": prefixed(s, "module.")},
    "compiled": lambda s: prefixed(s, "_orig_mod.module."),
    "lightning": lambda s: {
        "state_dict": prefixed(s, "net."),
        "pytorch-lightning_version": "2.4.0",
        "global_step": 10,
        "loops": {"fit_loop": {"state_dict": {}}},
        "hyper_parameters": {"lr": 0.1},
    },
    "parameters": lambda s: {name: nn.Parameter(tensor) for name, tensor in s.items()},
    "half": lambda s: {name: tensor.bfloat16() for name, tensor in s.items()},
    "double": lambda s: {name: tensor.double() for name, tensor in s.items()},
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_torch_files(form: str, zipped: bool, tmp_path: Path) -> None:
    for i, state in enumerate(networks().state_dicts()):
        torch.save(
            FORMS[form](state), tmp_path / f"{i}.ckpt", _use_new_zipfile_serialization=zipped
        )
    found, wanted = collect(tmp_path), networks().weights
    wanted = wanted.bfloat16().float() if form == "half" else wanted
    assert found.weights.dtype == torch.float32
    assert torch.equal(found.weights, wanted)
    assert found.run.tolist() == [0, 1, 2]
    assert found.step.tolist() == [0, 0, 0]


@pytest.mark.parametrize("separate", [True, False])
def test_what_wflow_sample_writes(separate: bool, tmp_path: Path) -> None:
    write_networks(networks(), tmp_path / "made", separate)
    found = collect(tmp_path / "made")
    assert torch.equal(found.weights, networks().weights)
    assert found.run.tolist() == [0, 1, 2]


def test_folders_within_links_and_a_pattern(tmp_path: Path) -> None:
    first, second, third = networks().state_dicts()
    (tmp_path / "a/b").mkdir(parents=True)
    torch.save(first, tmp_path / "a/b/last.pt")
    torch.save(second, tmp_path / "elsewhere")
    (tmp_path / "a/last.pt").symlink_to(tmp_path / "elsewhere")
    torch.save(third, tmp_path / "a/other.pt")
    found = collect(tmp_path / "a", pattern="**/last.pt")
    assert torch.equal(found.weights, networks().weights[:2])


def test_runs_and_steps_from_names(tmp_path: Path) -> None:
    names = ["s1-step10", "s1-step9", "s2-step10"]
    for name, state in zip(names, networks().state_dicts(), strict=True):
        save_file(state, tmp_path / f"{name}.safetensors")
    of = source(tmp_path, name_pattern=r"(?P<run>\w+)-step(?P<step>\d+)")
    found = of.collect(torch.Generator())
    assert found.run.tolist() == [0, 0, 1]
    assert found.step.tolist() == [10, 9, 10]
    assert [(s["run"], s["step"]) for s in of.provenance()] == [("s1", 10), ("s1", 9), ("s2", 10)]
    save_file(networks().state_dicts()[0], tmp_path / "last.safetensors")
    with pytest.raises(DataError, match=r"last.safetensors: its name 'last' gives no run") as error:
        of.collect(torch.Generator())
    assert "1 of 4 files" in str(error.value)


def test_provenance_says_what_came_from_where(tmp_path: Path) -> None:
    write_networks(networks(), tmp_path / "made")
    torch.save({"model": prefixed(networks().state_dicts()[0], "m.")}, tmp_path / "made/one.pt")
    of = source(tmp_path / "made")
    assert of.provenance() is None
    of.collect(torch.Generator())
    one, stacked = of.provenance()
    assert (one["file"], one["rows"]) == ("one.pt", [0, 1])
    assert (stacked["file"], stacked["rows"]) == ("weights.safetensors", [1, 4])
    assert one["tensors"]["m.fc1.weight"] == "float32 [5, 30]"
    assert stacked["tensors"]["fc1.weight"] == "float32 [3, 5, 30]"
    assert len(one["sha256"]) == 64
    json.dumps(of.provenance())


def test_the_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    a, b, *_ = networks().state_dicts()
    seen = set()
    for name, state in (("a", a), ("b", a), ("b", b)):
        for path in tmp_path.iterdir():
            path.unlink()
        save_file(state, tmp_path / f"{name}.safetensors")
        seen.add(source(tmp_path).fingerprint)
        assert source(tmp_path).fingerprint in seen
    assert len(seen) == 3


def test_views_of_shared_memory_give_their_values(tmp_path: Path) -> None:
    (state,) = networks(1).state_dicts()
    whole = torch.randn(60, 10, generator=torch.Generator().manual_seed(1))
    state["fc1.weight"] = whole[::2, 1:6].T
    state["fc1.bias"] = whole[3, ::2]
    state["fc2.bias"] = whole[0, :1].expand(4)
    torch.save(state, tmp_path / "views.pt")
    found = MLP.batched.layout.unflatten(collect(tmp_path).weights[0])
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert found["fc2.bias"].unique().numel() == 1


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.b.weight = self.a.weight


def fit(module: nn.Module, state: State) -> tuple[Tensor, Tensor]:
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    return match_state_dict(state, *layouts, 10**6)


def test_buffers_are_read_and_counters_may_be_absent() -> None:
    module = Tied()
    module.norm.running_mean += 2
    module.norm.num_batches_tracked += 7
    state = module.state_dict()
    weights, buffers = fit(module, state)
    assert torch.equal(weights[0], WeightLayout.of_parameters(module).flatten(state))
    assert buffers.tolist() == [[2, 2, 2, 1, 1, 1, 7]]
    del state["norm.num_batches_tracked"]
    assert fit(module, state)[1].tolist() == [[2, 2, 2, 1, 1, 1, 0]]
    stacked = {name: torch.stack([t, t + 1]) for name, t in state.items()}
    assert fit(module, stacked)[1].tolist() == [[2, 2, 2, 1, 1, 1, 0], [3, 3, 3, 2, 2, 2, 0]]
    del state["norm.running_var"]
    with pytest.raises(DataError, match=r"lacks 'norm.running_var'"):
        fit(module, state)


def test_tied_tensors_go_by_either_name_and_may_not_differ() -> None:
    module = Tied()
    state = dict(module.state_dict())
    wanted = fit(module, state)[0]
    for name in ("a.weight", "b.weight"):
        less = {n: t for n, t in state.items() if n != name}
        assert torch.equal(fit(module, less)[0], wanted)
    with pytest.raises(DataError, match=r"'b.weight' and 'a.weight' are one tensor"):
        fit(module, state | {"b.weight": state["b.weight"] + 1})


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("pattern", "../*.pt", "inside the folder"),
        ("pattern", "/etc/*", "inside the folder"),
        ("pattern", "", "inside the folder"),
        ("name_pattern", "(", "not a regular expression"),
        ("name_pattern", r"step(?P<step>\d+)", "needs the group run"),
        ("name_pattern", r"(?P<run>.*)(?P<steps>\d+)", "needs the group run"),
    ],
)
def test_options_that_cannot_work(option: str, value: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        source(Path("x"), **{option: value})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few trained networks as files, and a spec that learns from them."""
    folder = tmp_path_factory.mktemp("trained")
    spec = write_spec(folder, tiny(coupling="independent", prior="{type: gaussian, std: 0.3}"))
    assert (
        wflow("run", spec, "--out", folder / "first", "--set", "train.iterations=1").exit_code == 0
    )
    zoo = tensors(folder / "first", "zoo")["weights"]
    module = Mlp(Signature((30,), 2), hidden=[4]).template
    write_networks(WeightSet.from_module(module, zoo), folder / "nets", separate=True)
    write_spec(folder, spec.read_text().replace("type: train, networks: 24, epochs: 2", ZOO))
    return folder


ZOO = "type: checkpoints, folder: nets"


def test_a_run_from_checkpoints(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    done = wflow("run", "spec.yaml", "--out", "run")
    assert done.exit_code == 0, done.output
    found, wanted = (tensors(trained / run, "zoo") for run in ("run", "first"))
    assert torch.equal(found["weights"], wanted["weights"])
    sources = json.loads(Path("run/zoo/manifest.json").read_text())["data"]["sources"]
    assert [s["file"] for s in sources] == [f"network-{i:02d}.safetensors" for i in range(24)]
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["samples"]["accuracy"]["mean"] is not None
    assert "retrained" not in metrics["baselines"]
    # What is finished is found; another file is another zoo.
    Path("nets/network-23.safetensors").rename("network-23.safetensors")
    finished = content(Path("run"))
    assert refused(wflow("run", "spec.yaml", "--out", "run")) == (
        "wflow: run: holds a run of other data: what zoo reads has changed since; give another "
        "--out, or --overwrite to replace what differs"
    )
    assert content(Path("run")) == finished
    assert wflow("run", "spec.yaml", "--out", "run", "--overwrite").exit_code == 0
    assert len(tensors(trained / "run", "zoo")["weights"]) == 23
    before = Path("run/zoo/manifest.json").stat().st_mtime_ns
    assert wflow("run", "spec.yaml", "--out", "run").exit_code == 0
    assert Path("run/zoo/manifest.json").stat().st_mtime_ns == before
    Path("network-23.safetensors").rename("nets/network-23.safetensors")


def test_a_run_from_a_bad_file_stops_with_one_message(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    Path("nets/bad.pt").write_bytes(b"PK")
    message = refused(wflow("run", "spec.yaml", "--out", "bad"))
    Path("nets/bad.pt").unlink()
    assert "nets: 1 of 25 files cannot be used" in message
    assert "bad.pt: not a complete file of torch.save" in message
    assert not Path("bad/zoo").exists()
    message = refused(wflow("run", "spec.yaml", "--out", "other", "--set", "zoo.folder=none"))
    assert "none: no such folder; set zoo.folder" in message
