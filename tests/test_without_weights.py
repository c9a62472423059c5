"""A module without its weights: calls with others' weights are what they were."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from wflow_core.networks.batched import without_weights


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.norm = nn.BatchNorm1d(3)
        self.score = nn.Linear(3, 5, bias=False)
        self.score.weight = self.embed.weight
        self.register_buffer("shift", torch.arange(3.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.score(self.norm(self.embed(x)) + self.shift)


def test_it_computes_with_the_weights_that_it_is_given() -> None:
    module, x = Tied().eval(), torch.tensor([0, 3, 4])
    given = dict(module.named_parameters())
    assert torch.equal(functional_call(without_weights(module), given, (x,)), module(x))
    doubled = {name: p.double() for name, p in given.items()}
    exact = functional_call(without_weights(module, torch.float64), doubled, (x,))
    torch.testing.assert_close(exact, module.double()(x), rtol=0, atol=0)


def test_it_takes_no_memory_for_weights_and_leaves_the_module_alone() -> None:
    module = Tied()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    made = without_weights(module, torch.float64)
    assert all(p.untyped_storage().nbytes() == 8 for p in made.parameters())
    assert {n: p.shape for n, p in made.named_parameters()} == {
        n: p.shape for n, p in module.named_parameters()
    }
    assert made.score.weight is made.embed.weight
    assert made.training == module.training
    assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items())
