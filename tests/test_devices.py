"""A device that is not here: which are, and none of torch's list of all it knows."""

from __future__ import annotations

import pytest
import torch

from wflow_core import devices
from wflow_core.errors import WflowError


@pytest.mark.parametrize("name", ["foo", "meta", "xla"])
def test_what_there_is_not(name: str) -> None:
    said = f"device '{name}': not to be had here (there is none); try {' or '.join(devices.here())}"
    with pytest.raises(WflowError) as caught:
        devices.choose(name)
    assert str(caught.value) == said


def test_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.here() == ["cpu", "cuda:0", "cuda:1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.here() == ["cpu", "mps"]


def test_a_constant_goes_to_a_device_once() -> None:
    constant = torch.arange(3)
    held = devices.DeviceCache(constant)
    meta = torch.device("meta")
    assert held.on(constant.device) is constant
    assert held.on(meta).device == meta
    assert held.on(meta) is held.on(meta)
