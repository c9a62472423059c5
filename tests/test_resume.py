from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plugin_support import (
    log_lines,
    own_distribution,
    results,
    tensors,
    tiny,
    wflow,
    wflow_process,
    without_seconds,
    write_spec,
)

from wflow_core import registry
from wflow_core.storage.store import Store

STAGES = ["collect", "train", "sample", "evaluate"]
# Snapshots, so that runs of training are longer than one network.
ZOO = "{type: train, networks: 24, epochs: 2, snapshots: {every: 9}}"
SPEC = tiny(zoo=ZOO, hooks="[log, killer]")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plugins, on the path of this process."""
    own_distribution(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    spec = write_spec(folder, tiny(zoo=ZOO, hooks="[log]"))
    assert wflow("run", spec, "--out", folder / "out").exit_code == 0
    return folder / "out"


def steps(run: Path, stage: str) -> list[int]:
    lines = log_lines(run)
    return [x["step"] for x in lines if x["event"] == "step" and x["stage"] == stage]


def reused(run: Path) -> dict[str, bool]:
    """Of the last run in the log: whether each stage was found finished."""
    return {x["stage"]: x["reused"] for x in log_lines(run) if x["event"] == "stage_end"}


def test_a_run_is_the_same_again(tmp_path: Path, undisturbed: Path) -> None:
    spec = write_spec(tmp_path, tiny(zoo=ZOO))
    assert wflow("run", spec, "--out", tmp_path / "out").exit_code == 0
    assert results(tmp_path / "out") == results(undisturbed)
    assert wflow("run", spec, "--out", tmp_path / "other", "--seed", 1).exit_code == 0
    assert results(tmp_path / "other")[0] != results(undisturbed)[0]


@pytest.mark.parametrize(
    ("kill", "finished"),
    [
        ("collect 1", []),
        ("train 20", ["collect"]),
        ("sample 8", ["collect", "train"]),
        ("evaluate 3", ["collect", "train", "sample"]),
    ],
)
def test_a_killed_run_goes_on_where_it_was(
    tmp_path: Path, site: Path, undisturbed: Path, kill: str, finished: list[str]
) -> None:
    spec, out = write_spec(tmp_path, SPEC), tmp_path / "out"
    killed = wflow_process(
        "run", spec, "--out", out, "--threads", 1, path=site, WFLOW_TEST_KILL=kill
    )
    _, errors = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, errors
    assert not (out / "metrics.json").exists()
    # A line that was being written as the power went.
    with (out / "log.jsonl").open("a") as file:
        file.write('{"time": 17')

    again = wflow("run", spec, "--out", out, "--threads", 1)
    assert again.exit_code == 0, again.output
    assert results(out) == results(undisturbed)
    text = (out / "log.jsonl").read_text()
    assert text.count('{"time": 17\n') == 1
    (out / "log.jsonl").write_text(text.replace('{"time": 17\n', ""))
    assert reused(out) == {stage: stage in finished for stage in STAGES}
    if kill == "train 20":
        # Iteration 10 is in the checkpoint; 20 was reached, and not yet kept.
        assert steps(out, "train") == [10, 20, 20, 30]
    assert [p.name for p in out.iterdir() if "checkpoint" in p.name or ".new" in p.name] == []


def test_a_killed_run_goes_on_in_another_process(
    tmp_path: Path, site: Path, undisturbed: Path
) -> None:
    spec, out = write_spec(tmp_path, SPEC), tmp_path / "out"
    command = ("run", spec, "--out", out, "--threads", 1, "--json")
    for kill in ("train 30", ""):
        process = wflow_process(*command, path=site, WFLOW_TEST_KILL=kill)
        printed, errors = process.communicate(timeout=120)
        assert process.returncode == (-signal.SIGKILL if kill else 0), errors
    assert results(out) == results(undisturbed)
    assert json.loads(printed) == json.loads((out / "metrics.json").read_text())


class Death(BaseException):
    """What a kill is to the code: nothing after it runs."""


def dying(at: int, calls: Iterator[int], real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        if next(calls) == at:
            raise Death
        return real(*args)

    return call


def test_death_at_any_write(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every rename of a run, and at some syncs."""
    spec, wanted = write_spec(tmp_path, tiny(zoo=ZOO, hooks="[]")), results(undisturbed)
    for function, every in (("replace", 1), ("fsync", 17)):
        for at in range(0, 1000, every):
            out, calls, died = tmp_path / f"{function}-{at}", iter(range(10_000)), False
            with monkeypatch.context() as patch:
                patch.setattr(os, function, dying(at, calls, getattr(os, function)))
                try:
                    wflow("run", spec, "--out", out)
                except Death:
                    died = True
            again = wflow("run", spec, "--out", out)
            assert again.exit_code == 0, (function, at, again.output)
            assert results(out) == wanted, (function, at)
            assert [p.name for p in out.glob(".*") if p.name != ".lock"] == []
            if not died:
                break
        assert at > 10


def test_a_finished_run_is_found_and_touches_no_result(tmp_path: Path, undisturbed: Path) -> None:
    def modified() -> dict[str, int]:
        found = [p for p in undisturbed.rglob("*") if p.suffix in (".safetensors", ".json")]
        return {str(p): p.stat().st_mtime_ns for p in found if p.name != "record.json"}

    before, seconds = modified(), (undisturbed / "metrics.json").read_text()
    spec = write_spec(tmp_path, tiny(zoo=ZOO, hooks="[log]"))
    assert wflow("run", spec, "--out", undisturbed).exit_code == 0
    assert modified() == before
    assert (undisturbed / "metrics.json").read_text() == seconds
    assert reused(undisturbed) == dict.fromkeys(STAGES, True)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"seed": "1"}, STAGES),
        ({"task": "{type: breast_cancer, split_seed: 1}"}, STAGES),
        ({"coupling": "independent"}, STAGES[1:]),
        ({"sample": "{networks: 9}"}, STAGES[2:]),
        ({"metrics": "[moments]"}, STAGES[3:]),
    ],
)
def test_what_changes_decides_what_is_made_again(
    tmp_path: Path, undisturbed: Path, change: dict[str, str | None], again: list[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    spec = write_spec(tmp_path, tiny(**({"zoo": ZOO, "hooks": "[log]"} | change)))
    assert wflow("run", spec, "--out", out, "--overwrite").exit_code == 0
    assert reused(out) == {stage: stage not in again for stage in STAGES}


def test_other_content_under_the_same_key_is_followed(tmp_path: Path, undisturbed: Path) -> None:
    """As where the zoo was deleted, and made again by another machine."""
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    store = Store(out)
    zoo, key = store.load("zoo"), store.key("zoo")
    assert key is not None
    store.save("zoo", key, zoo.tensors | {"weights": 1.01 * zoo.tensors["weights"]}, zoo.data)
    spec = write_spec(tmp_path, tiny(zoo=ZOO, hooks="[log]"))
    assert wflow("run", spec, "--out", out).exit_code == 0
    assert reused(out) == {stage: stage == "collect" for stage in STAGES}


def test_equal_weights_of_another_architecture_are_measured_anew(tmp_path: Path) -> None:
    """A Gaussian zoo is the same for both activations, its work is not."""
    found = []
    for activation in ("relu", "tanh"):
        architecture = f"{{type: mlp, hidden: [4], activation: {activation}}}"
        lines = {"zoo": "{type: gaussian, networks: 24}", "coupling": "independent"}
        spec = write_spec(tmp_path, tiny(**lines, prior="gaussian", architecture=architecture))
        result = wflow("run", spec, "--out", tmp_path / "out", "--overwrite")
        assert result.exit_code == 0
        assert "found finished" not in result.stderr
        found.append(results(tmp_path / "out")[1])
    assert found[0]["zoo"]["loss"] != found[1]["zoo"]["loss"]


def test_seconds_of_stages_that_are_gone_go(tmp_path: Path, site: Path) -> None:
    for lines in ({"canonicalizers": "[by_norm]"}, {}):
        spec = write_spec(tmp_path, tiny(**lines))
        assert wflow("run", spec, "--out", tmp_path / "out", "--overwrite").exit_code == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert sorted(metrics["seconds"]) == sorted(STAGES)


def test_the_record(undisturbed: Path) -> None:
    record = json.loads((undisturbed / "record.json").read_text())
    assert list(record["stages"]) == STAGES
    assert record["seed"] == 0
    assert record["versions"].keys() >= {"wflow", "python", "torch"}
    assert record["plugins"]["metrics.2"].startswith("weightspace-flow ")
    for stage, folder in [("collect", "zoo"), ("train", "flow"), ("sample", "samples")]:
        manifest = json.loads((undisturbed / folder / "manifest.json").read_text())
        assert record["stages"][stage]["key"] == manifest["key"]
        assert record["stages"][stage]["sha256"] == manifest["sha256"]
    seconds = json.loads((undisturbed / "metrics.json").read_text())["seconds"]
    assert all(seconds[s] == record["stages"][s]["seconds"] for s in STAGES)


def test_every_component_is_in_the_key_of_some_stage() -> None:
    kinds = {kind.field for kind in registry.KINDS.values() if kind.field}
    stages = {p.name: registry.load("stage", p.name) for p in registry.plugins("stage")}
    decisive = {field for stage in stages.values() for field in stage.fields}
    assert decisive - stages.keys() == kinds - {"stages", "hooks"}


def test_manifests_name_every_tensor(undisturbed: Path) -> None:
    for folder in ("zoo", "flow", "samples"):
        manifest = json.loads((undisturbed / folder / "manifest.json").read_text())
        found = {n: (t["shape"], t["dtype"]) for n, t in manifest["tensors"].items()}
        there = tensors(undisturbed, folder)
        assert found == {n: (list(t.shape), str(t.dtype)[6:]) for n, t in there.items()}
    assert tensors(undisturbed, "samples")["weights"].shape == (8, 134)
    places = [(s["name"], s["offset"]) for s in manifest["data"]["layout"]["tensors"]]
    assert places == [("fc1.weight", 0), ("fc1.bias", 120), ("fc2.weight", 124), ("fc2.bias", 132)]


def test_metrics_hold_what_they_promise(undisturbed: Path) -> None:
    metrics = json.loads((undisturbed / "metrics.json").read_text())
    baselines = metrics["baselines"]
    assert baselines.keys() == {
        "untrained",
        "zoo_noise",
        "interpolation",
        "soup",
        "gaussian",
        "retrained",
    }
    for rows in (metrics["zoo"], metrics["samples"], *baselines.values()):
        for score in ("accuracy", "loss"):
            assert rows[score].keys() == {"mean", "std"}
    for rows in (metrics, *baselines.values()):
        assert rows["novelty"].keys() == {"nearest", "nearest_ratio", "spread_ratio"}
    assert metrics["seconds"].keys() == set(STAGES)
    assert without_seconds(metrics).keys() == {"zoo", "samples", "novelty", "baselines"}
