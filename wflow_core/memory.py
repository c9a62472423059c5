"""How much memory networks may take, as a user states it: ``4GB``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wflow_core.errors import UnsupportedError, WflowError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
SHARE = 8
"""Budget over what is held of one weight set: beside it are results, parts of others and copies."""


@dataclass(frozen=True)
class Memory:
    """A budget of bytes for networks and what is computed of them.

    It decides no result but for rounding: weight sets above ``share`` bytes stay in files, and are
    read a piece at a time. The program itself, some hundred megabytes, comes on top.
    """

    budget: int

    @classmethod
    def of(cls, text: str) -> Memory:
        """``4GB``, ``500MB``, ``2GiB``; a number alone is bytes.

        Raises:
            WflowError: the text is no size.
        """
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]i?|)b?\s*", text.lower())
        budget = int(float(found[1]) * (UNITS | BINARY)[found[2]]) if found else 0
        if not budget:
            raise WflowError(f"wants a size such as 4GB, 500MB or 2GiB; got {text!r}")
        return cls(budget)

    @property
    def share(self) -> int:
        """Bytes of one weight set that are held at a time."""
        return self.budget // SHARE

    def large(self, rows: int, size: int, itemsize: int = 4) -> bool:
        """Whether so many networks of so many weights are to stay in files."""
        return rows * size * itemsize > self.share

    def refuse_small(self, size: int, networks: int = SHARE) -> None:
        """
        Raises:
            UnsupportedError: it is less than so many networks of so many weights in float32.
        """
        one = 4 * size
        if self.budget < networks * one:
            raise UnsupportedError(
                f"--memory {shown(self.budget)} is too little for networks of {shown(one)} each "
                f"({size} weights): working on one takes as much as {networks}; give it at least "
                f"{shown(networks * one)}"
            )


def shown(size: float) -> str:
    """``17.3GB``, three digits."""
    for letter in ("", "k", "M", "G"):
        if size < 999.5:
            return f"{size:.3g}{letter}B"
        size /= 1000
    return f"{size:.3g}TB"
