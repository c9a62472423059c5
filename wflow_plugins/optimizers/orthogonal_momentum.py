"""Muon: momentum whose update of each matrix has all singular values near one.

In float32 throughout: torch.optim.Muon iterates in bfloat16, which takes many times as long on
processors that only emulate it. Shapes: a x b of a matrix.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size of
updates, that of AdamW's, from Liu et al. 2025 (arXiv 2502.16982).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

LINEAR, CUBIC, QUINTIC = 3.4445, -4.7750, 2.0315
ITERATIONS = 5
"""Times that the polynomial of these coefficients is applied: what brings singular values from .003
to 1 between .68 and 1.21, which is near enough to one, and sooner there than an exact limit."""
LIKE_ADAMW = 0.2
"""Root mean square of AdamW's updates over the learning rate, as seen in training."""
OPTIONS = ("lr", "momentum", "weight_decay")


class OrthogonalMomentum(torch.optim.Optimizer):
    """For matrices between hidden features; what reads, writes or shifts is not for it.

    Args:
        lr: comparable with AdamW's.
        momentum: of the gradient's running average, with Nesterov's look ahead.
        weight_decay: decoupled, as AdamW's.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        options = dict(zip(OPTIONS, (lr, momentum, weight_decay), strict=True))
        super().__init__(matrices, options)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, matrix.grad, **{k: group[k] for k in OPTIONS})

    def _move(
        self, matrix: Tensor, grad: Tensor, lr: float, momentum: float, weight_decay: float
    ) -> None:
        state = self.state[matrix]
        if not state:
            state["average"] = torch.zeros_like(matrix)
        average: Tensor = state["average"]
        average.lerp_(grad, 1 - momentum)
        update = orthogonalize(grad.lerp(average, momentum))
        matrix.mul_(1 - lr * weight_decay)
        # Entries of an orthogonal matrix have a mean square of 1 / max(a, b).
        matrix.add_(update, alpha=-lr * LIKE_ADAMW * max(matrix.shape) ** 0.5)


def orthogonalize(matrix: Tensor) -> Tensor:
    """``[a, b]`` with the same singular vectors, and singular values near one.

    By Newton-Schulz iterations, matrix products alone: no decomposition, no wait for a device.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp_min(1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = LINEAR * x + (CUBIC * square + QUINTIC * square @ square) @ x
    return x.T if tall else x
