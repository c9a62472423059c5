"""The contract of baselines."""

from __future__ import annotations

from dataclasses import replace

import torch

from wflow_core.interfaces.baseline import BaselineContext
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import SmallZoo, seeded, small_task, small_zoo
from wflow_core.testing.worlds import NETWORKS
from wflow_core.weights import WeightSet


class BaselineContract(Contract):
    """As many finite networks of the architecture as samples; chunks make the same number."""

    worlds = NETWORKS

    def baseline_context(self, seed: int = 0) -> BaselineContext:
        """24 networks of a zoo, and ten samples near them."""
        network = self.network()
        zoo, source = small_zoo(network=network), SmallZoo(small_task(), network)
        near = zoo.weights[:10] + 0.1 * torch.randn(zoo.weights[:10].shape, generator=seeded(7))
        samples = WeightSet.from_module(network.template, near)
        return BaselineContext(network, source, zoo, samples, seeded(seed))

    def networks(self, seed: int = 0) -> WeightSet:
        """Those of the baseline."""
        made: WeightSet = self.make().make(self.baseline_context(seed))
        return made

    def test_as_many_networks_as_samples(self) -> None:
        networks, layout = self.networks(), self.network().symmetry.layout
        assert networks.weights.shape == (10, layout.size)
        assert networks.weights.isfinite().all()
        assert networks.layout == layout

    def test_they_can_be_evaluated(self) -> None:
        networks, network = self.networks(), self.network()
        x = network.signature.draw(5, seeded())
        outputs = network.batched(networks.weights, x, networks.buffers)
        assert outputs.shape == (10, 5, network.signature.outputs)
        assert outputs.isfinite().all()

    def test_the_generator_decides(self) -> None:
        before = torch.get_rng_state()
        assert torch.equal(self.networks().weights, self.networks().weights)
        assert torch.equal(before, torch.get_rng_state())

    def test_chunks_make_as_many(self) -> None:
        baseline, context = self.make(), self.baseline_context()
        chunks = [baseline.make(replace(context, start=s, size=min(4, 10 - s))) for s in (0, 4, 8)]
        assert [len(chunk) for chunk in chunks] == [4, 4, 2]
        weights = torch.cat([chunk.weights for chunk in chunks])
        assert weights.isfinite().all()

    def test_zoo_and_samples_are_left_as_they_were(self) -> None:
        context = self.baseline_context()
        before = [of.weights.clone() for of in (context.zoo, context.samples)]
        self.make().make(context)
        assert torch.equal(context.zoo.weights, before[0])
        assert torch.equal(context.samples.weights, before[1])
