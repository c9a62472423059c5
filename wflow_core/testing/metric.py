"""The contract of metrics."""

from __future__ import annotations

import json
from typing import Any

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import small_network, small_task, small_zoo


class MetricContract(Contract):
    """Numbers that JSON can hold, the same each time."""

    def context(self) -> tuple[Any, ...]:
        return small_task(), small_network()

    def test_numbers_are_plain_and_repeat(self) -> None:
        zoo = small_zoo()
        first = self.make().measure(zoo[:6], zoo)
        assert first
        assert json.dumps(first, sort_keys=True) == json.dumps(
            self.make().measure(zoo[:6], zoo), sort_keys=True
        )

    def test_it_tells_networks_apart(self) -> None:
        zoo = small_zoo()
        assert self.make().measure(zoo[:6], zoo) != self.make().measure(zoo[6:12], zoo)
