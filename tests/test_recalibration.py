"""Statistics of many networks at once are those of one torch module after the other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Part
from wflow_core.testing.fixtures import seeded
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.architectures.cnn import Cnn
from wflow_plugins.architectures.resnet18 import Resnet18
from wflow_plugins.architectures.resnet20 import Resnet20
from wflow_plugins.batchnorm.recalibration import recalibrate

IMAGE = Signature((2, 6, 6), 3)


class Shared(nn.Module):
    """One BatchNorm called twice, and dropout, which evaluation leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(5, 5), nn.BatchNorm1d(5)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.drop(self.norm(self.linear(x))))


class OfShared(Architecture):
    def build(self) -> nn.Module:
        return Shared()

    def define_symmetry(self) -> Symmetry:
        groups = {name: Group(5, "fixed") for name in ("input", "output")}
        parts = [Part("linear.weight", ("output", "input")), Part("linear.bias", ("output",))]
        parts += [Part(f"norm.{p}", ("output",)) for p in ("weight", "bias")]
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.template))


ARCHITECTURES: dict[str, Architecture] = {
    "cnn": Cnn(IMAGE, channels=[3, 4], batch_norm=True),
    "resnet20": Resnet20(IMAGE, depth=8, width=2),
    "resnet18": Resnet18(IMAGE, width=1, stem="small"),
    "shared": OfShared(Signature((5,), 5)),
}


def made(a: Architecture, n: int = 3) -> WeightSet:
    """Networks with statistics that are none of theirs."""
    networks = WeightSet.from_module(a.template, a.initialize(n, seeded(1)))
    networks.buffers.add_(torch.rand(networks.buffers.shape, generator=seeded(2)))
    return networks


def one_by_one(a: Architecture, networks: WeightSet, batches: list[Tensor]) -> list[dict[str, Any]]:
    found = []
    for state in networks.state_dicts():
        module = a.build().eval()
        module.load_state_dict(state)
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.momentum = None
                layer.train()
        for batch in batches:
            module(batch)
        found.append(module.state_dict())
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_as_one_module_at_a_time_with_torchs_cumulative_average(name: str) -> None:
    a = ARCHITECTURES[name]
    networks, x = made(a), a.signature.draw(23, seeded(3))
    found = recalibrate(a, networks, x, batch_size=5)
    wanted = one_by_one(a, networks, [x[i::4] for i in range(4)])
    assert found.weights is networks.weights
    for own, state in zip(found.state_dicts(), wanted, strict=True):
        assert own.keys() == state.keys()
        for tensor in own:
            torch.testing.assert_close(own[tensor], state[tensor], rtol=1e-5, atol=1e-5)


def test_one_batch_gives_the_moments_of_what_is_normalised() -> None:
    """Dropout is left out, and both calls of one layer count."""
    a = ARCHITECTURES["shared"]
    networks, x = made(a, 1), a.signature.draw(40, seeded(4)).double()
    networks = WeightSet.from_module(
        a.template, networks.weights.double(), networks.buffers.double()
    )
    tensors = networks.layout.unflatten(networks.weights[0])
    seen = x @ tensors["linear.weight"].T + tensors["linear.bias"]
    again = (seen - seen.mean(0)) / (seen.var(0, correction=0) + 1e-5).sqrt()
    found = networks.buffer_layout.unflatten(recalibrate(a, networks, x).buffers[0])
    torch.testing.assert_close(found["norm.running_mean"], (seen.mean(0) + again.mean(0)) / 2)
    torch.testing.assert_close(found["norm.running_var"], (seen.var(0) + again.var(0)) / 2)
    assert found["norm.num_batches_tracked"] == 2  # calls of the layer, as torch counts


def test_rows_in_the_order_of_their_classes_do_no_harm() -> None:
    a = Cnn(IMAGE, channels=[3], kernel=1, batch_norm=True)
    x = 0.1 * IMAGE.draw(40, seeded(5)) + torch.arange(40).reshape(-1, 1, 1, 1)
    whole, cut = (recalibrate(a, made(a), x, batch_size=size).buffers for size in (40, 10))
    apart = recalibrate(a, made(a), x.unflatten(0, (4, 10)).transpose(0, 1).flatten(0, 1), 10)
    var = apart.buffer_layout.by_name["bn1.running_var"]
    rows = slice(var.offset, var.offset + var.size)
    torch.testing.assert_close(cut[:, rows], whole[:, rows], rtol=0.2, atol=0)
    assert (apart.buffers[:, rows] < 0.5 * whole[:, rows]).all()  # what would do harm


def test_the_module_comes_back_as_it_was() -> None:
    a = Cnn(IMAGE, channels=[3], batch_norm=True)
    before, networks = copy.deepcopy(a.template), made(a)
    kept = networks.buffers.clone()
    recalibrate(a, networks, IMAGE.draw(8, seeded()))
    assert not any(layer.training for layer in a.template.modules())
    assert a.template.get_submodule("bn1").momentum == before.get_submodule("bn1").momentum
    assert not any(
        layer._forward_hooks or layer._forward_pre_hooks for layer in a.template.modules()
    )
    for name, tensor in a.template.state_dict().items():
        assert torch.equal(tensor, before.state_dict()[name])
    assert torch.equal(networks.buffers, kept)


def test_chunks_of_networks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a = ARCHITECTURES["cnn"]
    networks, x = made(a, 5), IMAGE.draw(12, seeded(6))
    whole = recalibrate(a, networks, x, 4).buffers
    monkeypatch.setattr(BatchedNetworks, "chunk", lambda *_: 2)
    torch.testing.assert_close(recalibrate(a, networks, x, 4).buffers, whole)


def test_chunks_fit_the_budget() -> None:
    """By the widest layer: 3 channels of 6 x 6 places, for 10 rows, four of them at a time."""
    a = ARCHITECTURES["cnn"]
    one = 4 * 4 * 10 * 3 * 36
    for networks in (1, 7):
        run = BatchedNetworks(a.template, budget=networks * one)
        assert run.chunk(IMAGE.draw(10, seeded())) == networks
    assert BatchedNetworks(a.template, budget=1).chunk(IMAGE.draw(2, seeded())) == 1


def test_networks_without_statistics_come_back_unchanged() -> None:
    a = Cnn(IMAGE, channels=[3])
    networks = made(a)
    assert recalibrate(a, networks, IMAGE.draw(4, seeded())) is networks


@pytest.mark.parametrize("shape", [(1, 2, 6, 6), (9, 6, 6), (9, 2, 6, 7)])
def test_inputs_of_another_shape_or_too_few_are_refused(shape: tuple[int, ...]) -> None:
    a = ARCHITECTURES["cnn"]
    with pytest.raises(DataError, match=r"two inputs of shape \[2, 6, 6\].* got"):
        recalibrate(a, made(a), torch.zeros(shape))
