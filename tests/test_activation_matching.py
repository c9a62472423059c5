from __future__ import annotations

import pytest
import torch
from matching_support import OfBlock, TrainingOnly, copied
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Part
from wflow_core.weights import WeightLayout
from wflow_plugins.canonicalizers.activation_matching import ActivationMatching
from wflow_plugins.canonicalizers.activations import find_readers, record_activations


class Flattened(Architecture):
    """A convolution whose channels a linear layer reads at each of four places."""

    def build(self) -> nn.Module:
        layers = [nn.Conv2d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2)]
        return nn.Sequential(*layers).double()

    def define_symmetry(self) -> Symmetry:
        groups = {
            "h": Group(3, scaling="sign"),
            "i": Group(1, "fixed"),
            "o": Group(2, "fixed"),
        }
        parts = (
            Part("0.weight", ("h", "i", None, None), scale_exponent={"h": 1}),
            Part("0.bias", ("h",), scale_exponent={"h": 1}),
            Part("3.weight", ("o", "h", None), view=(2, 3, 4), scale_exponent={"h": -1}),
            Part("3.bias", ("o",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))


class Unread(Flattened):
    """The same, but that nothing is said to read the channels."""

    def define_symmetry(self) -> Symmetry:
        whole = super().define_symmetry()
        parts = [p.part for p in whole.parts if p.part.tensor != "3.weight"]
        groups = whole.groups | {"flat": Group(12, "fixed")}
        return Symmetry(groups, (*parts, Part("3.weight", ("o", "flat"))), whole.layout)


def architectures() -> list[Architecture]:
    flattened = Flattened(Signature((1, 3, 3), 2))
    return [OfBlock("mlp"), OfBlock("tanh mlp"), OfBlock("residual"), flattened]


def random_weights(architecture: Architecture, n: int) -> Tensor:
    size = architecture.symmetry.layout.size
    return torch.randn(n, size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize(
    "architecture", architectures(), ids=["mlp", "tanh mlp", "residual", "flat"]
)
def test_a_permuted_copy_is_brought_back(architecture: Architecture) -> None:
    component = ActivationMatching(architecture, TrainingOnly(architecture))
    w = random_weights(architecture, 1)
    component.reference = w
    moved = copied(architecture.symmetry, w.expand(4, -1), seed=2)
    found = architecture.symmetry.act(moved, component.group_element(moved))
    torch.testing.assert_close(found, w.expand(4, -1), rtol=0, atol=1e-12)


def test_activations_are_those_of_the_module() -> None:
    architecture = OfBlock("mlp")
    module, symmetry = architecture.block.module, architecture.symmetry
    w, x = random_weights(architecture, 2), architecture.block.x
    state = symmetry.layout.unflatten(w)
    found = record_activations(module, find_readers(module, symmetry), state, x)
    h1 = torch.relu(x @ state["0.weight"].mT + state["0.bias"].unsqueeze(1))
    h2 = torch.relu(h1 @ state["2.weight"].mT + state["2.bias"].unsqueeze(1))
    torch.testing.assert_close(found["h1"], h1.mT)
    torch.testing.assert_close(found["h2"], h2.mT)
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_a_unit_that_is_always_off_does_not_spoil_the_others() -> None:
    architecture = OfBlock("mlp")
    component = ActivationMatching(architecture, TrainingOnly(architecture))
    symmetry = architecture.symmetry
    tensors = symmetry.layout.unflatten(random_weights(architecture, 1).clone())
    tensors["0.bias"][:, 2] = -1e3
    w = symmetry.layout.flatten(tensors)
    component.reference = w
    moved = copied(symmetry, w, seed=3, signs=False)
    assert torch.equal(symmetry.act(moved, component.group_element(moved)), w)


def test_what_it_cannot_see_is_refused() -> None:
    attention, unread = OfBlock("attention"), Unread(Signature((1, 3, 3), 2))
    with pytest.raises(UnsupportedError, match=r"nested groups: \['qk', 'vo'\]"):
        ActivationMatching(attention, TrainingOnly(attention))
    with pytest.raises(UnsupportedError, match=r"reads each group; there is none for \['h'\]"):
        ActivationMatching(unread, TrainingOnly(unread))
    with pytest.raises(UnsupportedError, match="needs a task with data; got no task"):
        ActivationMatching(OfBlock("mlp"))
