"""Log-densities of points, with what their estimate may be off by.

Shapes: B batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LogProb:
    """Log-densities, in nats.

    Attributes:
        value: ``[B]``; minus infinity where the prior has no mass.
        standard_error: ``[B]`` over the probes; None where the divergence is exact, or there is
            one probe alone. Without the error of the solver.
    """

    value: Tensor
    standard_error: Tensor | None = None

    @classmethod
    def cat(cls, pieces: list[LogProb]) -> LogProb:
        """Pieces of a batch, put together."""
        errors = [p.standard_error for p in pieces if p.standard_error is not None]
        value = torch.cat([p.value for p in pieces])
        return cls(value, torch.cat(errors) if errors else None)
