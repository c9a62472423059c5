"""Where tensors live: the device by name, and the threads of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from wflow_core.errors import WflowError

FOREIGN = ("Expected one of", "Could not run", "META device")
"""How torch begins to speak of every kind that it knows, or of its own workings."""


class PerDevice:
    """A constant tensor, copied to a device once: the host waits for every copy."""

    def __init__(self, tensor: Tensor):
        self.copies = {tensor.device: tensor}

    def on(self, device: torch.device) -> Tensor:
        if device not in self.copies:
            self.copies[device] = next(iter(self.copies.values())).to(device)
        return self.copies[device]


def choose(name: str | torch.device = "auto", threads: int | None = None) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one.

    Raises:
        WflowError: there is no such device here.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        torch.Generator(device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        if reason.startswith(FOREIGN):
            reason = "there is none"
        raise WflowError(
            f"device {str(name)!r}: not to be had here ({reason}); try {' or '.join(here())}"
        ) from error
    return device


def here() -> list[str]:
    """Names of the devices of this machine, other than those that only special builds know."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *["mps"] * torch.backends.mps.is_available()]


@contextmanager
def repeatable() -> Iterator[None]:
    """Convolutions on CUDA by algorithms that give the same bits each time, in whole float32."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, deterministic=True, allow_tf32=False):
        yield
