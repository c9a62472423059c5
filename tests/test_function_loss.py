"""The function-space loss: what predicted networks compute."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from plugin_support import refused, tiny, wflow, write_spec
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence

from wflow_core.flows.flow import Flow
from wflow_core.space import identity
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.losses.function import FunctionSpaceLoss
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.objectives import Classification, Regression
from wflow_plugins.tasks.iris import Iris


@pytest.fixture(scope="module")
def loss() -> FunctionSpaceLoss:
    task = Iris()
    mlp = Mlp(task.signature, hidden=[4])
    return FunctionSpaceLoss(task, mlp, identity, weight=2.0, num_inputs=16)


def drawn(loss: FunctionSpaceLoss, n: int, seed: int) -> Tensor:
    return loss.architecture.initialize(n, torch.Generator().manual_seed(seed))


def test_divergences_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    found, wanted = torch.randn(2, 3, 5, 4, generator=generator)
    torch.testing.assert_close(
        Classification().output_divergence(found, wanted),
        kl_divergence(Categorical(logits=wanted), Categorical(logits=found)),
    )
    torch.testing.assert_close(
        Regression(0.3).output_divergence(found, wanted),
        kl_divergence(Normal(wanted, 0.3), Normal(found, 0.3)).sum(-1),
    )


def test_the_same_function_costs_nothing_and_another_does(loss: FunctionSpaceLoss) -> None:
    ends, wanted = drawn(loss, 3, 0), drawn(loss, 3, 1)
    symmetry = loss.architecture.symmetry
    turned = symmetry.act(wanted, symmetry.random(3, torch.Generator().manual_seed(2)))
    assert not torch.equal(turned, wanted)
    torch.testing.assert_close(loss(turned, wanted), torch.zeros(3))
    assert (loss(ends, wanted) > 1e-3).all()


def test_the_weight_is_a_factor(loss: FunctionSpaceLoss) -> None:
    ends, wanted = drawn(loss, 3, 0), drawn(loss, 3, 1)
    once = FunctionSpaceLoss(loss.task, loss.architecture, identity, weight=1.0, num_inputs=16)
    seeds = [torch.Generator().manual_seed(5) for _ in range(2)]
    torch.testing.assert_close(loss(ends, wanted, seeds[0]), 2 * once(ends, wanted, seeds[1]))


def test_it_is_added_to_the_loss_of_the_predicted_end(loss: FunctionSpaceLoss) -> None:
    x0, x1 = drawn(loss, 3, 0), drawn(loss, 3, 1)
    flow = Flow(Euclidean(x0.shape[1], None), predict="x1")
    t = torch.tensor([0.0, 0.3, 0.9])

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return (x1 - x) / (1 - t).unsqueeze(-1)

    def still(x: Tensor, t: Tensor) -> Tensor:
        return torch.zeros_like(x)

    seed = torch.Generator().manual_seed(5)
    torch.testing.assert_close(
        flow.loss(exact, x0, x1, t, seed, endpoint_loss=loss), torch.zeros(3), atol=1e-5, rtol=0
    )
    x, _ = flow.path(x0, x1, t)
    seeds = [torch.Generator().manual_seed(6) for _ in range(2)]
    torch.testing.assert_close(
        flow.loss(still, x0, x1, t, seeds[0], endpoint_loss=loss),
        flow.loss(still, x0, x1, t) + loss(x, x1, seeds[1]),
    )


def test_gradients_lead_to_networks_that_agree(loss: FunctionSpaceLoss) -> None:
    """Down the second loss alone, outputs come closer."""
    ends, wanted = drawn(loss, 4, 0).requires_grad_(), drawn(loss, 4, 1)
    seed = torch.Generator().manual_seed(0)
    before = loss(ends, wanted, seed).mean().item()
    optimizer = torch.optim.Adam([ends], lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        loss(ends, wanted, seed).sum().backward()
        optimizer.step()
    assert loss(ends, wanted, seed).mean().item() < 0.1 * before


def test_a_spec_with_it_runs_and_one_without_data_is_refused(tmp_path: Path) -> None:
    train = "{iterations: 4, batch_size: 8, losses: [{type: function, weight: 0.5, num_inputs: 8}]}"
    spec = write_spec(tmp_path, tiny(train=train, hooks="[]"))
    result = wflow("run", spec, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    text = tiny(
        train=train, task="gaussian", zoo="gaussian", prior="{type: gaussian}",
        coupling="independent", metrics="[]",
    )  # fmt: skip
    told = refused(wflow("check", write_spec(tmp_path, text)))
    assert "train.losses.0" in told
    assert "this task has none" in told
