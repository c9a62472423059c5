"""Networks of which only the weights are known, behind BatchNorm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from plugin_support import refused, tiny, wflow, write_spec
from torch import Tensor, nn
from torch.func import functional_call

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_core.space import identity
from wflow_core.testing.fixtures import seeded
from wflow_plugins.architectures.cnn import Cnn
from wflow_plugins.architectures.resnet20 import Resnet20
from wflow_plugins.batchnorm.batch_statistics import (
    by_batch,
    networks_by_batch,
    norms_with_statistics,
)
from wflow_plugins.guidances import task_loss
from wflow_plugins.guidances.task_loss import TaskLoss
from wflow_plugins.losses.function import FunctionSpaceLoss
from wflow_plugins.objectives import Classification

IMAGE = Signature((1, 6, 6), 3)
NETWORK = Cnn(IMAGE, channels=[2], batch_norm=True)
HALF = torch.tensor(0.5)


class Images(Task):
    """Random images, in the order of their classes."""

    objective = Classification()

    @property
    def signature(self) -> Signature:
        return IMAGE

    def load(self) -> Mapping[str, Split]:
        y = torch.arange(3).repeat_interleave(50)
        return {"train": Split(IMAGE.draw(150, seeded(7)) + y.reshape(-1, 1, 1, 1), y)}


class Counting(Cnn):
    """Has a buffer beside those of BatchNorm."""

    def build(self) -> nn.Module:
        module = super().build()
        module.register_buffer("count", torch.zeros(1))
        return module


def weights(n: int = 3) -> Tensor:
    return NETWORK.initialize(n, seeded(1)).double()


def one_by_one(w: Tensor, x: Tensor) -> Tensor:
    """``[N, P] -> [N, B, C]``: each network as a torch module that trains."""
    layout, module = NETWORK.batched.layout, NETWORK.build().double().train()
    return torch.stack([functional_call(module, layout.unflatten(row), (x,)) for row in w])


def loss(w: Tensor, data: Split) -> Tensor:
    """``[N]``: the mean loss of such modules."""
    outputs = one_by_one(w, data.x.double())
    return Classification().loss(outputs, data.y.expand(len(w), -1)).mean(-1)


def test_they_compute_as_modules_that_train() -> None:
    w, x = weights().requires_grad_(), IMAGE.draw(9, seeded(2)).double()
    found = networks_by_batch(NETWORK)(w, x)
    torch.testing.assert_close(found, one_by_one(w.detach(), x))
    found.square().sum().backward()
    assert (w.grad.norm(dim=1) > 0).all()


def test_the_module_itself_is_left_alone() -> None:
    before = {name: t.clone() for name, t in NETWORK.template.state_dict().items()}
    networks = networks_by_batch(NETWORK)
    networks(weights(), IMAGE.draw(4, seeded()).double())
    assert not list(networks.module.buffers())
    assert norms_with_statistics(NETWORK.template) == ["bn1"]
    assert all(torch.equal(t, before[name]) for name, t in NETWORK.template.state_dict().items())


def test_what_has_no_statistics_computes_as_ever() -> None:
    plain = Cnn(IMAGE, channels=[2])
    assert networks_by_batch(plain, 1) is plain.batched
    x, module = torch.randn(5, 3, generator=seeded()), nn.BatchNorm1d(3, track_running_stats=False)
    assert norms_with_statistics(module) == []
    torch.testing.assert_close(by_batch(module)(x), module(x))


def test_one_row_alone_is_refused() -> None:
    for ask in (
        lambda: TaskLoss(Images(), NETWORK, identity, batch_size=1),
        lambda: FunctionSpaceLoss(Images(), NETWORK, identity, num_inputs=1),
    ):
        with pytest.raises(UnsupportedError, match="take two rows at least"):
            ask()


def test_the_guidance_goes_down_the_loss_of_modules_that_train() -> None:
    task, x = Images(), weights()
    drift = TaskLoss(task, NETWORK, identity, strength=2.0).drift(x, HALF)
    point = x.requires_grad_()
    (slope,) = torch.autograd.grad(loss(point, task.splits["train"]).sum(), point)
    torch.testing.assert_close(drift, -2 * slope)


def test_chunks_of_rows_are_spread_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the rows, each chunk would hold one class and be normalised by it."""
    data, x = Images().splits["train"], weights()
    guidance = TaskLoss(Images(), NETWORK, identity)
    monkeypatch.setattr(task_loss, "MAX_ENTRIES", 1)
    monkeypatch.setattr(task_loss, "MIN_BATCH_ROWS", 50)
    chunks = list(guidance._chunks(data, 1))
    assert [c.y.bincount().tolist() for c in chunks] == [[17, 17, 16], [17, 16, 17], [16, 17, 17]]
    point = x.clone().requires_grad_()
    whole = sum(len(c) / len(data) * loss(point, c).sum() for c in chunks)
    (slope,) = torch.autograd.grad(whole, point)
    torch.testing.assert_close(guidance.drift(x, HALF), -slope)


def test_the_function_space_loss_compares_by_the_same_rows() -> None:
    distance = FunctionSpaceLoss(Images(), NETWORK, identity, weight=1.0, num_inputs=40)
    wanted, ends = weights(), weights(6)[3:]
    symmetry = NETWORK.symmetry
    turned = symmetry.act(wanted, symmetry.random(3, seeded(2)))
    assert not torch.equal(turned, wanted)
    distance._inputs[wanted.device] = Images().splits["train"].x.double()
    torch.testing.assert_close(distance(turned, wanted), torch.zeros(3).double())
    assert (distance(ends, wanted) > 1e-4).all()


def test_other_buffers_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="buffers that no rows of data give"):
        FunctionSpaceLoss(Images(), Counting(IMAGE, channels=[2]), identity)


def test_every_statistic_is_dropped() -> None:
    whole = Resnet20(IMAGE, depth=8, width=1).template
    module = by_batch(whole)
    assert len(norms_with_statistics(whole)) == 7
    assert not norms_with_statistics(module)
    assert not list(module.buffers())
    assert not module.training


def test_a_spec_with_one_row_is_refused_in_its_place(tmp_path: Path) -> None:
    text = tiny(
        task="{type: digits, flat: false}",
        architecture="{type: cnn, channels: [2], batch_norm: true}",
        guidance="{type: task_loss, batch_size: 1}",
        solver="{type: guided_euler, steps: 2}",
    )
    told = refused(wflow("check", write_spec(tmp_path, text)))
    assert "guidance: BatchNorm of Cnn" in told
