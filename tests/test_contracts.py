"""Every registered component passes the contract of its kind; contracts catch what they promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from contract_support import OPTIONS, GraphContract, contract_of
from idx_files import write_images
from record_files import write_records
from torch import Tensor, nn

from wflow_core import registry
from wflow_core.errors import SpaceError
from wflow_core.interfaces.needs import SYMMETRY
from wflow_core.interfaces.task import Signature
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_core.symmetry import Symmetry
from wflow_core.testing import CONTRACTS, VelocityContract
from wflow_core.testing.fixtures import Flat, small_space, small_zoo
from wflow_core.testing.fixtures_networks import (
    DottedModule,
    DottedNetwork,
    NestedNetwork,
    SegmentedNetwork,
    SmallNetwork,
)
from wflow_core.testing.worlds import DOTTED, NETWORKS, SMALL, World
from wflow_plugins.architectures.traced import Traced
from wflow_plugins.commands.export import write_networks


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What options of the contracts name, in the working folder."""
    folder = tmp_path_factory.mktemp("files")
    write_networks(small_zoo(), folder / "networks", separate=True)
    write_images(folder / "images")
    write_records(folder / "records")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


for _plugin in registry.plugins():
    _cls = contract_of(_plugin)
    globals()[_cls.__name__] = _cls

for _fixture in (SmallNetwork, NestedNetwork, SegmentedNetwork, DottedNetwork):
    _own = {"component": _fixture, "signature": Signature((4,), 2)}
    globals()[f"Test_{_fixture.__name__}"] = type(
        f"Test_{_fixture.__name__}", (GraphContract,), _own
    )


def test_every_kind_has_a_contract() -> None:
    assert list(CONTRACTS) == list(registry.KINDS)


class ByRawName(Velocity):
    """Keeps a scale of each group under its name, as a stranger might."""

    needs = frozenset({SYMMETRY})

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        groups = space.weight_symmetry.permutable
        self.of_group = nn.ModuleDict({name: nn.Linear(1, 1) for name in groups})

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        return x * sum(of(t.unsqueeze(1)) for of in self.of_group.values())

    def fit_scales(self, x0: Tensor, x1: Tensor, displacement: Tensor) -> None:
        self.size = displacement.abs().mean()

    def displacement_scale(self) -> Tensor:
        return self.size.repeat(self.space.dim)


class RawNames(VelocityContract):
    component = ByRawName

    def in_world(self, world: World) -> RawNames:
        self._world = world
        return self


def test_the_contract_catches_parameters_under_raw_names() -> None:
    RawNames().in_world(SMALL).test_points_to_tangents()
    with pytest.raises(KeyError, match=r"encoder\.layers\.0"):
        RawNames().in_world(DOTTED).test_points_to_tangents()


def test_the_contract_catches_scales_that_no_state_holds() -> None:
    with pytest.raises(AttributeError, match="size"):
        RawNames().in_world(SMALL).test_its_state_decides_the_output()


@pytest.mark.parametrize("name", [p.name for p in registry.plugins("velocity")])
def test_a_velocity_that_passed_its_contract_works_behind_a_traced_module(name: str) -> None:
    network = Traced(Signature((4,), 2), module=DottedModule(4))
    assert any("." in group for group in network.symmetry.groups)
    space = small_space(network=network)
    velocity = registry.load("velocity", name)(space, **OPTIONS["velocity", name])
    x = torch.randn(3, space.dim)
    assert velocity(x, torch.rand(3)).shape == x.shape


def test_worlds_lack_the_needs_that_a_component_is_left_out_for() -> None:
    tried = {of.name: contract_of(of).tried_in() for of in registry.plugins("velocity")}
    assert [str(w) for w in tried["pna"]] == [*map(str, NETWORKS), "float64", "conditioned"]
    assert "behind a codec" in map(str, tried["mlp"])


def test_a_space_without_symmetry_says_so() -> None:
    space = small_space()
    assert space.weight_symmetry is space.symmetry
    with pytest.raises(SpaceError, match="leave the codec out"):
        _ = Space(Flat(3)).weight_symmetry
