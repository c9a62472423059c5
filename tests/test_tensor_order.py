"""The order of tensors in files decides nothing: no bit of a tensor, no line of a manifest."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from file_run_support import FileRun
from safetensors.torch import load_file
from torch import Tensor

from wflow_core.storage import files as storage_files
from wflow_core.storage.store import Store
from wflow_core.storage.tensors import InMemory
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.memory import BUDGET_FRACTION, MemoryBudget
from wflow_plugins.streaming.row_writing import RowWriter
from wflow_plugins.streaming.storage import WEIGHT_TENSORS, Streamed

LINES = {
    "canonicalizers": "[weight_matching]",
    "codec": "{type: pca, components: 3, residual: true}",
    "zoo": "{{type: union, zoos: {{a: {0}, b: {0}}}}}".format(
        "{type: checkpoints, folder: zoo, metadata: metadata.csv}"
    ),
    "condition": "{type: covariates, names: [source, loss]}",
    "train": "{iterations: 4, evaluate_every: 2, checkpoint_every: 2, batch_size: 4}",
    "baselines": "[]",  # their seconds are among the numbers of an evaluation
}


def shuffled(tensors: dict[str, Tensor], order: random.Random) -> dict[str, Tensor]:
    names = list(tensors)
    order.shuffle(names)
    return {name: tensors[name] for name in names}


@pytest.fixture
def any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Safetensors gives tensors in another order at every read, as it may."""
    order = random.Random(0)
    load, read = safetensors.torch.load, storage_files.load_file
    monkeypatch.setattr(safetensors.torch, "load", lambda data: shuffled(load(data), order))
    monkeypatch.setattr(storage_files, "load_file", lambda path: shuffled(read(path), order))


def with_metadata(files: FileRun) -> FileRun:
    """A zoo with two covariates."""
    names = sorted(path.name for path in files.zoo.iterdir())
    rows = [f"{name},{i / 10},{i % 3}" for i, name in enumerate(names)]
    (files.zoo / "metadata.csv").write_text("\n".join(["file,loss,width", *rows]) + "\n")
    return files


def manifests(run: Path) -> dict[str, str]:
    """The manifest of each artefact, as it is written, but for the seconds."""
    found = {}
    for path in sorted(run.glob("*/manifest.json")):
        lines = path.read_text().splitlines()
        found[path.parent.name] = "\n".join(line for line in lines if '"seconds":' not in line)
    return found


def hashes(run: Path) -> dict[str, str]:
    record = json.loads((run / "record.json").read_text())
    return {name: stage["sha256"] for name, stage in record["stages"].items()}


@pytest.mark.usefixtures("any_order")
def test_runs_of_the_same_files_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = with_metadata(FileRun(tmp_path, **LINES))
    monkeypatch.chdir(tmp_path)
    found = []
    for name in ("first", "second"):
        files.out = tmp_path / name
        reused = files.run()
        assert reused.keys() >= {"canonicalize", "encode", "train"}
        found.append((hashes(files.out), manifests(files.out)))
    assert found[0] == found[1]
    assert found[0][0].keys() == reused.keys()
    again = files.run()  # what was read is as what was made
    assert again == dict.fromkeys(reused, True)
    files.lines["sample"] = "{networks: 5}"
    files.run("--overwrite")
    alone = FileRun(tmp_path / "alone", **LINES | {"sample": "{networks: 5}"})
    alone.images, alone.zoo, alone.out = files.images, files.zoo, tmp_path / "alone" / "out"
    alone.run()
    assert hashes(alone.out) == hashes(files.out)
    assert manifests(alone.out) == manifests(files.out)


def test_tensors_are_read_in_the_order_of_their_names(tmp_path: Path, any_order: None) -> None:
    store, tensors = Store(tmp_path), {name: torch.arange(3) for name in "dbeca"}
    saved = store.save("x", "key", tensors, {})
    assert list(saved.tensors) == list(store.load("x").tensors) == list("abcde")


@pytest.mark.parametrize("lazy", [False, True])
def test_tensors_are_written_in_the_order_of_their_names(tmp_path: Path, lazy: bool) -> None:
    storage = Streamed(MemoryBudget(BUDGET_FRACTION * 8)) if lazy else InMemory()
    tensors = {name: torch.randn(3, 2) for name in ("weights", "run", "initial")}
    if lazy:
        for name in WEIGHT_TENSORS:
            writer = RowWriter(tmp_path / name, name, file_bytes=8)
            writer.add(tensors[name])
            tensors[name] = LazyWeights.of(writer.finish(), 8, name)
    found = []
    for names in permutations(tensors):
        store = Store(tmp_path / "-".join(names), storage)
        store.folder.mkdir()
        store.save("x", "key", {name: tensors[name] for name in names}, {})
        found.append((store.folder / "x" / "manifest.json").read_text())
    assert len(set(found)) == 1


def write_in_order(path: Path, tensors: dict[str, Tensor]) -> None:
    """A safetensors file that holds tensors in this order, which its own writer sorts."""
    header: dict[str, Any] = {}
    content = b""
    for name, tensor in tensors.items():
        data = tensor.contiguous().numpy().tobytes()
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


def test_files_with_tensors_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = with_metadata(FileRun(tmp_path, **LINES))
    monkeypatch.chdir(tmp_path)
    files.out = tmp_path / "first"
    stages, order = files.run(), random.Random(0)
    contents = {path: path.read_bytes() for path in files.zoo.glob("*.safetensors")}
    for path in contents:
        write_in_order(path, shuffled(load_file(path), order))
    assert all(path.read_bytes() != before for path, before in contents.items())
    files.out = tmp_path / "second"
    assert files.run() == stages
    for tensors in (tmp_path / "first").glob("*/tensors.safetensors"):
        other = tmp_path / "second" / tensors.parent.name / tensors.name
        assert tensors.read_bytes() == other.read_bytes(), tensors
    # Hashes of files, and what is hashed of them, are all that differs.
    first, second = (
        {name: _without_hashes(text) for name, text in manifests(tmp_path / run).items()}
        for run in ("first", "second")
    )
    assert first == second


def _without_hashes(manifest: str) -> str:
    lines = (line for line in manifest.splitlines() if '"sha256":' not in line)
    return "\n".join(line for line in lines if '"key":' not in line)
