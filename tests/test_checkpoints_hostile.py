"""Files that are damaged, do not fit, or mean harm: each is named, and nothing of it is run."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_support import MLP, State, collect, networks, source
from safetensors.torch import save
from torch import Tensor

from wflow_core.errors import DataError

NAME = "fc1.weight"


def state() -> State:
    return dict(networks(1).state_dicts()[0])


def saved(found: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(found, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def problem(folder: Path, name: str, data: bytes) -> str:
    """What is said of a bad file beside a good one; nothing of either enters a zoo."""
    (folder / "good.safetensors").write_bytes(save(state()))
    (folder / name).write_bytes(data)
    with pytest.raises(DataError) as error:
        collect(folder)
    head, line, end = str(error.value).splitlines()
    assert head == f"{folder}: 1 of 2 files cannot be used"
    assert end == "fix or remove them, or select others by zoo.pattern"
    assert "weights_only" not in line  # torch advises to load files unsafely
    return line.removeprefix(f"  {name}: ")


class Touch:
    """Makes a file if it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


HIDDEN: dict[str, Callable[[Touch], bytes]] = {
    "plain pickle": lambda evil: pickle.dumps(evil),
    "old pickle": lambda evil: pickle.dumps({NAME: evil}, protocol=2),
    "zip": lambda evil: saved({**state(), "more": evil}),
    "legacy": lambda evil: saved({**state(), "more": evil}, zipped=False),
    "optimizer": lambda evil: saved({"state_dict": state(), "optimizer": [evil]}),
    "key": lambda evil: saved({**state(), (evil,): 1}),
}


@pytest.mark.parametrize("suffix", ["pt", "ckpt", "safetensors"])
@pytest.mark.parametrize("place", HIDDEN)
def test_pickled_code_is_refused_and_not_run(place: str, suffix: str, tmp_path: Path) -> None:
    folder, marker = tmp_path / "nets", tmp_path / "marker"
    folder.mkdir()
    data = HIDDEN[place](Touch(marker))
    words = problem(folder, f"bad.{suffix}", data)
    assert not marker.exists()
    assert ("refused without running it" in words) == (suffix != "safetensors")
    assert "save model.state_dict() alone" in words
    pickle.loads(pickle.dumps(Touch(marker)))
    assert marker.exists()  # the trap works


def test_whole_modules_and_other_objects_are_refused_by_name(tmp_path: Path) -> None:
    words = problem(tmp_path, "module.pt", saved(torch.nn.Linear(2, 2)))
    assert "the pickled object torch.nn.modules.linear.Linear" in words


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_torchscript_is_refused(compression: int, tmp_path: Path) -> None:
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
    words = problem(tmp_path, "module.pt", rezipped(script.getvalue(), compression))
    assert words.startswith("refused")


def rezipped(data: bytes, compression: int) -> bytes:
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as whole,
        zipfile.ZipFile(made, "w", compression) as out,
    ):
        for entry in whole.infolist():
            out.writestr(entry.filename, whole.read(entry))
    return made.getvalue()


FILES = {"zip.pt": saved(state()), "old.pt": saved(state(), False), "s.safetensors": save(state())}


@pytest.mark.parametrize("part", [0, 1, 10, 100, 0.5, 0.98, -1])
@pytest.mark.parametrize("name", FILES)
def test_truncated_files(name: str, part: float, tmp_path: Path) -> None:
    data = FILES[name]
    cut = int(part * len(data)) if isinstance(part, float) else part
    words = problem(tmp_path, name, data[:cut])
    assert words.startswith(("not a complete ", "refused without"))
    assert "\x1b" not in words


def test_random_damage_gives_an_error_or_networks_but_never_something_else(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for name, whole in FILES.items():
        for _ in range(60):
            data = np.frombuffer(whole, np.uint8).copy()
            at = rng.integers(0, min(len(data), 1500))
            data[at : at + 4] = rng.integers(0, 256, len(data[at : at + 4]))
            (tmp_path / name).write_bytes(data.tobytes())
            try:
                assert collect(tmp_path).weights.isfinite().all()
            except DataError:
                refused += 1
        (tmp_path / name).unlink()
    assert refused > 60


def change(name: str, tensor: Tensor) -> Callable[[], dict[str, Tensor]]:
    return lambda: state() | {name: tensor}


def renamed(old: str, new: str) -> State:
    return {new if name == old else name: t for name, t in state().items()}


def pruned() -> State:
    return {name: t for name, t in state().items() if not name.startswith("fc2")}


LONG = {f"layers.{i}.weight": torch.ones(2) for i in range(9)}
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a name": (
        lambda: renamed(NAME, "fc_1.weight"),
        "lacks 'fc1.weight', and has the unexpected 'fc_1.weight' (did you mean 'fc1.weight'?); "
        "it is of another architecture",
    ),
    "missing": (pruned, "lacks 'fc2.bias', 'fc2.weight'; it is of another architecture"),
    "climbing": (change("../../x", torch.ones(1)), "has the unexpected '../../x'"),
    "many": (lambda: LONG, "'layers.2.weight' and 6 more; it is of another architecture"),
    "shape": (
        change(NAME, torch.ones(5, 31)),
        "wrong shapes: 'fc1.weight' (5, 31), not (5, 30); check the task and the widths",
    ),
    "no networks": (
        lambda: {name: t.expand(0, *t.shape) for name, t in state().items()},
        "contains no network",
    ),
    "stacks of two lengths": (
        lambda: {n: t.expand(2 + (n == NAME), *t.shape) for n, t in state().items()},
        "wrong shapes",
    ),
    "nan": (change(NAME, torch.full((5, 30), torch.nan)), "'fc1.weight' has NaN or infinite"),
    "infinite": (change("fc3.bias", torch.tensor([0, torch.inf])), "'fc3.bias' has NaN or inf"),
    "too large": (change("fc3.bias", torch.tensor([0, 1e300]).double() * 1e300), "(in float32)"),
    "integers": (change("fc3.bias", torch.ones(2, dtype=torch.int64)), "'fc3.bias' is int64"),
    "complex": (change("fc3.bias", torch.ones(2, dtype=torch.complex64)), "'fc3.bias' is complex"),
    "sparse": (change(NAME, torch.ones(5, 30).to_sparse()), "'fc1.weight' is sparse or nested"),
    "valueless": (change(NAME, torch.ones(5, 30, device="meta")), "has no values (device meta)"),
    "number": (lambda: state() | {"epoch": 3}, "got 'epoch': int"),
    "no names": (lambda: {0: torch.ones(1)}, "got 0: Tensor"),
    "list": (lambda: [torch.ones(1)], "expected a state dict, got list"),
    "empty": (dict, "expected a state dict, got an empty one"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_named(case: str, tmp_path: Path) -> None:
    make, words = WRONG[case]
    assert words in problem(tmp_path, "bad.pt", saved(make()))


@pytest.mark.filterwarnings("ignore")
def test_quantized_tensors_are_refused(tmp_path: Path) -> None:
    quantized = torch.quantize_per_tensor(torch.ones(5, 30), 0.1, 0, torch.qint8)
    words = problem(tmp_path, "bad.pt", saved(state() | {NAME: quantized}))
    assert "'fc1.weight' is quantized; save model.state_dict() alone" in words


def expanded(n: int) -> State:
    return {name: t.expand(n, *t.shape) for name, t in state().items()}


class View:
    """A tensor as torch pickles it, of any size and stride over memory of four numbers."""

    def __init__(self, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> None:
        self.view = (offset, size, stride)

    def __reduce__(self) -> tuple[Any, ...]:
        memory = torch.ones(4).untyped_storage()
        typed = torch.storage.TypedStorage(wrap_storage=memory, dtype=torch.float32, _internal=True)
        return torch._utils._rebuild_tensor_v2, (typed, *self.view, False, {})


CLAIMS = {
    "beyond its memory": ((5, 30), (30, 1), 0),
    "strides beyond its memory": ((5, 30), (10**9, 1), 0),
    "offset beyond its memory": ((5, 30), (0, 0), 10**9),
    "negative strides": ((5, 30), (-30, -1), 0),
    "a huge shape": ((10**11,), (0,), 0),
    "huge memory": ((10**11,), (1,), 0),
}


@pytest.mark.filterwarnings("ignore:TypedStorage")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("case", CLAIMS)
def test_tensors_that_claim_what_their_file_has_not(
    case: str, zipped: bool, tmp_path: Path
) -> None:
    data = saved(state() | {NAME: View(*CLAIMS[case])}, zipped)
    assert problem(tmp_path, "bad.pt", data)


def test_stacks_that_are_expanded_beyond_their_file(tmp_path: Path) -> None:
    words = problem(tmp_path, "bad.pt", saved(expanded(10**7)))
    assert "declares 10000000 networks, which need more than the file's" in words


def test_entries_that_unpack_to_more_than_the_file(tmp_path: Path) -> None:
    bomb = rezipped(saved(state() | {"x": torch.zeros(2**22)}), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**16
    assert "its entries are compressed" in problem(tmp_path, "bad.pt", bomb)


def header(tensors: dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], end: int, dtype: str = "F32") -> dict[str, Any]:
    return {NAME: {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


HEADERS = {
    "longer than the file": header({}, length=2**20),
    "longest": header({}, length=2**64 - 1),
    "a huge tensor": header(entry([10**12], 4 * 10**12)),
    "a huge shape": header(entry([2**62, 8], 4), b"0000"),
    "a shape unlike its bytes": header(entry([10**12], 4), b"0000"),
    "bytes of nobody": header(entry([1], 4), b"0000" * 2),
    "an unknown type": header(entry([1], 4, "F99"), b"0000"),
    "a type that torch has not": header(entry([4], 4, "F8_E8M0"), b"0000"),
    "no tensors": header({NAME: 5}),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_of_safetensors_that_lie(case: str, tmp_path: Path) -> None:
    tracemalloc.start()
    words = problem(tmp_path, "bad.safetensors", HEADERS[case])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert words.startswith(("not a complete safetensors file (", "lacks"))
    assert peak < 2**24


def test_many_bad_files_are_told_at_once_but_not_all(tmp_path: Path) -> None:
    for i in range(8):
        (tmp_path / f"{i}.pt").write_bytes(b"")
    with pytest.raises(DataError) as error:
        collect(tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{tmp_path}: 8 of 8 files cannot be used"
    assert len(lines) == 8
    assert lines[6] == "  and 3 more"


def test_nothing_to_read(tmp_path: Path) -> None:
    for folder, words in (
        (tmp_path, r"contains no file \*.safetensors or"),
        (tmp_path / "x", "no"),
    ):
        for act in (collect, lambda f: source(f).fingerprint):
            with pytest.raises(DataError, match=rf"{folder}: {words}"):
                act(folder)
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "broken.pt").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(DataError, match="3 of 3 files") as error:
        collect(tmp_path)
    assert str(error.value).count("is not a file") == 3


def test_the_module_that_lends_its_structure_keeps_its_own_weights(tmp_path: Path) -> None:
    before = {name: t.clone() for name, t in MLP.template.state_dict().items()}
    (tmp_path / "good.pt").write_bytes(saved(state()))
    collect(tmp_path)
    assert all(torch.equal(before[n], t) for n, t in MLP.template.state_dict().items())
