"""Runs whose networks are more than ``--memory``: the same results, within it, and resumable."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_support import refused, wflow, write_spec
from safetensors.torch import load_file, save_file
from torch import Tensor

import wflow_core
from wflow_core.assembly.assemble import assemble
from wflow_core.interfaces.task import Signature
from wflow_core.pipeline.driver import run
from wflow_core.specs.spec import load_spec
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.matching import distances
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.memory import MemoryBudget
from wflow_plugins.streaming.storage import Streamed

HIDDEN, NETWORKS = 5, 12
M_MMAP_THRESHOLD = -3  # of glibc
ROW = 4 * (33 * HIDDEN + 2)
LITTLE = f"{16 * ROW}"  # two networks of twelve
SPEC = """\
name: large
task: breast_cancer
architecture: {{type: mlp, hidden: [{hidden}]}}
zoo: {{type: checkpoints, folder: {folder}}}
canonicalizers: {canonicalizers}
codec: {codec}
prior: gaussian
coupling: independent
velocity: {{type: mlp, width: 8, layers: 1}}
train: {{iterations: 6, evaluate_every: 3, batch_size: 4}}
solver: {{type: euler, steps: 2}}
sample: {{networks: 10}}
metrics: {metrics}
baselines: {baselines}
hooks: {hooks}
"""
DEFAULTS = {
    "canonicalizers": "[weight_matching]",
    "codec": "{type: pca, components: 4, residual: true}",
    "metrics": "[task_score, novelty, {type: weight_distance, pairs: 9}, moments, error_iou]",
    "baselines": "[interpolation, soup, gaussian]",
    "hooks": "[]",
}


def zoo_folder(folder: Path, n: int = NETWORKS, hidden: int = HIDDEN) -> Path:
    network = Mlp(Signature((30,), 2), hidden=[hidden])
    weights = network.initialize(n, torch.Generator().manual_seed(0))
    folder.mkdir()
    for i in range(n):
        (state,) = WeightSet.from_module(network.template, weights[i : i + 1]).state_dicts()
        save_file(state, folder / f"{i:02}.safetensors")
    return folder


def spec(folder: Path, zoo: Path, hidden: int = HIDDEN, **lines: str) -> Path:
    return write_spec(folder, SPEC.format(folder=zoo, hidden=hidden, **DEFAULTS | lines))


def ran(folder: Path, zoo: Path, *args: object, **lines: str) -> Path:
    out = folder / "out"
    result = wflow("run", spec(folder, zoo, **lines), "--out", out, *args)
    assert result.exit_code == 0, result.output
    return out


def numbers(of: Any, *path: str) -> Iterator[tuple[str, float | None]]:
    """All but seconds."""
    for name, value in of.items():
        if isinstance(value, dict):
            yield from numbers(value, *path, name)
        elif "seconds" not in (name, *path):
            yield "/".join((*path, name)), value


def read(run: Path) -> dict[str, Any]:
    return dict(numbers(json.loads((run / "metrics.json").read_text())))


def shards(folder: Path, name: str = "weights") -> Tensor:
    return torch.cat([load_file(p)[name] for p in sorted(folder.glob(f"{name}-*.safetensors"))])


@pytest.fixture(scope="module", autouse=True)
def few_pairs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "PAIRS", 9)
        patch.setattr(distances, "CANDIDATES", 3)
        yield


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo_folder(tmp_path_factory.mktemp("zoo") / "files")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, zoo: Path) -> Path:
    """All in memory."""
    return ran(tmp_path_factory.mktemp("held"), zoo)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory, zoo: Path) -> Path:
    return ran(tmp_path_factory.mktemp("streamed"), zoo, "--memory", LITTLE)


def test_a_budget_changes_no_number(held: Path, streamed: Path) -> None:
    assert read(streamed) == pytest.approx(read(held), rel=1e-4, abs=1e-5, nan_ok=True)
    for artefact in ("zoo", "canonical", "samples"):
        wanted = load_file(held / artefact / "tensors.safetensors")
        for name in wanted.keys() & {"weights", "initial"}:
            torch.testing.assert_close(
                shards(streamed / artefact, name), wanted[name], rtol=1e-4, atol=1e-5
            )
            assert name not in load_file(streamed / artefact / "tensors.safetensors")
    assert not list(streamed.glob(".*.new"))


def test_what_was_streamed_is_found_with_any_budget(
    zoo: Path, streamed: Path, held: Path, tmp_path: Path
) -> None:
    for of in (streamed, held):
        for args in ([], ["--memory", LITTLE], ["--memory", "1GB"]):
            before = {p: p.stat().st_mtime_ns for p in of.rglob("*.safetensors")}
            result = wflow("run", spec(tmp_path, zoo), "--out", of, *args)
            assert result.exit_code == 0, result.output
            assert {p: p.stat().st_mtime_ns for p in of.rglob("*.safetensors")} == before


ARTEFACTS = ["zoo", "canonical", "codec", "flow", "samples", "evaluation"]


@pytest.mark.parametrize("kept", range(1, len(ARTEFACTS)))
@pytest.mark.parametrize("memory", [True, False], ids=["to a budget", "to memory"])
def test_a_run_goes_on_from_artefacts_of_the_other_storage(
    zoo: Path, streamed: Path, held: Path, tmp_path: Path, memory: bool, kept: int
) -> None:
    before, out = held if memory else streamed, tmp_path / "out"
    shutil.copytree(before, out)
    for name in ARTEFACTS[kept:]:
        shutil.rmtree(out / name)
    there = {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}
    again = ran(tmp_path, zoo, *(["--memory", LITTLE] if memory else []))
    assert read(again) == pytest.approx(read(held), rel=1e-4, abs=1e-5, nan_ok=True)
    assert {p: p.stat().st_mtime_ns for p in there} == there
    assert bool(list((out / "samples").glob("weights-*"))) == (memory == (kept < 5))


def test_a_flow_is_measured_alike_in_either_storage(streamed: Path, held: Path) -> None:
    found = []
    for of in (streamed, held):
        for storage in (None, Streamed(MemoryBudget.parse(LITTLE))):
            flow = wflow_core.load(of, storage=storage)
            assert isinstance(flow.zoo.weights, LazyWeights) == (storage is not None)
            found.append(dict(numbers(flow.evaluate(metrics=["task_score", "moments"]))))
            assert found[-1] == pytest.approx(found[0], rel=1e-4, abs=1e-5, nan_ok=True)


def test_networks_are_sampled_and_measured_within_a_budget(
    streamed: Path, held: Path, tmp_path: Path
) -> None:
    scores = []
    for of, memory in [(streamed, LITTLE), (streamed, "1GB"), (held, LITTLE)]:
        place, out = tmp_path / f"{of.parent.name}{memory}", ("--memory", memory)
        drawn = wflow("sample", of, "--networks", 9, "--out", place, *out)
        assert drawn.exit_code == 0, drawn.output
        assert len(list(place.glob("network-*"))) == (9 if memory == LITTLE else 0)
        measured = wflow("evaluate", of, "--from", place, "--metric", "task_score", "--json", *out)
        assert measured.exit_code == 0, measured.output
        scores.append(dict(numbers(json.loads(measured.stdout)["samples"])))
        assert scores[-1] == pytest.approx(scores[0], rel=1e-4)


def test_a_loaded_flow_reads_what_it_is_asked_for(streamed: Path) -> None:
    flow = wflow_core.load(streamed, storage=Streamed(MemoryBudget.parse(LITTLE)))
    assert isinstance(flow.samples.weights, LazyWeights)
    assert flow.samples[2:4].weights.norm(dim=1).shape == (2,)
    drawn = flow.sample(9)
    assert isinstance(drawn.weights, LazyWeights)
    without = wflow_core.load(streamed)
    assert not isinstance(without.samples.weights, LazyWeights)
    again = without.sample(9).weights
    torch.testing.assert_close(
        torch.cat([row + 0 for row in drawn.weights.split(1)]), again, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("lines", "args", "said"),
    [
        ({"codec": "null"}, LITTLE, r"12 networks of 167 weights do not fit .* `codec: pca`"),
        ({"codec": "standardize"}, LITTLE, r"Standardize\(.*\) needs them all; add `codec: pca`"),
        (
            {"metrics": "[fine_tuning]"},
            LITTLE,
            r"requested 12 networks .* limit of a",
        ),
        ({}, "6kB", r"--memory 6kB is too little for networks of 668B each .* at least 6.01kB"),
        ({"canonicalizers": "[]"}, "5kB", r"takes as much as 8; give at least 5.34kB"),
        ({}, "much", r"expected a size such as 4GB, 500MB or 2GiB; got 'much'"),
    ],
)
def test_what_a_budget_forbids(
    tmp_path: Path, zoo: Path, lines: dict[str, str], args: str, said: str
) -> None:
    result = wflow("run", spec(tmp_path, zoo, **lines), "--out", tmp_path / "o", "--memory", args)
    assert result.exit_code == 2
    assert re.search(said, " ".join(result.output.split())), result.output
    assert not list((tmp_path / "o").glob(".*.new"))


class Death(BaseException):
    """What a kill is to the code."""


@pytest.mark.parametrize("function", ["fsync", "rename"])
def test_a_death_leaves_nothing_half_written(
    tmp_path: Path, zoo: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    lines = {"metrics": "[]", "canonicalizers": "[]"}
    wanted = read(ran(tmp_path, zoo, "--memory", LITTLE, **lines))
    for at in (1, 4, 9, 14):
        out, calls, real = tmp_path / f"{function}-{at}", iter(range(10**6)), getattr(os, function)

        def dying(*args: Any, at: int = at, calls: Any = calls, real: Any = real) -> Any:
            if next(calls) == at:
                raise Death
            return real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, dying)
            try:
                wflow("run", spec(tmp_path, zoo, **lines), "--out", out, "--memory", LITTLE)
            except Death:
                for name in ("zoo", "samples"):
                    whole = (out / name / "manifest.json").exists()
                    assert whole == (out / name).exists()
        again = wflow("run", spec(tmp_path, zoo, **lines), "--out", out, "--memory", LITTLE)
        assert again.exit_code == 0, again.output
        assert read(out) == wanted
        assert [p.name for p in out.glob(".*") if p.name != ".lock"] == []


def test_a_damaged_shard_of_a_run(tmp_path: Path, zoo: Path) -> None:
    lines = {"metrics": "[]", "canonicalizers": "[]"}
    out = ran(tmp_path, zoo, "--memory", LITTLE, **lines)
    shard = next((out / "zoo").glob("weights-*"))
    shard.write_bytes(shard.read_bytes()[:-4])
    for args in ([], ["--memory", LITTLE]):
        message = refused(wflow("run", spec(tmp_path, zoo, **lines), "--out", out, *args))
        assert message.startswith(f"wflow: {out / 'zoo'}: damaged (")


def peak() -> int:
    """Bytes of the most memory that this process has had since ``forget_peak``."""
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return 1024 * int(line.split()[1])


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak")
def test_memory_stays_within_the_budget(tmp_path: Path) -> None:
    # So that freed tensors go back to the system, and are not used again unseen.
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)
    lines = {"canonicalizers": "[]", "metrics": "[moments]", "baselines": "[]"}
    n, hidden, used = 24, 15_000, {}
    row = 4 * (33 * hidden + 2)
    for name, width, memory in (
        ("warm", HIDDEN, MemoryBudget(10**4)),
        ("within", hidden, MemoryBudget(9 * row)),
        ("held", hidden, None),
    ):
        (tmp_path / name).mkdir()
        zoo = zoo_folder(tmp_path / name / "files", n, width)
        components = assemble(load_spec(spec(tmp_path / name, zoo, width, **lines)))
        before = forget_peak()
        storage = None if memory is None else Streamed(memory)
        run(components, tmp_path / name / "out", storage=storage)
        used[name] = peak() - before
    assert used["held"] > n * row  # else the measure would not see the zoo
    assert used["within"] < 9 * row, {name: of / row for name, of in used.items()}
