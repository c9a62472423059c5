"""The contract of metrics."""

from __future__ import annotations

import json
import math
from typing import Any

from torch import Tensor

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import small_network, small_task, small_zoo


class MetricContract(Contract):
    """Numbers that JSON can hold, the same each time."""

    def context(self) -> tuple[Any, ...]:
        return small_task(), small_network()

    def measured(self, start: int) -> str:
        """What is measured of six networks of the small zoo, as JSON."""
        zoo = small_zoo()
        metric, networks = self.make(), zoo[start : start + 6]
        found = metric.measure(networks, zoo)
        assert found
        return json.dumps(_plain(found), sort_keys=True, allow_nan=False)

    def test_numbers_are_plain_and_repeat(self) -> None:
        assert self.measured(0) == self.measured(0)

    def test_it_tells_networks_apart(self) -> None:
        assert self.measured(0) != self.measured(6)


def _plain(found: Any) -> Any:
    """Numbers as JSON: tensors as lists, what is not finite as null."""
    if isinstance(found, dict):
        return {str(name): _plain(value) for name, value in found.items()}
    if isinstance(found, Tensor):
        return [_plain(value) for value in found.tolist()]
    return None if isinstance(found, float) and not math.isfinite(found) else found
