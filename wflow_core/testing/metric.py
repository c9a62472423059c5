"""The contract of metrics."""

from __future__ import annotations

import json
from typing import Any

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import SmallDensity, small_network, small_task, small_zoo
from wflow_plugins.evaluation.evaluation import measure, summary


class MetricContract(Contract):
    """Numbers that JSON can hold, the same each time."""

    def context(self) -> tuple[Any, ...]:
        return small_task(), small_network()

    def measured(self, start: int) -> str:
        """What is measured of six networks of the small zoo, as JSON."""
        zoo = small_zoo()
        metric, networks = self.make(), zoo[start : start + 6]
        found = measure([metric], networks, zoo, metric.relative, SmallDensity())
        assert found
        return json.dumps(summary(found), sort_keys=True, allow_nan=False)

    def test_numbers_are_plain_and_repeat(self) -> None:
        assert self.measured(0) == self.measured(0)

    def test_it_tells_networks_apart(self) -> None:
        assert self.measured(0) != self.measured(6)
