"""Weights whose values lie in files: as a tensor, in pieces, written by rows, in artefacts."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from codec_support import NETWORK, P, normal, zoo_of
from hypothesis import given, strategies as st
from safetensors.torch import load_file
from torch import Tensor

from wflow_core.errors import DataError, StoreError, UnsupportedError, WflowError
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.storage.store import Store
from wflow_core.storage.tensors import read_weight_set, weight_set_content
from wflow_core.weights.chunks import chunk_size, iter_chunks
from wflow_plugins.streaming.columns import columns_of
from wflow_plugins.streaming.lazy_weights import LazyWeights, name_requester
from wflow_plugins.streaming.memory import BUDGET_FRACTION, MemoryBudget, format_bytes
from wflow_plugins.streaming.row_writing import RowWriter, SpillingConcat, concat_spilling
from wflow_plugins.streaming.rows import SafetensorsRows
from wflow_plugins.streaming.storage import Streamed

N, ROW = 7, 4 * P
W = normal(N, P).float()
LITTLE = Streamed(MemoryBudget(BUDGET_FRACTION * ROW))  # one network
AMPLE = Streamed(MemoryBudget(10**6))


def written(folder: Path, w: Tensor = W, limit: int | None = None, each: int = 3) -> LazyWeights:
    """In files of three networks each."""
    writer = RowWriter(folder / "rows", file_bytes=each * w[0].nbytes)
    for piece in w.split(2):
        writer.add(piece)
    return LazyWeights.of(writer.finish(), limit)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> LazyWeights:
    return written(tmp_path_factory.mktemp("stored"))


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("500mb", 5 * 10**8), ("2 GiB", 2**31), ("1.5k", 1500), ("64", 64)],
)
def test_sizes(text: str, size: int) -> None:
    assert MemoryBudget.parse(text).budget == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "4 apples", "0MB", "1e9", "4GBs"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(WflowError, match="expected a size such as 4GB"):
        MemoryBudget.parse(text)


def test_sizes_are_shown_in_three_digits() -> None:
    assert [format_bytes(n) for n in (17, 1500, 432e6, 17.28e9, 999.6e3)] == [
        "17B", "1.5kB", "432MB", "17.3GB", "1MB",
    ]  # fmt: skip


def test_a_budget_too_small_for_one_network() -> None:
    components: Any = SimpleNamespace(architecture=NETWORK, canonicalizers=())
    least, cpu = BUDGET_FRACTION * ROW, torch.device("cpu")
    MemoryBudget(least).check(components, cpu)
    with pytest.raises(UnsupportedError, match=f"give at least {format_bytes(least)}"):
        MemoryBudget(least - 1).check(components, cpu)


@given(a=st.integers(0, N), b=st.integers(0, N), c=st.integers(-N, N), d=st.integers(-N, N))
def test_slices_of_slices(stored: LazyWeights, a: int, b: int, c: int, d: int) -> None:
    found = stored[a:b][c:d]
    assert isinstance(found, LazyWeights)
    assert torch.equal(found.load(), W[a:b][c:d])


@pytest.mark.parametrize(
    "index",
    [torch.tensor(x) for x in ([5, 1, 5], [0, 2], [-1, -7], [[3, 3], [0, 6]])]
    + [W[:, 0] > 0, torch.zeros(0, dtype=torch.int64), 2, -1, (slice(None), 3), (..., slice(2, 5))],
)
def test_it_is_indexed_like_a_tensor(stored: LazyWeights, index: Any) -> None:
    assert torch.equal(stored[index] + 0, W[index])


def test_it_computes_like_a_tensor(stored: LazyWeights) -> None:
    assert (stored.shape, len(stored), stored.dtype) == (W.shape, N, W.dtype)
    assert torch.equal(stored.mean(0), W.mean(0))
    assert torch.equal(torch.cat([w.load() for w in stored.split(3)]), W)  # type: ignore[attr-defined]
    assert torch.equal(torch.stack(list(stored)), W)
    assert torch.equal(torch.cdist(stored, W[:2]), torch.cdist(W, W[:2]))
    assert torch.equal(
        torch.lerp(stored, stored[torch.arange(N - 1, -1, -1)], 0.5), W.lerp(W.flip(0), 0.5)
    )
    assert torch.equal(torch.cat(list(iter_chunks(stored, 2))), W)
    columns = columns_of(stored[1:6])
    assert torch.equal(torch.cat([block for _, block in columns.blocks(9)], 1), W[1:6])


def test_what_reads_nothing(stored: LazyWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SafetensorsRows, "_read_run", None)
    for same in (stored.to("cpu"), stored.cpu(), stored.float(), stored.detach(), stored[:3][1:]):
        assert isinstance(same, LazyWeights)
    assert stored.new_zeros(2, 3).shape == (2, 3)
    assert copy.deepcopy(stored) is stored
    assert "LazyWeights([7," in repr(stored)


def test_more_than_the_limit_is_refused_at_once(tmp_path: Path) -> None:
    found = written(tmp_path, limit=2 * ROW)
    assert torch.equal(found[2:4] + 0, W[2:4])
    with pytest.raises(
        UnsupportedError, match=r"requested 3 networks .* but the limit of a weight set is"
    ) as error:
        found[:3] + 0
    assert f"--memory at least {format_bytes(3 * BUDGET_FRACTION * ROW)}" in str(error.value)
    with (
        pytest.raises(UnsupportedError, match=r"^metric x: requested 7 networks"),
        name_requester("metric x"),
    ):
        found.mean()
    assert [chunk_size(w, 5) for w in (found, W, written(tmp_path, limit=9 * ROW))] == [1, 5, 2]


@pytest.mark.parametrize("each", [1, 3, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_are_written_are_safetensors(
    tmp_path: Path, each: int, dtype: torch.dtype
) -> None:
    w = W.to(dtype)
    files = written(tmp_path, w, each=each).files
    assert [f.name for f in files][-1] == f"weights-{len(files):05}-of-{len(files):05}.safetensors"
    assert len(files) == -(-N // each)
    assert torch.equal(torch.cat([load_file(file)["weights"] for file in files]), w)


def test_files_that_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        SafetensorsRows.of(path)
    for data in (b"", b"\xff" * 20, (2).to_bytes(8, "little") + b"{}"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"holds no tensor 'weights' \[n, P\]"):
            SafetensorsRows.of(path)
    found = written(tmp_path)
    found.files[-1].write_bytes(found.files[-1].read_bytes()[:-1])
    with pytest.raises(DataError, match="is cut short"):
        found.load()


def test_rows_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        RowWriter(tmp_path / "file" / "rows")


@pytest.mark.parametrize(("rows", "in_files"), [(N, False), (N - 1, True), (2, True), (1, True)])
def test_gathered_networks_are_the_same_in_memory_and_in_files(
    tmp_path: Path, rows: int, in_files: bool
) -> None:
    zoo = zoo_of(W)
    initial = normal(N, P, seed=1).float()
    zoo = zoo.with_tensors(zoo.tensors() | {"initial": initial})
    gathering = SpillingConcat(MemoryBudget(BUDGET_FRACTION * ROW * rows), tmp_path)
    for start in range(0, N, 2):
        gathering.add(zoo[start : start + 2])
    found = gathering.whole()
    assert isinstance(found.weights, LazyWeights) == in_files
    for name, tensor in zoo.tensors().items():
        assert torch.equal(torch.cat([row + 0 for row in found.tensors()[name].split(1)]), tensor)


def test_temporary_files_go_with_the_networks() -> None:
    found = concat_spilling([zoo_of(W)], ROW)
    (folder,) = {path.parent for path in found.weights.files}  # type: ignore[attr-defined]
    kept = found[2:3].weights
    del found
    assert torch.equal(kept + 0, W[2:3])
    del kept
    assert not folder.exists()


def saved(folder: Path) -> None:
    """An artefact whose weights are in files of their own."""
    gathering = SpillingConcat(LITTLE.budget, folder / ".scratch.new")
    gathering.add(zoo_of(W))
    Store(folder, LITTLE).save("zoo", "key", *weight_set_content(gathering.whole()))


def test_an_artefact_of_shards_is_read_with_and_without_a_limit(tmp_path: Path) -> None:
    saved(tmp_path)
    for storage, in_files in [(None, False), (AMPLE, False), (LITTLE, True)]:
        found = read_weight_set(Store(tmp_path, storage).load("zoo"))
        assert isinstance(found.weights, LazyWeights) == in_files
        assert torch.equal(torch.cat(list(iter_chunks(found.weights, N))), W)


def test_an_artefact_in_one_file_is_read_within_a_limit(tmp_path: Path) -> None:
    Store(tmp_path).save("zoo", "key", *weight_set_content(zoo_of(W)))
    found = read_weight_set(Store(tmp_path, LITTLE).load("zoo"))
    assert isinstance(found.weights, LazyWeights)
    assert torch.equal(torch.cat(list(iter_chunks(found.weights, N))), W)


@pytest.mark.parametrize("storage", [None, AMPLE, LITTLE], ids=repr)
@pytest.mark.parametrize("damage", ["change", "cut", "remove"])
def test_a_damaged_shard(tmp_path: Path, damage: str, storage: TensorStorage | None) -> None:
    saved(tmp_path)
    (shard,) = (tmp_path / "zoo").glob("weights-*")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    if damage == "remove":
        shard.unlink()
    else:
        shard.write_bytes(data if damage == "change" else data[:-5])
    with pytest.raises(StoreError, match=r"damaged .*; delete the folder and run again"):
        Store(tmp_path, storage).load("zoo")


def test_networks_in_files_compute_what_they_do_in_memory(tmp_path: Path) -> None:
    x = torch.randn(11, *NETWORK.signature.inputs)
    found = written(tmp_path, limit=2 * ROW)
    torch.testing.assert_close(NETWORK.batched(found, x), NETWORK.batched(W, x))


def test_inputs_are_split_where_one_network_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    x, run = (
        torch.randn(11, *NETWORK.signature.inputs),
        BatchedNetworks(NETWORK.template, budget=400),
    )
    seen, forward = [], run.forward
    monkeypatch.setattr(run, "forward", lambda s, of: seen.append(len(of)) or forward(s, of))
    torch.testing.assert_close(run(W, x), NETWORK.batched(W, x))
    assert max(seen) < 11
