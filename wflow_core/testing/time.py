"""The contract of time samplers."""

from __future__ import annotations

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded

BINS, DRAWS = 8, 20_000


class TimeSamplerContract(Contract):
    """Times of [0, 1], of every part of it; the generator decides."""

    def test_times_are_in_the_unit_interval(self) -> None:
        times = self.make()
        for n in (1, 1000):
            t = times.sample(n, seeded())
            assert t.shape == (n,)
            assert t.dtype == torch.float32
            assert ((t >= 0) & (t <= 1)).all()

    def test_every_part_of_the_interval_is_drawn(self) -> None:
        t = self.make().sample(DRAWS, seeded())
        assert torch.histc(t, BINS, 0, 1).min() > 0

    def test_times_are_independent(self) -> None:
        t = self.make().sample(DRAWS, seeded()) - 0.5
        t = (t - t.mean()) / t.std()
        # A fair draw is beyond five standard deviations once in a million times.
        assert abs((t[1:] * t[:-1]).mean()) < 5 / DRAWS**0.5

    def test_the_generator_decides(self) -> None:
        times, before = self.make(), torch.get_rng_state()
        assert torch.equal(times.sample(9, seeded()), times.sample(9, seeded()))
        assert not torch.equal(times.sample(9, seeded()), times.sample(9, seeded(1)))
        assert torch.equal(before, torch.get_rng_state())
