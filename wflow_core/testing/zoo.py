"""The contract of zoo sources."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.interfaces.needs import INITIALISATIONS, RETRAINING
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded, small_task
from wflow_core.testing.worlds import NETWORKS
from wflow_core.weights import WeightSet


class ZooContract(Contract):
    """Networks fit the architecture, are finite and repeatable, and say where they come from."""

    worlds = NETWORKS

    def context(self) -> tuple[Any, ...]:
        return small_task(), self.network()

    def collect(self) -> WeightSet:
        networks: WeightSet = self.make().collect(seeded())
        return networks

    def test_networks_fit_the_architecture(self) -> None:
        networks, symmetry = self.collect(), self.network().symmetry
        n = len(networks)
        assert networks.weights.shape == (n, symmetry.layout.size)
        assert networks.weights.isfinite().all()
        assert networks.buffers.shape == (n, symmetry.buffer_layout.size)
        assert networks.run.shape == networks.step.shape == (n,)
        for state in networks.state_dicts()[:1]:
            self.network().build().load_state_dict(state)

    def test_the_seed_decides(self) -> None:
        assert torch.equal(self.collect().weights, self.collect().weights)

    def test_initialisations_are_there_if_offered(self) -> None:
        made = self.make()
        networks = made.collect(seeded())
        assert (networks.initial is not None) == (INITIALISATIONS in made.offers)
        if networks.initial is not None:
            assert networks.initial.shape == networks.weights.shape

    def test_covariates_are_those_that_it_lists(self) -> None:
        made = self.make()
        listed, networks = made.covariates, made.collect(seeded())
        assert networks.covariates.keys() == {of.name for of in listed}
        named = {of.name: tuple(of.categories) for of in listed if of.categories is not None}
        assert networks.categories == named
        for name, values in networks.covariates.items():
            assert values.shape == (len(networks),)
            assert values.is_floating_point() == (name not in named)
            assert name not in named or ((values >= -1).all() and (values < len(named[name])).all())

    def test_retraining_gives_as_many_as_asked(self) -> None:
        made = self.make()
        if RETRAINING in made.offers:
            networks = made.retrain(5, seeded(1))
            assert networks.weights.shape == (5, self.network().symmetry.layout.size)

    def test_progress_ends_at_its_total(self) -> None:
        seen: list[tuple[int, int]] = []
        self.make().collect(seeded(), lambda step, total, **_: seen.append((step, total)))
        assert all(0 < step <= total for step, total in seen)
        assert not seen or seen[-1][0] == seen[-1][1]
