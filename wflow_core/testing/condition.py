"""The contract of conditions."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import SmallZoo, seeded, small_task
from wflow_core.testing.worlds import SEGMENTED, SMALL
from wflow_core.weights import WeightSet

WIDTH = 6


class ConditionContract(Contract):
    """Numbers of each network, an embedding that they matter to, and requests that are checked.

    The zoo is :class:`~wflow_core.testing.fixtures.SmallZoo`. Its covariates are ``loss``, numbers,
    and ``kind``, the categories a and b; some of both are unknown.

    Attributes:
        wanted: what samples can be requested under.
    """

    worlds = (SMALL, SEGMENTED)
    wanted: ClassVar[dict[str, Any]] = {}

    def context(self) -> tuple[Any, ...]:
        return (SmallZoo(small_task(), self.network()),)

    def zoo(self) -> WeightSet:
        """The networks that are described."""
        networks: WeightSet = self.context()[0].collect(seeded())
        return networks

    def conditions(self) -> Tensor:
        """``[24, K]``, those of the zoo."""
        cond: Tensor = self.make().of_networks(self.zoo())
        return cond

    def test_numbers_of_each_network(self) -> None:
        cond = self.conditions()
        assert cond.ndim == 2
        assert len(cond) == len(self.zoo())
        assert cond.is_floating_point()
        assert not cond.isinf().any()
        few = self.make().of_networks(self.zoo()[:5])
        assert torch.equal(cond[:5].nan_to_num(7), few.nan_to_num(7))

    def test_dropping_keeps_the_shape_and_the_conditions(self) -> None:
        condition, cond = self.make(), self.conditions()
        before = cond.clone()
        dropped, again = (condition.drop(cond, seeded()) for _ in range(2))
        assert dropped.shape == cond.shape
        assert torch.equal(dropped.nan_to_num(7), again.nan_to_num(7))
        assert torch.equal(cond.nan_to_num(7), before.nan_to_num(7))

    def test_the_embedding_takes_conditions_and_none(self) -> None:
        embedding, cond = self._embedding(), self.conditions()
        time = torch.randn(len(cond), WIDTH, generator=seeded())
        out = embedding(time, cond)
        assert out.shape == time.shape
        assert out.isfinite().all()
        assert embedding(time).shape == time.shape
        torch.testing.assert_close(embedding(time[:1], cond[:1]), out[:1], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(out, embedding(time, cond.roll(1, 0)))

    def test_requests_are_sampled(self) -> None:
        condition, zoo = self.make(), self.zoo()
        condition.check_request(self.wanted, 1.0)
        for wanted in (self.wanted, {}):
            cond = condition.sample(wanted, 9, lambda: zoo, 1.0, seeded())
            again = condition.sample(wanted, 9, lambda: zoo, 1.0, seeded())
            assert cond.shape == (9, self.conditions().shape[1])
            assert torch.equal(cond.nan_to_num(7), again.nan_to_num(7))

    def test_an_unknown_request_is_refused(self) -> None:
        try:
            self.make().check_request({"no_such_condition": 1.0}, 1.0)
        except DataError as error:
            assert "no_such_condition" in str(error)
        else:
            raise AssertionError("check_request must refuse what it does not know")

    def test_the_field_is_one_of_the_points(self) -> None:
        condition, cond = self.make(), self.conditions()
        x, t = torch.randn(len(cond), 5, generator=seeded()), torch.tensor(0.5)
        fields = lambda given: lambda t, x: t * x + given.nan_to_num().sum(1, keepdim=True)  # noqa: E731
        found = condition.field(fields, cond, 1.0)(t, x)
        assert found.shape == x.shape
        torch.testing.assert_close(found, fields(cond)(t, x))

    def test_samples_keep_their_weights(self) -> None:
        zoo, cond = self.zoo(), self.conditions()
        annotated = self.make().annotate(zoo, cond)
        assert torch.equal(annotated.weights, zoo.weights)
        assert all(of.shape == (len(zoo),) for of in annotated.covariates.values())

    def _embedding(self) -> Any:
        """Fitted to the conditions of the zoo, with random parameters."""
        embedding = self.make().embedding(WIDTH)
        embedding.fit(self.conditions())
        with torch.no_grad():
            for p in embedding.parameters():
                p.copy_(0.3 * torch.randn(p.shape, generator=seeded(p.numel())))
        return embedding
