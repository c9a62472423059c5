"""Devices by name, tensors that are constant on each, and operations that repeat to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from wflow_core.errors import WflowError

DEFAULT_BUDGET = 2**29
FREE_PARTS = 8
"""A budget on CUDA is one of so many parts of the free memory."""


def activation_budget(device: torch.device) -> int:
    """Bytes that the activations of one batched evaluation may take on a device.

    On CUDA a part of the memory that is free or cached by torch, rounded down to a power of two:
    chunks stay the same while free memory changes little.
    """
    if device.type != "cuda":
        return DEFAULT_BUDGET
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    part = (torch.cuda.mem_get_info(device)[0] + cached) // FREE_PARTS
    return 1 << max(0, part.bit_length() - 1)


class DeviceCache:
    """A constant tensor, copied to each device once, since the host waits for every copy."""

    def __init__(self, tensor: Tensor):
        self.copies = {tensor.device: tensor}

    def on(self, device: torch.device) -> Tensor:
        if device not in self.copies:
            self.copies[device] = next(iter(self.copies.values())).to(device)
        return self.copies[device]


def resolve_device(name: str | torch.device = "auto", threads: int | None = None) -> torch.device:
    """The device of that name; ``auto`` is CUDA where available, else the CPU.

    Args:
        threads: of the CPU; torch's default where None.

    Raises:
        WflowError: there is no such device on this machine.
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
        known = "cpu or cuda" if torch.cuda.is_available() else "cpu"
        raise WflowError(f"device {str(name)!r}: not available; try {known}") from error
    return device


@contextmanager
def deterministic() -> Iterator[None]:
    """Convolutions on CUDA by algorithms that give the same bits each time, in full float32."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, deterministic=True, allow_tf32=False):
        yield
