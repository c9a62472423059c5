"""A file that may not be read is not called damaged or absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from wflow_core.errors import DataError, StoreError
from wflow_core.storage.store import Store
from wflow_core.weights import WeightSet
from wflow_plugins.commands.export import read_networks, write_networks


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have files of a name refused, as the system does it for another user's."""

    def refuse(name: str) -> None:
        real = Path.open

        def opens(path: Path, *args: Any, **kwargs: Any) -> Any:
            if path.name == name:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *args, **kwargs)

        monkeypatch.setattr(Path, "open", opens)

    return refuse


@pytest.mark.parametrize("name", ["tensors.safetensors", "manifest.json"])
def test_an_artefact(tmp_path: Path, refuses: Any, name: str) -> None:
    store = Store(tmp_path)
    store.save("a", "key", {"w": torch.ones(2)}, {})
    refuses(name)
    with pytest.raises(StoreError) as caught:
        store.load("a")
    assert str(caught.value) == f"{tmp_path / 'a' / name}: cannot be read: Permission denied"


def test_the_key_of_an_artefact(tmp_path: Path, refuses: Any) -> None:
    store = Store(tmp_path)
    store.save("a", "key", {}, {})
    assert (store.key("a"), store.key("b")) == ("key", None)
    refuses("manifest.json")
    with pytest.raises(StoreError, match=r"cannot be read: Permission denied$"):
        store.key("a")


def test_networks(tmp_path: Path, refuses: Any) -> None:
    module = torch.nn.Linear(2, 1)
    write_networks(WeightSet.from_module(module, torch.zeros(3, 3)), tmp_path / "n", separate=True)
    first = min((tmp_path / "n").glob("*.safetensors"))
    refuses(first.name)
    with pytest.raises(DataError, match=r"cannot be read as safetensors \(Permission denied\)$"):
        read_networks(tmp_path / "n", module)
