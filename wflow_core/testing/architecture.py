"""The contract of architectures."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import GroupElement
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded


class ArchitectureContract(Contract):
    """The symmetry is one: its action keeps the function, and is that on the graph's nodes.

    Attributes:
        signature: what the networks take and give; set it where vectors of six will not do.
    """

    signature: ClassVar[Signature] = Signature((6,), 3)

    def context(self) -> tuple[Any, ...]:
        return (self.signature,)

    def architecture(self) -> Architecture:
        made: Architecture = self.make()
        return made

    def test_module_fits_the_signature(self) -> None:
        with torch.no_grad():
            outputs = self.architecture().build().eval()(self._inputs())
        assert outputs.shape == (4, self.signature.outputs)

    def test_random_elements_keep_the_function(self) -> None:
        architecture, (weights, buffers, element) = self.architecture(), self._moved()
        symmetry, networks = architecture.symmetry, architecture.batched
        networks.module.double()
        x = self._inputs()
        x = x.double() if x.is_floating_point() else x
        before = networks(weights, x, buffers)
        moved = symmetry.act(weights, element), symmetry.act_buffers(buffers, element)
        after = networks(moved[0], x, moved[1])
        assert (after - before).abs().max() <= 1e-9 * (1 + before.abs().max())

    def test_initialisations_are_many_seeded_and_like_the_module(self) -> None:
        architecture = self.architecture()
        drawn = architecture.initialize(8, seeded())
        assert drawn.shape == (8, architecture.symmetry.layout.size)
        assert torch.equal(drawn, architecture.initialize(8, seeded()))
        assert not torch.equal(drawn[0], drawn[1])

    def _inputs(self) -> Tensor:
        return self.signature.draw(4, seeded(3))

    def _moved(self) -> tuple[Tensor, Tensor, GroupElement]:
        symmetry = self.architecture().symmetry
        options: dict[str, Any] = {"generator": seeded(1), "dtype": torch.float64}
        weights = torch.randn(3, symmetry.layout.size, **options)
        buffers = torch.rand(3, symmetry.buffer_layout.size, **options) + 0.5
        return weights, buffers, symmetry.random(3, seeded(2), torch.float64)
