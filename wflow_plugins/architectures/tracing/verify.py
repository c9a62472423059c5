"""Every claim is tried: random elements of each group must keep what the module computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, GroupElement, Part
from wflow_core.symmetry.parts import ResolvedView
from wflow_core.weights import WeightLayout

TOLERANCE = 1e-9


def counterexamples(
    module: nn.Module,
    groups: Mapping[str, Group],
    parts: tuple[Part, ...],
    inputs: Sequence[Tensor],
    trials: int,
) -> dict[str, str]:
    """Groups whose claims fail in float64, and which: ``perm`` or ``scale``."""
    world = _World(module, groups, parts, inputs)
    failed: dict[str, str] = {}
    for name in groups:
        for what in ("perm", "scale"):
            if name not in failed and not all(world.keeps(name, what, i) for i in range(trials)):
                failed[name] = what
    return failed


class _World:
    """A module in float64 with its weights stirred, random inputs, and what it computes."""

    def __init__(
        self,
        module: nn.Module,
        groups: Mapping[str, Group],
        parts: tuple[Part, ...],
        inputs: Sequence[Tensor],
    ):
        self.generator = torch.Generator().manual_seed(0)
        self.module = deepcopy(module).double().eval()
        layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
        self.symmetry = Symmetry(groups, parts, *layouts)
        self.inputs = tuple(self._drawn(x) for x in inputs)
        to_segments, buffers = layouts[0].by_name, layouts[1].by_name
        held = dict(self.module.state_dict())
        self.state = {n: self._stirred(held[n]) for n in to_segments}
        self.state |= {
            n: self._stirred(held[n], positive=True) for n in buffers if held[n].is_floating_point()
        }
        self.before = self._outputs(self.state)

    def keeps(self, name: str, what: str, seed: int) -> bool:
        """Whether random permutations or scales of a group change nothing."""
        drawn = self.symmetry.random(1, self.generator.manual_seed(seed + 1), torch.float64)
        if name not in (moved := getattr(drawn, what)):
            return True
        after = self._outputs(self._moved(name, GroupElement(**{what: {name: moved[name]}})))
        return all(
            bool(((a - b).abs() <= TOLERANCE * (1 + b.abs().max())).all())
            for a, b in zip(after, self.before, strict=True)
        )

    def _moved(self, name: str, element: GroupElement) -> dict[str, Tensor]:
        """The tensors that a group lies on moved, the others as they are."""
        state = dict(self.state)
        for part in self.symmetry.parts:
            if any(name == group for axis in part.axes for group, _, _ in axis or ()):
                tensor, (start, stop) = state[part.part.tensor], part.rows
                moved = part.act(read_part(part, tensor[None]), element)[0]
                rows = tensor.clone().reshape(tensor.shape[0] if tensor.ndim else 1, -1)
                rows[start:stop] = moved.reshape(stop - start, -1)
                state[part.part.tensor] = rows.reshape(tensor.shape)
        return state

    def _outputs(self, state: dict[str, Tensor]) -> list[Tensor]:
        usual = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # for tensors that the module makes itself
        try:
            with torch.no_grad():
                made = functional_call(self.module, state, self.inputs)
        finally:
            torch.set_default_dtype(usual)
        return [x for x in _leaves(made) if x.is_floating_point()]

    def _stirred(self, held: Tensor, positive: bool = False) -> Tensor:
        """Values that are all different, of their own size; variances stay positive."""
        if positive:
            factor = 0.5 + torch.rand(held.shape, generator=self.generator).double()
            return (0.1 + held.abs()) * factor
        size = 0.1 + 0.3 * held.abs()
        return held + size * torch.randn(held.shape, generator=self.generator).double()

    def _drawn(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return torch.randn(x.shape, generator=self.generator).double()
        if x.dtype == torch.bool:
            return x
        low, high = int(x.min()), int(x.max())
        return torch.randint(low, high + 1, x.shape, generator=self.generator, dtype=x.dtype)


def _leaves(made: Any) -> list[Tensor]:
    if isinstance(made, Tensor):
        return [made]
    items = made.values() if isinstance(made, Mapping) else made
    return [x for item in items if item is not None for x in _leaves(item)]


def remove_failed(
    groups: Mapping[str, Group], parts: tuple[Part, ...], failed: Mapping[str, str]
) -> tuple[dict[str, Group], tuple[Part, ...]]:
    """The same with what failed fixed, or not scaled."""
    kept = dict(groups)
    for name, what in failed.items():
        kept[name] = replace(kept[name], scaling="none")
        if what == "perm":
            kept[name] = replace(kept[name], kind="fixed")
    bare = [
        replace(
            p,
            scale_exponent=power,
            in_unit_sphere=p.in_unit_sphere and any(v > 0 for v in power.values()),
        )
        for p in parts
        for power in [{g: v for g, v in p.scale_exponent.items() if kept[g].scaling != "none"}]
    ]
    return kept, tuple(bare)


def read_part(part: ResolvedView, tensor: Tensor) -> Tensor:
    """``[B, *tensor] -> [B, *shape]``: the rows of the part under its view."""
    rows = tensor.shape[1] if tensor.ndim > 1 else 1
    flat = tensor.reshape(len(tensor), rows, -1)
    return flat[:, part.rows[0] : part.rows[1]].reshape(len(tensor), *part.shape)
