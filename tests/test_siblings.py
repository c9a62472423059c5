"""Taking over what another run made: whole and of the same key, or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import torch

from wflow_core.runs import siblings as module
from wflow_plugins.sweep.shared_cache import Siblings
from wflow_core.storage.store import Store


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


def test_an_artefact_of_the_same_key_is_taken_over(root: Path) -> None:
    store, siblings = Store(root / "second"), Siblings(root)
    assert siblings.give(store, "zoo", "key")
    taken, made = store.load("zoo"), Store(root / "first").load("zoo")
    assert torch.equal(taken.tensors["w"], made.tensors["w"])
    assert (taken.data, taken.sha256, taken.seconds) == (made.data, made.sha256, 3.0)
    # What either does later is no matter of the other's.
    Store(root / "first").save("zoo", "other", {"w": torch.zeros(5)}, {})
    assert torch.equal(store.load("zoo").tensors["w"], made.tensors["w"])


def test_what_is_there_is_replaced(root: Path) -> None:
    store = Store(root / "second")
    store.save("zoo", "old", {"w": torch.zeros(1)}, {})
    assert Siblings(root).give(store, "zoo", "key")
    assert (store.key("zoo"), left(store)) == ("key", ["zoo"])


@pytest.mark.parametrize(("name", "key"), [("zoo", "other"), ("flow", "key")])
def test_nothing_else_is(root: Path, name: str, key: str) -> None:
    store = Store(root / "second")
    assert not Siblings(root).give(store, name, key)
    assert left(store) == []
    assert not Siblings().give(store, "zoo", "key")


def test_nobody_takes_from_itself(root: Path) -> None:
    assert not Siblings(root).give(Store(root / "first"), "zoo", "key")


DAMAGE = {
    "cut short": lambda data: data[:-9],
    "gone": lambda _: None,
    "changed": lambda data: data.replace(b'"x": 1', b'"x": 2').replace(b"\x80\x40", b"\x80\x41"),
}


@pytest.mark.parametrize("file", ["tensors.safetensors", "manifest.json"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_passed_over(root: Path, file: str, damage: str) -> None:
    path, store = root / "first/zoo" / file, Store(root / "second")
    before = path.read_bytes()
    path.unlink()
    if (after := DAMAGE[damage](before)) is not None:
        assert after != before
        path.write_bytes(after)
    assert not Siblings(root).give(store, "zoo", "key")
    assert left(store) == []


def test_one_that_is_replaced_meanwhile_is_passed_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors of the one, and the manifest of the next."""
    store, real = Store(root / "second"), module.link

    def link(source: Path, place: Path) -> None:
        if source.name == "manifest.json":
            Store(root / "first").save("zoo", "key", {"w": torch.zeros(5)}, {})
        real(source, place)

    monkeypatch.setattr(module, "link", link)
    assert not Siblings(root).give(store, "zoo", "key")
    assert left(store) == []


def test_without_links_it_is_copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = Store(root / "second")
    assert Siblings(root).give(store, "zoo", "key")
    assert torch.equal(store.load("zoo").tensors["w"], torch.arange(5.0))


def test_one_at_a_time_makes_a_key(root: Path) -> None:
    siblings, inside, entered = Siblings(root), threading.Event(), threading.Event()

    def wait_for_it() -> None:
        inside.set()
        with Siblings(root).alone("key"):
            entered.set()

    other = threading.Thread(target=wait_for_it)
    with siblings.alone("key"):
        with siblings.alone("another"):
            other.start()
        assert inside.wait(10)
        assert not entered.wait(0.2)
    assert entered.wait(10)
    other.join()
    siblings.tidy()
    assert sorted(p.name for p in root.iterdir()) == ["first", "notes.txt", "second"]
