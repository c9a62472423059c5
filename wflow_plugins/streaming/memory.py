"""How much memory networks may take, as a user states it: ``4GB``."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from wflow_core.errors import UnsupportedError, WflowError
from wflow_core.interfaces.components import Components

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
BUDGET_FRACTION = 8
"""Fraction of the budget that one weight set may use; the rest is for results and copies."""
COPIES_WHILE_PROVING = 9
"""Memory of moving one network and proving it, in float64, in copies of the network."""


@dataclass(frozen=True)
class MemoryBudget:
    """A budget of bytes for networks and what is computed of them.

    It changes no result but for rounding: weight sets above ``per_set_limit`` bytes stay in files
    and are read in chunks. The program itself takes some hundred megabytes more.
    """

    budget: int

    @classmethod
    def parse(cls, text: str) -> MemoryBudget:
        """``4GB``, ``500MB``, ``2GiB``; a number alone is bytes.

        Raises:
            WflowError: the text is no size.
        """
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]i?|)b?\s*", text.lower())
        budget = int(float(found[1]) * (UNITS | BINARY)[found[2]]) if found else 0
        if not budget:
            raise WflowError(f"expected a size such as 4GB, 500MB or 2GiB; got {text!r}")
        return cls(budget)

    @property
    def per_set_limit(self) -> int:
        """Bytes of one weight set that are in memory at a time."""
        return self.budget // BUDGET_FRACTION

    def exceeds(self, rows: int, size: int, itemsize: int = 4) -> bool:
        """Whether that many networks of that many weights stay in files."""
        return rows * size * itemsize > self.per_set_limit

    def check(self, components: Components, device: torch.device) -> None:
        """Before anything runs.

        Raises:
            UnsupportedError: the budget is too little for one network, or weights are not on the
                CPU.
        """
        if device.type != "cpu":
            raise UnsupportedError(
                f"--memory limits weights in the CPU's memory; leave it out with --device {device}"
            )
        size = 4 * components.architecture.symmetry.layout.size
        copies = COPIES_WHILE_PROVING if components.canonicalizers else BUDGET_FRACTION
        if self.budget < copies * size:
            raise UnsupportedError(
                f"--memory {format_bytes(self.budget)} is too little for networks of "
                f"{format_bytes(size)} each ({size // 4} weights): working on one takes as much as "
                f"{copies}; give at least {format_bytes(copies * size)}"
            )


def format_bytes(size: float) -> str:
    """``17.3GB``, three digits."""
    for letter in ("", "k", "M", "G"):
        if size < 999.5:
            return f"{size:.3g}{letter}B"
        size /= 1000
    return f"{size:.3g}TB"
