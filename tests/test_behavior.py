"""The second loss: what predicted networks compute."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from plugin_support import refused, tiny, wflow, write_spec
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence
from wflow_core.specs.options import BehaviorOptions

from wflow_core.flows.flow import Flow, FlowOptions
from wflow_core.space import identity
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.losses.function import Behavior
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.objectives import Classification, Regression
from wflow_plugins.tasks.iris import Iris


@pytest.fixture(scope="module")
def behavior() -> Behavior:
    task = Iris()
    mlp = Mlp(task.signature, hidden=[4])
    return Behavior(task, mlp, identity, BehaviorOptions(weight=2.0, rows=16))


def drawn(behavior: Behavior, n: int, seed: int) -> Tensor:
    return behavior.architecture.initialize(n, torch.Generator().manual_seed(seed))


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


def test_the_same_function_costs_nothing_and_another_does(behavior: Behavior) -> None:
    ends, wanted = drawn(behavior, 3, 0), drawn(behavior, 3, 1)
    symmetry = behavior.architecture.symmetry
    turned = symmetry.act(wanted, symmetry.random(3, torch.Generator().manual_seed(2)))
    assert not torch.equal(turned, wanted)
    torch.testing.assert_close(behavior(turned, wanted), torch.zeros(3))
    assert (behavior(ends, wanted) > 1e-3).all()


def test_the_weight_is_a_factor(behavior: Behavior) -> None:
    ends, wanted = drawn(behavior, 3, 0), drawn(behavior, 3, 1)
    once = Behavior(
        behavior.task, behavior.architecture, identity, BehaviorOptions(weight=1.0, rows=16)
    )
    seeds = [torch.Generator().manual_seed(5) for _ in range(2)]
    torch.testing.assert_close(behavior(ends, wanted, seeds[0]), 2 * once(ends, wanted, seeds[1]))


def test_it_is_added_to_the_loss_of_the_predicted_end(behavior: Behavior) -> None:
    x0, x1 = drawn(behavior, 3, 0), drawn(behavior, 3, 1)
    flow = Flow(Euclidean(x0.shape[1], None), FlowOptions(predict="target"))
    t = torch.tensor([0.0, 0.3, 0.9])

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return (x1 - x) / (1 - t).unsqueeze(-1)

    def still(x: Tensor, t: Tensor) -> Tensor:
        return torch.zeros_like(x)

    seed = torch.Generator().manual_seed(5)
    torch.testing.assert_close(
        flow.loss(exact, x0, x1, t, seed, behavior=behavior), torch.zeros(3), atol=1e-5, rtol=0
    )
    x, _ = flow.path(x0, x1, t)
    seeds = [torch.Generator().manual_seed(6) for _ in range(2)]
    torch.testing.assert_close(
        flow.loss(still, x0, x1, t, seeds[0], behavior=behavior),
        flow.loss(still, x0, x1, t) + behavior(x, x1, seeds[1]),
    )


def test_gradients_lead_to_networks_that_agree(behavior: Behavior) -> None:
    """Down the second loss alone, outputs come closer."""
    ends, wanted = drawn(behavior, 4, 0).requires_grad_(), drawn(behavior, 4, 1)
    seed = torch.Generator().manual_seed(0)
    before = behavior(ends, wanted, seed).mean().item()
    optimizer = torch.optim.Adam([ends], lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        behavior(ends, wanted, seed).sum().backward()
        optimizer.step()
    assert behavior(ends, wanted, seed).mean().item() < 0.1 * before


def test_a_spec_with_it_runs_and_one_without_data_is_refused(tmp_path: Path) -> None:
    train = "{iterations: 4, batch_size: 8, behavior: {weight: 0.5, rows: 8}}"
    spec = write_spec(tmp_path, tiny(train=train, hooks="[]"))
    result = wflow("run", spec, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    text = tiny(
        train=train, task="gaussian", zoo="gaussian", prior="{type: gaussian}",
        coupling="independent", metrics="[]",
    )  # fmt: skip
    told = refused(wflow("check", write_spec(tmp_path, text)))
    assert "train.behavior" in told
    assert "this task has none" in told
