"""Weight vectors in blocks of columns: from memory, from shards, from checkpoints, and written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from blocks import BLOCKS
from codec_support import NETWORK, P, normal, sharded, zoo_of
from hypothesis import given, strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wflow_core.errors import DataError, StoreError
from wflow_core.weights import WeightLayout
from wflow_plugins.codecs import part_blocks
from wflow_plugins.streaming.column_files import checkpoint_columns, stacked_columns
from wflow_plugins.streaming.column_writing import write_columns
from wflow_plugins.streaming.columns import Columns, ConcatColumns, InMemoryColumns


def joined(columns: Columns, width: int) -> Tensor:
    return torch.cat([block for _, block in columns.blocks(width)], 1)


@given(width=st.integers(1, 60))
def test_blocks_of_a_tensor_are_its_columns(width: int) -> None:
    w = normal(4, 51)
    starts = [start for start, _ in InMemoryColumns(w).blocks(width)]
    assert starts == list(range(0, 51, width))
    assert torch.equal(joined(InMemoryColumns(w), width), w)


def test_blocks_worked_on_side_by_side_come_in_order() -> None:
    columns, threads = InMemoryColumns(normal(3, 50)), torch.get_num_threads()
    whole = [(start, block.sum(0)) for start, block in columns.blocks(7)]
    found = list(columns.map_blocks(lambda start, block: (start, block.sum(0)), 7))
    assert [start for start, _ in found] == [start for start, _ in whole]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, whole, strict=True))
    assert torch.get_num_threads() == threads

    def fail(start: int, _: torch.Tensor) -> None:
        if start == 21:
            raise ValueError("the fourth")

    with pytest.raises(ValueError, match="the fourth"):
        list(columns.map_blocks(fail, 7))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("width", [1, 7, P, 1000])
def test_shards_are_read_as_one(width: int, tmp_path: Path) -> None:
    w = normal(7, P).float()
    columns = sharded(w, tmp_path)
    assert (columns.rows, columns.size) == (7, P)
    assert torch.equal(joined(columns, width), w)


def test_the_precision_of_a_file_is_kept_where_it_is_wider(tmp_path: Path) -> None:
    for dtype, read in [(torch.float64, torch.float64), (torch.bfloat16, torch.float32)]:
        w = normal(3, P).to(dtype)
        found = sharded(w, tmp_path, 1).read(2, 9)
        assert found.dtype == read
        assert torch.equal(found, w[:, 2:9].to(read))


@pytest.mark.parametrize("width", [1, 7, 1000])
@pytest.mark.parametrize("single", [True, False])
def test_checkpoints_are_read_by_name(single: bool, width: int, tmp_path: Path) -> None:
    state = zoo_of(normal(1, P).float()).state_dicts()[0]
    if single:
        save_file(state, tmp_path / "model.safetensors")
    else:
        files = {name: f"{i % 2}.safetensors" for i, name in enumerate(state)}
        for file in set(files.values()):
            save_file({n: t for n, t in state.items() if files[n] == file}, tmp_path / file)
        index = json.dumps({"weight_map": files})
        (tmp_path / "model.safetensors.index.json").write_text(index)
    found = checkpoint_columns(tmp_path, NETWORK.symmetry.layout)
    assert torch.equal(joined(found, width), normal(1, P).float())


def test_scalars_and_empty_tensors_of_a_checkpoint(tmp_path: Path) -> None:
    state = {"a": torch.tensor(2.0), "b": torch.zeros(0, 3), "c": torch.arange(6.0).view(3, 2)}
    save_file(state, tmp_path / "model.safetensors")
    found = checkpoint_columns(tmp_path, WeightLayout.of(state.items()))
    assert joined(found, 2).tolist() == [[2, 0, 1, 2, 3, 4, 5]]


def test_what_files_do_not_hold(tmp_path: Path) -> None:
    layout = WeightLayout.of_parameters(nn.Linear(2, 3))
    for state, said in [
        ({"weight": torch.zeros(3, 2)}, "no file holds the parameter 'bias'"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}, r"\[2, 3\], expected \[3, 2\]"),
    ]:
        save_file(state, tmp_path / "model.safetensors")
        with pytest.raises(DataError, match=said):
            checkpoint_columns(tmp_path, layout)
    with pytest.raises(DataError, match="holds no tensor 'weights'; it holds"):
        stacked_columns(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no such file")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        stacked_columns(tmp_path)
    with pytest.raises(DataError, match=r"holds no file \*\.safetensors"):
        stacked_columns(tmp_path / "nowhere")


def test_networks_of_other_lengths_are_not_joined() -> None:
    with pytest.raises(DataError, match=r"of one length are joined; got \[3, 4\]"):
        ConcatColumns([InMemoryColumns(torch.zeros(1, n)) for n in (3, 4)])


@pytest.mark.parametrize("file_bytes", [1, 2 * 4 * P, 10**9])
def test_what_is_written_is_read_again(file_bytes: int, tmp_path: Path) -> None:
    w = normal(5, P).float()
    paths = write_columns(
        tmp_path / "out", 5, P, InMemoryColumns(w).blocks(8), file_bytes=file_bytes
    )
    assert len(paths) == {1: 5, 2 * 4 * P: 3, 10**9: 1}[file_bytes]
    assert torch.equal(torch.cat([load_file(path)["weights"] for path in paths]), w)
    assert torch.equal(joined(stacked_columns(tmp_path / "out"), 9), w)


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[int, Tensor]]:
        yield 0, torch.zeros(2, 3)
        raise KeyError("stopped")

    for blocks, error in [
        (broken(), KeyError),
        ([(0, torch.zeros(2, 3))], DataError),
        ([(4, torch.zeros(2, 3))], DataError),
    ]:
        with pytest.raises(error):
            write_columns(tmp_path / "out", 2, 6, blocks)
        assert not list(tmp_path.iterdir())
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        write_columns(tmp_path / "out", 2, 3, [(0, torch.zeros(2, 3))])
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
def test_parts_are_slices_of_the_weights(block: object) -> None:
    symmetry = block.symmetry  # type: ignore[attr-defined]
    ends = part_blocks.part_offsets(symmetry)
    parts = [p for p in symmetry.parts if not p.part.buffer]
    labels = torch.arange(symmetry.layout.size).unsqueeze(0)
    tensors = symmetry.layout.unflatten(labels)
    rows = [tensors[p.part.tensor][0, slice(*p.rows)] for p in parts]
    found = sorted(of.flatten().tolist() for of in rows)
    assert found == [list(range(a, b)) for a, b in pairwise(ends.tolist())]


@pytest.mark.parametrize(("step", "width"), [(1, 1), (7, 3), (7, 20), (20, 1000), (1000, 8)])
def test_pieces_match_whatever_is_read_at_once(
    step: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_blocks, "BLOCK_COLUMNS", step)
    w, parts = normal(3, P), part_blocks.part_offsets(NETWORK.symmetry)
    columns = InMemoryColumns(w)
    monkeypatch.setattr(columns, "width", lambda: width)
    found = list(part_blocks.iter_blocks(columns, parts))
    starts = sorted({*range(0, P, step), *parts.tolist()} - {P})
    assert [start for _, start, _ in found] == starts
    assert torch.equal(torch.cat([block for _, _, block in found], 1), w)
    labels = part_blocks.per_column(torch.arange(len(parts) - 1), parts, 0, P)
    for part, start, block in found:
        stop = start + block.shape[1]
        assert (labels[start:stop] == part).all()
        values = part_blocks.per_column(torch.arange(len(parts) - 1), parts, start, stop)
        assert torch.equal(values, labels[start:stop])
