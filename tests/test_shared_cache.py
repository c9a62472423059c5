"""Artefacts of other runs: linked whole and under the same key, or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from wflow_core.storage.store import MANIFEST, Store
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.memory import MemoryBudget
from wflow_plugins.streaming.storage import Streamed
from wflow_plugins.sweep import shared_cache as module
from wflow_plugins.sweep.shared_cache import LOCK_DIR, SharedCache


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two runs; the first has a zoo."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    Store(tmp_path / "first").save("zoo", "key", {"w": torch.arange(5.0)}, {"x": 1}, 3.0)
    (tmp_path / "notes.txt").touch()
    return tmp_path


def left(store: Store) -> list[str]:
    return sorted(p.name for p in store.folder.iterdir())


def test_an_artefact_of_the_same_key_is_linked(root: Path) -> None:
    store, cache = Store(root / "second"), SharedCache(root)
    assert cache.fetch(store, "zoo", "key")
    linked, made = store.load("zoo"), Store(root / "first").load("zoo")
    assert torch.equal(linked.tensors["w"], made.tensors["w"])
    assert (linked.data, linked.sha256, linked.seconds) == (made.data, made.sha256, 3.0)
    # What either does later is no matter of the other's.
    Store(root / "first").save("zoo", "other", {"w": torch.zeros(5)}, {})
    assert torch.equal(store.load("zoo").tensors["w"], made.tensors["w"])


def test_what_is_there_is_replaced(root: Path) -> None:
    store = Store(root / "second")
    store.save("zoo", "old", {"w": torch.zeros(1)}, {})
    assert SharedCache(root).fetch(store, "zoo", "key")
    assert (store.key("zoo"), left(store)) == ("key", ["zoo"])


@pytest.mark.parametrize(("name", "key"), [("zoo", "other"), ("flow", "key")])
def test_nothing_else_is(root: Path, name: str, key: str) -> None:
    store = Store(root / "second")
    assert not SharedCache(root).fetch(store, name, key)
    assert left(store) == []


def test_nobody_takes_from_itself(root: Path) -> None:
    assert not SharedCache(root).fetch(Store(root / "first"), "zoo", "key")


DAMAGE = {
    "cut short": lambda data: data[:-9],
    "gone": lambda _: None,
    "changed": lambda data: data.replace(b'"x": 1', b'"x": 2').replace(b"\x80\x40", b"\x80\x41"),
}


@pytest.mark.parametrize("file", ["tensors.safetensors", MANIFEST])
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_passed_over(root: Path, file: str, damage: str) -> None:
    path, store = root / "first/zoo" / file, Store(root / "second")
    before = path.read_bytes()
    path.unlink()
    if (after := DAMAGE[damage](before)) is not None:
        assert after != before
        path.write_bytes(after)
    assert not SharedCache(root).fetch(store, "zoo", "key")
    assert left(store) == []


def test_one_that_is_replaced_meanwhile_is_passed_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors of the one, and the manifest of the next."""
    store, real = Store(root / "second"), module.link

    def link(source: Path, place: Path) -> None:
        if source.name == MANIFEST:
            Store(root / "first").save("zoo", "key", {"w": torch.zeros(5)}, {})
        real(source, place)

    monkeypatch.setattr(module, "link", link)
    assert not SharedCache(root).fetch(store, "zoo", "key")
    assert left(store) == []


def test_without_links_it_is_copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = Store(root / "second")
    assert SharedCache(root).fetch(store, "zoo", "key")
    assert torch.equal(store.load("zoo").tensors["w"], torch.arange(5.0))


@pytest.mark.parametrize("streamed", [False, True])
def test_weights_in_files_of_their_own_are_linked(root: Path, streamed: bool) -> None:
    weights, files = torch.arange(12.0).view(4, 3), [root / ".a", root / ".b"]
    for part, file in zip(weights.split(2), files, strict=True):
        save_file({"weights": part.contiguous()}, file)
    storage = Streamed(MemoryBudget(10**6))
    tensors = {"weights": LazyWeights.of(files), "run": torch.arange(4)}
    Store(root / "first", storage).save("samples", "key", tensors, {})
    store = Store(root / "second", storage if streamed else None)
    assert SharedCache(root).fetch(store, "samples", "key")
    linked = store.load("samples").tensors
    assert isinstance(linked["weights"], LazyWeights) == streamed
    assert torch.equal(linked["weights"][:].clone(), weights)
    names = sorted(p.name for p in (root / "first/samples").iterdir())
    assert sorted(p.name for p in (root / "second/samples").iterdir()) == names
    assert len(names) == 4
    assert MANIFEST in names


def test_one_at_a_time_makes_a_key(root: Path) -> None:
    cache, inside, entered = SharedCache(root), threading.Event(), threading.Event()

    def wait_for_lock() -> None:
        inside.set()
        with SharedCache(root).lock("key"):
            entered.set()

    other = threading.Thread(target=wait_for_lock)
    with cache.lock("key"):
        with cache.lock("another"):
            other.start()
        assert inside.wait(10)
        assert not entered.wait(0.2)
    assert entered.wait(10)
    other.join()
    assert (root / LOCK_DIR).is_dir()
    cache.remove_locks()
    assert sorted(p.name for p in root.iterdir()) == ["first", "notes.txt", "second"]
