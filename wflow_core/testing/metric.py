"""The contract of metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from wflow_core.interfaces.task import Task
from wflow_core.interfaces.trained_flow import TrainedFlow
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import small_task, small_zoo
from wflow_core.testing.worlds import NETWORKS


class MetricContract(Contract):
    """Numbers that JSON can hold, the same each time, where the columns of the table look for them.

    Attributes:
        absent_columns: headings of columns that the metric has for other tasks than the small one,
            which is a classification.
    """

    worlds = NETWORKS
    absent_columns: ClassVar[tuple[str, ...]] = ()

    def context(self) -> tuple[Any, ...]:
        return self.task(), self.network()

    def task(self) -> Task:
        """What the networks are scored on; override for another objective."""
        return small_task()

    def flow(self) -> TrainedFlow | None:
        """The flow that a metric with ``needs_flow`` looks at; None tries it without."""
        return None

    def measured(self, start: int) -> Any:
        """What is measured of six networks of the small zoo."""
        zoo, flow = small_zoo(network=self.network()), self.flow()
        metric, networks = self.make(), zoo[start : start + 6]
        if metric.needs_flow and flow is not None:
            return metric.measure_with_flow(flow, networks, zoo)
        return metric.measure(networks, zoo)

    def test_numbers_are_plain_and_repeat(self) -> None:
        found = self.measured(0)
        assert found
        assert _json(found) == _json(self.measured(0))

    def test_it_tells_networks_apart(self) -> None:
        assert _json(self.measured(0)) != _json(self.measured(6))

    def test_columns_point_to_numbers(self) -> None:
        found, columns = self.measured(0), self.component.columns
        assert set(self.component.columns_of_tasks) <= columns.keys()
        for heading, path in columns.items():
            if heading not in self.absent_columns:
                number = _at(found, path)
                assert isinstance(number, int | float | Tensor), f"{heading}: nothing at {path!r}"

    def test_what_was_measured_before_does_not_matter(self) -> None:
        zoo, flow = small_zoo(network=self.network()), self.flow()
        metric = self.make()
        if metric.needs_flow and flow is not None:
            return
        metric.measure(zoo[6:12], zoo)
        assert _json(metric.measure(zoo[:6], zoo)) == _json(self.measured(0))


def _at(found: Any, path: str) -> Any:
    """The number at a dotted path; None where there is none."""
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _json(found: Any) -> str:
    """Numbers as JSON, which must be plain: what is not finite as null."""
    return json.dumps(_plain(found), sort_keys=True, allow_nan=False)


def _plain(found: Any) -> Any:
    if isinstance(found, Mapping):
        assert all(isinstance(name, str) for name in found)
        return {name: _plain(value) for name, value in found.items()}
    if isinstance(found, Tensor):
        assert found.ndim == 1, f"a tensor has one value a network or pair, got {found.shape}"
        return [_plain(value) for value in found.tolist()]
    return None if isinstance(found, float) and not math.isfinite(found) else found
