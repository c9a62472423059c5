"""Artefacts are read from disk, and checked against their hashes, once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from file_run_support import FileRun

import wflow_core
from wflow_core.storage import store as store_module
from wflow_core.storage.store import Store

LINES = {
    "canonicalizers": "[weight_matching]",
    "codec": "{type: pca, components: 3}",
    "metrics": "[task_score, novelty, moments]",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> FileRun:
    files = FileRun(tmp_path_factory.mktemp("files"), **LINES)
    files.run()
    return files


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each artefact is loaded, and each of its files hashed."""
    counted: Counter[str] = Counter()
    load, content_hash = Store.load, store_module.content_hash

    def counted_load(self: Store, name: str) -> Any:
        counted[name] += 1
        return load(self, name)

    def counted_hash(paths: list[Path], data: Any) -> str:
        counted.update(f"hash of {path.parent.name}" for path in paths)
        return content_hash(paths, data)

    monkeypatch.setattr(Store, "load", counted_load)
    monkeypatch.setattr(store_module, "content_hash", counted_hash)
    return counted


def once(*artefacts: str) -> dict[str, int]:
    return {name: 1 for of in artefacts for name in (of, f"hash of {of}")}


def test_a_loaded_flow_reads_each_artefact_once(files: FileRun, reads: Counter[str]) -> None:
    flow = wflow_core.load(files.out)
    assert reads == once("codec", "flow")
    x = torch.zeros(3, 784)
    for _ in range(2):
        assert len(flow.zoo) == 6
        assert flow.zoo is flow.zoo
        assert len(flow.samples) == 4
        assert flow.samples is flow.samples
        assert flow.predict(x).shape == (3, 10)
    assert reads == once("codec", "flow", "canonical", "samples")
    for _ in range(2):
        flow.sample(3)
        flow.evaluate()
        flow.predict(x, flow.sample(2))
    assert reads == once("codec", "flow", "canonical", "samples", "zoo")


@pytest.mark.parametrize("name", ["zoo", "samples", "predict"])
def test_one_look_reads_what_it_needs(files: FileRun, reads: Counter[str], name: str) -> None:
    flow = wflow_core.load(files.out)
    looked_at = getattr(flow, name)
    if name == "predict":
        looked_at(torch.zeros(3, 784))
    other = "canonical" if name == "zoo" else "samples"
    assert reads == once("codec", "flow", other)


def test_a_finished_run_reads_each_artefact_once(files: FileRun, reads: Counter[str]) -> None:
    stages = files.run()
    assert set(stages.values()) == {True}
    assert reads == once("zoo", "canonical", "codec", "flow", "samples", "evaluation")
