"""A device that is not here, and constants that are copied to each device once."""

from __future__ import annotations

import pytest
import torch

from wflow_core import devices
from wflow_core.errors import WflowError


@pytest.mark.parametrize("name", ["foo", "meta", "xla", "cuda:x", "", "cpu:nope"])
@pytest.mark.parametrize(("cuda", "known"), [(False, "cpu"), (True, "cpu or cuda")])
def test_a_device_that_is_not_here(
    name: str, cuda: bool, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is instead, and none of torch's list of all it knows."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    with pytest.raises(WflowError) as caught:
        devices.resolve_device(name)
    assert str(caught.value) == f"device {name!r}: not available; try {known}"


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve_device() == devices.resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", lambda *_, device: device)
    monkeypatch.setattr(torch, "Generator", lambda device: device)
    assert devices.resolve_device() == torch.device("cuda")
    assert devices.resolve_device(torch.device("cpu")) == torch.device("cpu")


def test_a_constant_goes_to_a_device_once() -> None:
    constant = torch.arange(3)
    held = devices.DeviceCache(constant)
    meta = torch.device("meta")
    assert held.on(constant.device) is constant
    assert held.on(meta).device == meta
    assert held.on(meta) is held.on(meta)
