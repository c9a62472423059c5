"""How many networks are evaluated at once: what the device has room for."""

from __future__ import annotations

import pytest
import torch

from wflow_core.devices import DEFAULT_BUDGET, activation_budget
from wflow_core.interfaces.task import Signature
from wflow_core.networks import batched
from wflow_core.networks.batched import LIVE_OUTPUTS, BatchedNetworks
from wflow_plugins.architectures.mlp import Mlp

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
NETWORK = Mlp(Signature((6,), 3), hidden=[10])
GIB = 2**30


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """The devices that are asked for a budget, each of which has room for three networks of rows
    of ``x``."""
    seen: list[torch.device] = []

    def budget(device: torch.device) -> int:
        seen.append(device)
        return 3 * LIVE_OUTPUTS * 4 * len(x()) * 10

    monkeypatch.setattr(batched, "activation_budget", budget)
    return seen


def x() -> torch.Tensor:
    return torch.randn(7, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("free", "cached", "wanted"),
    [
        (128 * GIB, 0, 16 * GIB),
        (128 * GIB - 1, 0, 8 * GIB),  # the power of two below
        (64 * GIB, 96 * GIB, 16 * GIB),  # what torch keeps for itself is free, too
        (4 * GIB, 0, GIB // 2),
        (0, 0, 1),
    ],
)
def test_a_gpu_gives_a_part_of_its_free_memory(
    free: int, cached: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 141 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: cached + 5)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5)
    assert activation_budget(CUDA) == wanted


def test_elsewhere_the_budget_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", None)
    assert activation_budget(CPU) == activation_budget(torch.device("mps")) == DEFAULT_BUDGET
    assert DEFAULT_BUDGET == 2**29


def test_networks_are_evaluated_in_chunks_of_the_budget(
    asked: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = NETWORK.initialize(8, torch.Generator().manual_seed(0))
    networks, forward, sizes = BatchedNetworks(NETWORK.template), BatchedNetworks.forward, []

    def counted(self: BatchedNetworks, state: dict[str, torch.Tensor], *of: object) -> torch.Tensor:
        sizes.append(len(next(iter(state.values()))))
        return forward(self, state, *of)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchedNetworks, "forward", counted)
    found = networks(weights, x())
    assert sizes == [3, 3, 2]
    assert asked == [CPU]  # once, not for each chunk
    torch.testing.assert_close(found, BatchedNetworks(NETWORK.template, 10**9)(weights, x()))
    assert sizes == [3, 3, 2, 8]
    assert networks.chunk(x()) == 3


def test_a_given_budget_asks_no_device(asked: list[torch.device]) -> None:
    networks = BatchedNetworks(NETWORK.template, budget=5 * LIVE_OUTPUTS * 4 * len(x()) * 10)
    networks(NETWORK.initialize(2, torch.Generator().manual_seed(0)), x())
    assert networks.chunk(x()) == 5
    assert asked == []
