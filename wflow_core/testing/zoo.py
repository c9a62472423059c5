"""The contract of zoo sources."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import seeded, small_network, small_task
from wflow_core.weights import WeightSet


class ZooContract(Contract):
    """Networks fit the architecture, are finite and repeatable, and say where they come from."""

    def context(self) -> tuple[Any, ...]:
        return small_task(), small_network()

    def collect(self) -> WeightSet:
        networks: WeightSet = self.make().collect(seeded())
        return networks

    def test_networks_fit_the_architecture(self) -> None:
        networks = self.collect()
        n = len(networks)
        assert networks.weights.shape == (n, small_network().symmetry.layout.size)
        assert networks.weights.isfinite().all()
        assert networks.run.shape == networks.step.shape == (n,)

    def test_the_seed_decides(self) -> None:
        assert torch.equal(self.collect().weights, self.collect().weights)

    def test_initialisations_are_there_if_offered(self) -> None:
        offered = "initialisations" in self.component.offers
        networks = self.collect()
        assert (networks.initial is not None) == offered
        if networks.initial is not None:
            assert networks.initial.shape == networks.weights.shape

    def test_records_are_those_that_it_tells_of(self) -> None:
        made = self.make()
        networks = made.collect(seeded())
        assert networks.covariates.keys() == {of.name for of in made.covariates}
        assert all(of.shape == (len(networks),) for of in networks.covariates.values())

    def test_retraining_gives_as_many_as_asked(self) -> None:
        if "retraining" in self.component.offers:
            assert len(self.make().retrain(5, seeded(1))) == 5

    def test_progress_ends_at_its_total(self) -> None:
        seen: list[tuple[int, int]] = []
        self.make().collect(seeded(), lambda step, total, **_: seen.append((step, total)))
        assert all(0 < step <= total for step, total in seen)
        assert not seen or seen[-1][0] == seen[-1][1]
