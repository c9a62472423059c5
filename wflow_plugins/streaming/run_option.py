"""The option ``--memory`` of ``wflow run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wflow_core.cli.run_options import RunOption
from wflow_plugins.streaming.options import MEMORY

if TYPE_CHECKING:
    import torch

    from wflow_core.interfaces.components import Components
    from wflow_plugins.streaming.memory import MemoryBudget


def _storage(
    budget: MemoryBudget, components: Components, device: torch.device
) -> Mapping[str, Any]:
    from wflow_plugins.streaming.storage import Streamed

    budget.check(components.stages["sample"].components(components), device)
    return {"storage": Streamed(budget)}


MEMORY_OPTION = RunOption(MEMORY, "memory", _storage)
