"""Linear layers of many networks: the single matrix product against one network after another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from wflow_core.networks.batched import BatchedNetworks

N = 5


class Odd(nn.Module):
    """Linear layers over more axes, without bias, given by name, and one that is no parameter's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 4), nn.Linear(4, 3, bias=False)
        self.register_buffer("fixed", torch.randn(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.nn.functional.linear(input=x, weight=self.first.weight, bias=self.first.bias)
        h = self.second(h.relu())
        x = torch.nn.functional.linear(x[..., :3], self.fixed)
        return torch.nn.functional.linear(h, self.fixed) + x


@pytest.mark.parametrize("shape", [(7, 6), (2, 3, 6), (6,)], ids=["rows", "more axes", "a vector"])
@pytest.mark.parametrize("own_inputs", [False, True])
def test_outputs_and_gradients_are_those_of_one_network_after_another(
    shape: tuple[int, ...], own_inputs: bool
) -> None:
    module = Odd().double()
    networks = BatchedNetworks(module)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(N, networks.layout.size, generator=generator, dtype=torch.float64)
    weights.requires_grad_()
    x = torch.randn(*((N,) if own_inputs else ()), *shape, generator=generator).double()
    x.requires_grad_()
    together = networks.forward(networks.layout.unflatten(weights), x, own_inputs)
    alone = torch.stack(
        [
            functional_call(
                module, networks.layout.unflatten(w), (x[i] if own_inputs else x,), strict=False
            )
            for i, w in enumerate(weights)
        ]
    )
    torch.testing.assert_close(together, alone)
    probe = torch.randn(together.shape, generator=generator, dtype=torch.float64)
    ours = torch.autograd.grad((together * probe).sum(), (weights, x))
    theirs = torch.autograd.grad((alone * probe).sum(), (weights, x))
    for found, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, wanted)
