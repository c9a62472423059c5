"""Families of initial weights: the laws of torch's own functions, each layer's by its size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Signature
from wflow_plugins.architectures.initialisers import InitScheme, weight_scales
from wflow_plugins.architectures.mlp import Mlp

THEIRS: dict[str, Callable[[Tensor], Any]] = {
    "torch": lambda w: nn.init.kaiming_uniform_(w, a=5**0.5),
    "kaiming_uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "kaiming_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "uniform": partial(nn.init.uniform_, a=-0.1, b=0.1),
    "normal": partial(nn.init.normal_, std=0.02),
}
SIGNATURE = Signature((40,), 30)
LAWS = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])


def test_every_scheme_is_compared() -> None:
    assert set(THEIRS) == set(get_args(InitScheme))


@pytest.mark.parametrize("scheme", get_args(InitScheme))
def test_weights_are_drawn_as_torch_draws_them(scheme: str) -> None:
    architecture = Mlp(SIGNATURE, hidden=[60], init=scheme)
    drawn = architecture.initialize(200, torch.Generator().manual_seed(0))
    tensors = architecture.batched.tensors(drawn, drawn.new_zeros(200, 0))
    torch.manual_seed(0)
    for layer in ("fc1", "fc2"):
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
        theirs = torch.stack([THEIRS[scheme](torch.empty(weight.shape[1:])) for _ in range(200)])
        places = LAWS[1:-1] if scheme.endswith("normal") else LAWS
        scale = theirs.std()
        ours, wanted = (x.flatten().quantile(places) / scale for x in (weight, theirs))
        torch.testing.assert_close(ours, wanted, atol=0.02, rtol=0)
        assert bias.any() == (scheme == "torch")


@pytest.mark.parametrize("scheme", get_args(InitScheme))
def test_a_built_module_follows_the_scheme(scheme: str) -> None:
    architecture = Mlp(SIGNATURE, hidden=[60], init=scheme)
    torch.manual_seed(1)
    module = architecture.build()
    one, other = module.fc1.weight, architecture.build().fc1.weight
    assert not torch.equal(one, other)
    drawn = architecture.initialize(50, torch.Generator().manual_seed(0))[:, : one.numel()]
    assert one.std().item() == pytest.approx(drawn.std().item(), rel=0.06)
    assert module.fc2.bias.any() == (scheme == "torch")


def test_a_density_is_told_only_where_there_is_one() -> None:
    known = Mlp(SIGNATURE, hidden=[3])
    weights = known.initialize(2, torch.Generator().manual_seed(0))
    volume = -(2 * weight_scales("torch", known.sizes)).log().sum()
    torch.testing.assert_close(known.initial_log_prob(weights), volume.expand(2))
    assert known.initial_log_prob(weights + 1).tolist() == [-torch.inf] * 2
    with pytest.raises(UnsupportedError, match="does not know the density of its initialiser"):
        Mlp(SIGNATURE, hidden=[3], init="normal").initial_log_prob(weights)
