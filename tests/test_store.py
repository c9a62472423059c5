from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from plugin_support import (
    TINY,
    content,
    file_size_limit,
    refused,
    results,
    tensor_file,
    tiny,
    wflow,
    write_spec,
)
from torch import Tensor

from wflow_core.errors import StoreError
from wflow_core.storage import store as store_module, tensors as tensors_module
from wflow_core.storage.store import Store
from wflow_core.storage.tensors import TENSORS

HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def some(value: float = 1.0) -> dict[str, Tensor]:
    return {"w": torch.full((2, 3), value), "none": torch.empty(2, 0), "n": torch.arange(4)}


def hidden(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob(".*") if p.name != ".lock"]


def test_what_is_saved_is_loaded(store: Store) -> None:
    saved = store.save("a", "key", some(), {"x": [1, 2.5, None]}, 3.0)
    found = store.load("a")
    assert found.tensors.keys() == some().keys()
    assert all(torch.equal(found.tensors[n], t) for n, t in some().items())
    assert (found.data, found.sha256, found.seconds) == ({"x": [1, 2.5, None]}, saved.sha256, 3.0)
    assert (store.key("a"), store.key("b")) == ("key", None)
    manifest = json.loads((store.folder / "a" / "manifest.json").read_text())
    assert manifest["tensors"]["w"] == {
        "file": "tensors.safetensors", "shape": [2, 3], "dtype": "float32",
    }  # fmt: skip


def test_the_hash_tells_contents_apart_and_nothing_else(store: Store) -> None:
    first = store.save("a", "key", some(), {}).sha256
    assert store.save("b", "other", some(), {}, 9.0).sha256 == first
    assert store.save("a", "key", some(2.0), {}).sha256 != first
    assert store.save("a", "key", some(), {"x": 1}).sha256 != first


def test_tensors_that_share_memory_or_are_views(store: Store) -> None:
    base = torch.arange(6.0)
    views = {"whole": base, "half": base[:3], "turned": base.view(2, 3).T, "twice": base}
    store.save("a", "key", views, {})
    assert all(torch.equal(t, views[n]) for n, t in store.load("a").tensors.items())
    assert torch.equal(base, torch.arange(6.0))


def test_who_may_read_the_manifest_may_read_the_tensors(store: Store) -> None:
    store.save("a", "key", some(), {})
    manifest, tensors = (store.folder / "a" / n for n in ("manifest.json", TENSORS))
    assert tensors.stat().st_mode == manifest.stat().st_mode


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(StoreError, match="a: not there; run `wflow run` to make it"):
        store.load("a")
    assert store.read_json("metrics.json") is None
    store.remove("a")


DAMAGE = {
    "tensors cut short": ("tensors.safetensors", lambda b: b[: len(b) // 2]),
    "tensors empty": ("tensors.safetensors", lambda b: b""),
    "a bit of a tensor": ("tensors.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1])),
    "manifest cut short": ("manifest.json", lambda b: b[: len(b) // 2]),
    "manifest of bytes": ("manifest.json", lambda b: b"\xff\xfe\x00"),
    "manifest a list": ("manifest.json", lambda b: b"[]"),
    "manifest without key": ("manifest.json", lambda b: b.replace(b'"key"', b'"yek"')),
    "manifest of a later format": ("manifest.json", lambda b: b.replace(b": 1,", b": 2,", 1)),
    "data changed": ("manifest.json", lambda b: b.replace(b'"x": 1', b'"x": 2')),
    "hash changed": ("manifest.json", lambda b: b.replace(b'"sha256": "', b'"sha256": "0')),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_told_with_what_to_do(store: Store, case: str) -> None:
    store.save("a", "key", some(), {"x": 1})
    file, change = DAMAGE[case]
    path = store.folder / "a" / file
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    with pytest.raises(StoreError, match=r"a.*: damaged \(.*\); delete .* and run again"):
        store.load("a")


def test_an_artefact_without_tensors_is_damaged(store: Store) -> None:
    store.save("a", "key", some(), {})
    (store.folder / "a" / "tensors.safetensors").unlink()
    with pytest.raises(StoreError, match=r"a: damaged"):
        store.load("a")


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("function", ["save_file", "write_synced", "fsync", "content_hash"])
def test_a_full_disk_leaves_the_earlier_artefact(
    store: Store, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    store.save("a", "key", some(), {"x": 1})
    with monkeypatch.context() as full:
        module = tensors_module if function == "save_file" else store_module
        full.setattr(module, function, no_space)
        with pytest.raises(StoreError, match=r"a: cannot be written: No space left on .*; nothing"):
            store.save("a", "other", some(2.0), {})
    assert store.key("a") == "key"
    assert torch.equal(store.load("a").tensors["w"], some()["w"])
    assert [p.name for p in store.folder.iterdir()] == ["a"]


def test_a_full_disk_leaves_the_earlier_text(store: Store) -> None:
    store.write("spec.yaml", "before")
    with file_size_limit(100), pytest.raises(StoreError, match="File too large; nothing was"):
        store.write("spec.yaml", "x" * 1000)
    assert (store.folder / "spec.yaml").read_text() == "before"
    assert [p.name for p in store.folder.iterdir()] == ["spec.yaml"]


class Death(BaseException):
    """What a kill is to the code: nothing after it runs."""


@pytest.mark.parametrize("last", [0, 1])
def test_a_death_between_renames_leaves_whole_artefacts_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    store.save("a", "key", some(), {})
    calls = iter(range(9))

    def replace(old: Path, new: Path, real: object = os.replace) -> None:
        if next(calls) == last:
            raise Death
        real(old, new)  # type: ignore[operator]

    monkeypatch.setattr(store_module.os, "replace", replace)
    with pytest.raises(Death):
        store.save("a", "other", some(2.0), {})
    monkeypatch.undo()
    with store.locked():
        assert store.key("a") in ("key", None)
        assert hidden(store.folder) == []
        store.save("a", "other", some(2.0), {})
    assert store.load("a").tensors["w"][0, 0] == 2


def test_two_stores_do_not_share_a_folder(store: Store) -> None:
    with store.locked(), pytest.raises(StoreError, match="another run is working here"):
        Store(store.folder).locked().__enter__()
    with store.locked():
        pass


def test_a_folder_in_use_by_another_process(tmp_path: Path) -> None:
    spec, out = write_spec(tmp_path), tmp_path / "out"
    out.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = refused(wflow("run", spec, "--out", out))
        assert message == (
            f"wflow: {out}: another run is working here; wait for it, or give another --out"
        )
        assert [p.name for p in out.iterdir()] == [".lock"]
        holder.send_signal(signal.SIGKILL)
    assert wflow("run", spec, "--out", out).exit_code == 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    assert wflow("run", write_spec(folder), "--out", folder / "out").exit_code == 0
    return folder / "out"


def test_a_folder_of_another_spec_is_refused_and_kept(finished: Path, tmp_path: Path) -> None:
    before = content(finished)
    spec = write_spec(tmp_path, tiny(train="{iterations: 40, evaluate_every: 10}", seed="1"))
    message = refused(wflow("run", spec, "--out", finished))
    assert message == (
        f"wflow: {finished}: holds a run of another spec (seed 0 -> 1; train.iterations 30 -> 40; "
        "train.batch_size 8 -> 64); give another --out, or --overwrite to replace what differs"
    )
    assert content(finished) == before


def test_hooks_may_differ_between_runs_of_a_folder(finished: Path, tmp_path: Path) -> None:
    before = results(finished)
    assert wflow("run", write_spec(tmp_path, tiny(hooks="[]")), "--out", finished).exit_code == 0
    assert wflow("run", write_spec(tmp_path), "--out", finished).exit_code == 0
    assert results(finished) == before


def test_overwrite_replaces_what_differs_and_no_more(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert wflow("run", write_spec(tmp_path), "--out", out).exit_code == 0
    before, other = content(out), tiny(solver="{type: euler, steps: 1}")
    again = wflow("run", write_spec(tmp_path, other), "--out", out, "--overwrite")
    assert again.exit_code == 0
    for line, reused in zip(["collect", "train", "sample"], [True, True, False], strict=True):
        assert (f"{line:>12}  found finished\n" in again.stderr) == reused
    after = content(out)
    assert after["zoo/tensors.safetensors"] == before["zoo/tensors.safetensors"]
    assert after["flow/manifest.json"] == before["flow/manifest.json"]
    assert after["samples/tensors.safetensors"] != before["samples/tensors.safetensors"]
    assert after["metrics.json"] != before["metrics.json"]
    # The same as if it had been run alone.
    alone = tmp_path / "alone"
    assert wflow("run", tmp_path / "spec.yaml", "--out", alone).exit_code == 0
    assert results(alone) == results(out)


@pytest.mark.parametrize("names", [["notes.txt"], ["spec.yaml"], [".git", "thesis"]])
@pytest.mark.parametrize("option", [[], ["--overwrite"]])
def test_a_folder_of_other_files_is_left_alone(
    tmp_path: Path, names: list[str], option: list[str]
) -> None:
    (tmp_path / "specs").mkdir()
    spec, out = write_spec(tmp_path / "specs"), tmp_path / "out"
    out.mkdir()
    for name in names:
        (out / name).write_text("mine")
    message = refused(wflow("run", spec, "--out", out, *option))
    listed = ", ".join(names)
    assert message == (
        f"wflow: {out}: holds files that are no run ({listed}); give a new or empty --out"
    )
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    assert {p.read_text() for p in out.iterdir()} == {"mine"}


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("file", "File exists"),
        ("file/x", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_folders_that_cannot_be(tmp_path: Path, out: str, reason: str) -> None:
    (tmp_path / "file").touch()
    message = refused(wflow("run", write_spec(tmp_path), "--out", tmp_path / out))
    assert message == f"wflow: {tmp_path / out}: cannot be written: {reason}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    spec, out = write_spec(tmp_path), tmp_path / "out"
    out.mkdir(mode=0o500)
    message = refused(wflow("run", spec, "--out", out))
    assert message == f"wflow: {out}: cannot be written: Permission denied"


@pytest.mark.parametrize(
    ("size", "name"), [(200, "spec.yaml"), (20_000, "zoo"), (100_000, "checkpoint")]
)
def test_a_disk_that_fills_up_in_a_run(tmp_path: Path, size: int, name: str) -> None:
    spec, out = write_spec(tmp_path, tiny(hooks="[]")), tmp_path / "out"
    with file_size_limit(size):
        message = refused(wflow("run", spec, "--out", out))
    assert message.startswith(f"wflow: {out / name}: cannot be written: ")
    assert "File too large" in message
    assert message.endswith("; nothing was changed")
    assert not (out / name).exists()
    assert hidden(out) == []
    # With space again, the same command finishes.
    assert wflow("run", spec, "--out", out).exit_code == 0


@pytest.mark.parametrize("name", ["zoo", "flow", "samples"])
def test_a_damaged_artefact_of_a_run(tmp_path: Path, finished: Path, name: str) -> None:
    spec, out = write_spec(tmp_path), tmp_path / "out"
    out.mkdir()
    for path, data in content(finished).items():
        (out / path).parent.mkdir(exist_ok=True)
        (out / path).write_bytes(data)
    path = tensor_file(out, name)
    path.write_bytes(path.read_bytes()[:-7])
    message = refused_after_progress(wflow("run", spec, "--out", out))
    assert message.startswith(f"wflow: {out / name}: damaged (")
    assert message.endswith("); delete the folder and run again")
    for file in (out / name).iterdir():
        file.unlink()
    (out / name).rmdir()
    assert wflow("run", spec, "--out", out).exit_code == 0
    assert results(out) == results(finished)


def refused_after_progress(result: object) -> str:
    """The last line, after those of the stages that were found finished."""
    return refused(result).splitlines()[-1]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["metrics.json", "record.json"])
@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_file_of_a_run(finished: Path, tmp_path: Path, name: str, text: str) -> None:
    path = finished / name
    before = path.read_text()
    path.write_text(text)
    try:
        message = refused_after_progress(wflow("run", write_spec(tmp_path), "--out", finished))
    finally:
        path.write_text(before)
    assert message.startswith(f"wflow: {path}: damaged (")
    assert message.endswith("); delete it and run again")


def test_the_text_of_the_spec_in_the_folder(finished: Path) -> None:
    text = (finished / "spec.yaml").read_text()
    assert text.startswith("# Written by wflow")
    assert TINY.splitlines()[0] in text
