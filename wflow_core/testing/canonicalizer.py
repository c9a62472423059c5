"""The contract of canonicalizers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded, small_task, small_zoo
from wflow_core.testing.worlds import NETWORKS
from wflow_core.weights import WeightSet


class CanonicalizerContract(Contract):
    """What is preserved is preserved, in float64; runs move as one."""

    worlds = NETWORKS

    def context(self) -> tuple[Any, ...]:
        return self.network(), small_task()

    def zoo(self) -> WeightSet:
        """In float64; 12 runs of two snapshots."""
        zoo = small_zoo(network=self.network())
        assert zoo.initial is not None
        weights, buffers, initial = (of.double() for of in (zoo.weights, zoo.buffers, zoo.initial))
        return replace(zoo, weights=weights, buffers=buffers, initial=initial)

    def transformed(self) -> tuple[WeightSet, WeightSet]:
        """The zoo before and after."""
        component, zoo = self.make(), self.zoo()
        component.fit(zoo)
        return zoo, component.transform(zoo)

    def test_what_is_preserved_is(self) -> None:
        zoo, after = self.transformed()
        f, g = self._outputs(zoo), self._outputs(after)
        if self.component.preserves == "function":
            assert (f - g).abs().max() <= 1e-9 * (1 + f.abs().max())
        else:
            assert torch.equal(f.argmax(-1), g.argmax(-1))

    def test_snapshots_and_initialisations_of_a_run_move_as_one(self) -> None:
        zoo, after = self.transformed()
        assert zoo.initial is not None
        assert after.initial is not None
        if self.component.granularity == "network":
            return
        component = self.make()
        component.fit(zoo)
        last = len(zoo) // 2
        element = component.group_element(zoo.weights[last:])
        symmetry = self.network().symmetry
        for before, moved in ((zoo.weights, after.weights), (zoo.initial, after.initial)):
            torch.testing.assert_close(symmetry.act(before[:last], element), moved[:last])
        buffers = symmetry.act_buffers(zoo.buffers[:last], element)
        torch.testing.assert_close(buffers, after.buffers[:last])

    def test_representatives_stay_if_each_network_has_its_own(self) -> None:
        _, after = self.transformed()
        component = self.make()
        component.fit(after)
        if self.component.granularity == "network":
            again = component.transform(after)
            torch.testing.assert_close(again.weights, after.weights)
            torch.testing.assert_close(again.initial, after.initial)

    def test_chunks_do_not_matter(self) -> None:
        component, zoo = self.make(), self.zoo()
        component.fit(zoo)
        whole, cut = component.transform(zoo), component.transform(zoo, size=5)
        torch.testing.assert_close(whole.weights, cut.weights)

    def _outputs(self, networks: WeightSet) -> Tensor:
        run, signature = self.network().batched, self.network().signature
        run.module.double()
        x = signature.draw(9, seeded(4))
        return run(networks.weights, x.double() if x.is_floating_point() else x, networks.buffers)
