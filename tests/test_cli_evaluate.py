"""A finished run measured again: the same numbers, other networks, other metrics."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_support import content, log_lines, refused, tiny, wflow, without_seconds, write_spec
from safetensors.torch import load_file, save_file

import wflow_core
from wflow_core.errors import DataError, PluginError, SpaceError
from wflow_plugins.commands.export import read_networks, write_networks
from wflow_plugins.stages.trained_flow import NetworkFlow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    spec = write_spec(folder, tiny(canonicalizers="[weight_matching]", hooks="[]"))
    assert wflow("run", spec, "--out", folder / "run").exit_code == 0
    return folder / "run"


@pytest.fixture(scope="module")
def flow(run: Path) -> NetworkFlow:
    return wflow_core.load(run)


def of_run(run: Path) -> Any:
    numbers = json.loads((run / "metrics.json").read_text())
    return without_seconds({n: of for n, of in numbers.items() if n != "seconds"})


def evaluated(*arguments: object) -> Any:
    result = wflow("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return without_seconds(json.loads(result.stdout))


def test_it_finds_what_the_run_found_and_writes_nothing(run: Path) -> None:
    before = content(run)
    assert evaluated(run) == of_run(run)
    assert content(run) == before


def test_another_seed_changes_the_baselines_alone(run: Path) -> None:
    found, known = evaluated(run, "--seed", 5), of_run(run)
    assert found["baselines"] != known["baselines"]
    for name in ("zoo", "collected", "samples"):
        assert found[name] == known[name]


def test_a_choice_of_baselines(run: Path, tmp_path: Path) -> None:
    """The others are not made, and nothing before them is made again."""
    spec = write_spec(tmp_path, tiny(canonicalizers="[weight_matching]", hooks="[log]"))
    copied = shutil.copytree(run, tmp_path / "run")
    chosen = wflow("run", spec, "--out", copied, "--set", "baselines=[gaussian]", "--overwrite")
    assert chosen.exit_code == 0, chosen.output
    assert list(of_run(copied)["baselines"]) == ["gaussian"]
    assert of_run(copied)["samples"] == of_run(run)["samples"]
    ends = [line for line in log_lines(copied) if line["event"] == "stage_end"]
    assert [line["stage"] for line in ends if not line["reused"]] == ["evaluate"]
    assert "baselines" in refused(wflow("check", spec, "--set", "baselines=[zoo_nois]"))


def test_a_choice_of_metrics(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    found = evaluated(
        run, "--metric", "moments, task_score", "--metric", "weight_distance", "--out", file
    )
    assert found["samples"].keys() >= {"weights", "accuracy", "loss"}
    assert "model_average" not in found["samples"]
    assert without_seconds(json.loads(file.read_text())) == found
    assert refused(wflow("evaluate", run, "--out", file)) == (
        f"wflow: {file}: already exists; give another --out"
    )
    message = refused(wflow("evaluate", run, "--metric", "task_scroe"))
    assert message.startswith("wflow: unknown metric 'task_scroe' (did you mean 'task_score'?)")


def test_the_table(run: Path) -> None:
    lines = wflow("evaluate", run, "--metric", "task_score").stdout.splitlines()
    rows = [line.split()[0] for line in lines if line.strip()]
    assert {"accuracy", "zoo", "samples", "untrained", "retrained"} <= set(rows)


@pytest.mark.parametrize("options", [[], ["--separate"]])
def test_networks_of_a_folder(
    run: Path, flow: NetworkFlow, tmp_path: Path, options: list[str]
) -> None:
    out = tmp_path / "more"
    assert wflow("sample", run, "--networks", 3, "--out", out, *options).exit_code == 0
    read, made = read_networks(out, flow.components.architecture.template), flow.sample(3)
    assert torch.equal(read.weights, made.weights)
    assert torch.equal(read.buffers, made.buffers)
    found = evaluated(run, "--from", out, "--metric", "task_score")
    assert found == without_seconds(flow.evaluate(made, ["task_score"]))
    assert found["samples"] != of_run(run)["samples"]


def test_from_python(run: Path, flow: NetworkFlow) -> None:
    assert without_seconds(flow.evaluate()) == of_run(run)
    one = flow.evaluate(metrics=[flow.components.metrics[0]])
    assert one["samples"].keys() == {"accuracy", "loss"}
    with pytest.raises(DataError, match="no network to evaluate"):
        flow.evaluate(flow.samples[:0])
    with pytest.raises(PluginError, match="unknown metric 'nothing'"):
        flow.evaluate(metrics=["nothing"])


def test_a_metric_that_needs_data(tmp_path: Path) -> None:
    lines = {"task": "gaussian", "zoo": "{type: gaussian, networks: 24}", "prior": "gaussian"}
    spec = write_spec(tmp_path, tiny(**lines, coupling="independent", metrics="[]", hooks="[]"))
    assert wflow("run", spec, "--out", tmp_path / "run").exit_code == 0
    with pytest.raises(SpaceError, match=r"^metric 'task_score' needs a task with data"):
        wflow_core.load(tmp_path / "run").evaluate(metrics=["task_score"])


Spoil = Callable[[Path], object]


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Spoil:
    """Spoils by changing tensors of the first file."""

    def spoil(folder: Path) -> None:
        file = sorted(folder.glob("*.safetensors"))[0]
        state = load_file(file)
        change(state)
        save_file({name: t.contiguous() for name, t in state.items()}, file)

    return spoil


def first_file(text: bytes) -> Spoil:
    return lambda folder: sorted(folder.glob("*.safetensors"))[0].write_bytes(text)


def manifest(text: str) -> Spoil:
    return lambda folder: (folder / "manifest.json").write_text(text)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (tensors(lambda s: s.pop("fc1.bias")), "lacks fc1.bias; give networks of this run"),
        (
            tensors(lambda s: s.update({"../../x": torch.ones(1)})),
            "architecture has not: ../../x; give",
        ),
        (tensors(lambda s: s.update({"fc1.bias": torch.ones(3, 9)})), "fc1.bias has shape (3, 9)"),
        (tensors(lambda s: s.update({"fc1.bias": torch.ones(())})), "fc1.bias has shape ()"),
        (tensors(lambda s: s["fc2.bias"].fill_(torch.nan)), "fc2.bias has values that are not"),
        (
            tensors(lambda s: s.update({"fc2.bias": s["fc2.bias"].long()})),
            "is of type int64, expected",
        ),
        (first_file(b"\x80\x04cos\nsystem\n(S'exit'\ntR."), "cannot be read as safetensors ("),
        (first_file(b""), "cannot be read as safetensors ("),
        (first_file(struct.pack("<Q", 2**62)), "cannot be read as safetensors ("),
        (manifest("{"), "manifest.json: not a manifest of `wflow sample`; sample again"),
        (manifest("[]"), "manifest.json: not a manifest of `wflow sample`"),
        (manifest('{"files": 3}'), "manifest.json: not a manifest of `wflow sample`"),
        (manifest('{"files": {}}'), "manifest.json: lists no file"),
        (
            manifest('{"files": {"../a.safetensors": {}}}'),
            "lists '../a.safetensors', which is no file name",
        ),
        (manifest('{"files": {"..": {}}}'), "lists '..', which is no file name"),
        (
            manifest('{"files": {"gone.safetensors": {}}}'),
            "gone.safetensors: cannot be read as safetensors (",
        ),
        (
            lambda f: (f / "manifest.json").unlink(),
            "not a folder of networks (manifest.json: No such",
        ),
    ],
)
def test_damaged_folders(
    flow: NetworkFlow, tmp_path: Path, spoil: Spoil, said: str, separate: bool
) -> None:
    folder = tmp_path / "networks"
    write_networks(flow.samples[:3], folder, separate)
    spoil(folder)
    with pytest.raises(DataError) as caught:
        read_networks(folder, flow.components.architecture.template)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_are_none(run: Path, tmp_path: Path) -> None:
    message = refused(wflow("evaluate", run, "--from", tmp_path / "none"))
    assert message.endswith("`wflow sample RUN --out FOLDER` makes one")
    message = refused(wflow("evaluate", run, "--from", run / "samples"))
    assert message.endswith("manifest.json: not a manifest of `wflow sample`; sample again")
    assert "is no run folder" in refused(wflow("evaluate", tmp_path))
