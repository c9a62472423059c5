"""Tests of a symmetry: random elements of each group must not change the module's outputs."""

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
    """Groups whose random ``perm`` or ``scale`` changes the outputs in float64, and which."""
    test = _InvarianceTest(module, groups, parts, inputs)
    failed: dict[str, str] = {}
    for name in groups:
        for action in ("perm", "scale"):
            passed = name in failed or all(test.passes(name, action, i) for i in range(trials))
            if not passed:
                failed[name] = action
    return failed


class _InvarianceTest:
    """A module in float64 with perturbed weights, random inputs, and its outputs."""

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
        self.inputs = tuple(self._random_like(x) for x in inputs)
        parameters, buffers = layouts[0].by_name, layouts[1].by_name
        tensors = dict(self.module.state_dict())
        self.state = {n: self._perturb(tensors[n]) for n in parameters}
        self.state |= {
            n: self._perturb(tensors[n], positive=True)
            for n in buffers
            if tensors[n].is_floating_point()
        }
        self.before = self._outputs(self.state)

    def passes(self, name: str, action: str, seed: int) -> bool:
        """Whether a random permutation or scale of a group leaves the outputs unchanged."""
        element = self.symmetry.random(1, self.generator.manual_seed(seed + 1), torch.float64)
        if name not in (actions := getattr(element, action)):
            return True
        single = GroupElement(**{action: {name: actions[name]}})
        after = self._outputs(self._act(name, single))
        return all(
            bool(((a - b).abs() <= TOLERANCE * (1 + b.abs().max())).all())
            for a, b in zip(after, self.before, strict=True)
        )

    def _act(self, name: str, element: GroupElement) -> dict[str, Tensor]:
        """The state after an element of one group."""
        state = dict(self.state)
        for part in self.symmetry.parts:
            if any(name == group for axis in part.axes for group, _, _ in axis or ()):
                tensor, (start, stop) = state[part.part.tensor], part.rows
                block = part.act(read_part(part, tensor[None]), element)[0]
                rows = tensor.clone().reshape(tensor.shape[0] if tensor.ndim else 1, -1)
                rows[start:stop] = block.reshape(stop - start, -1)
                state[part.part.tensor] = rows.reshape(tensor.shape)
        return state

    def _outputs(self, state: dict[str, Tensor]) -> list[Tensor]:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # for tensors that the module creates itself
        try:
            with torch.no_grad():
                outputs = functional_call(self.module, state, self.inputs)
        finally:
            torch.set_default_dtype(default)
        return [x for x in _leaves(outputs) if x.is_floating_point()]

    def _perturb(self, tensor: Tensor, positive: bool = False) -> Tensor:
        """Distinct values of the same magnitude; variances stay positive."""
        if positive:
            factor = 0.5 + torch.rand(tensor.shape, generator=self.generator).double()
            return (0.1 + tensor.abs()) * factor
        size = 0.1 + 0.3 * tensor.abs()
        return tensor + size * torch.randn(tensor.shape, generator=self.generator).double()

    def _random_like(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return torch.randn(x.shape, generator=self.generator).double()
        if x.dtype == torch.bool:
            return x
        low, high = int(x.min()), int(x.max())
        return torch.randint(low, high + 1, x.shape, generator=self.generator, dtype=x.dtype)


def _leaves(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    items = tree.values() if isinstance(tree, Mapping) else tree
    return [x for item in items if item is not None for x in _leaves(item)]


def remove_failed(
    groups: Mapping[str, Group], parts: tuple[Part, ...], failed: Mapping[str, str]
) -> tuple[dict[str, Group], tuple[Part, ...]]:
    """Groups and parts with the failed groups fixed (``perm``) and without scaling."""
    kept = dict(groups)
    for name, action in failed.items():
        kept[name] = replace(kept[name], scaling="none")
        if action == "perm":
            kept[name] = replace(kept[name], kind="fixed")
    unscaled = [
        replace(
            p,
            scale_exponent=exponent,
            in_unit_sphere=p.in_unit_sphere and any(v > 0 for v in exponent.values()),
        )
        for p in parts
        for exponent in [{g: v for g, v in p.scale_exponent.items() if kept[g].scaling != "none"}]
    ]
    return kept, tuple(unscaled)


def read_part(part: ResolvedView, tensor: Tensor) -> Tensor:
    """``[B, *tensor] -> [B, *shape]``: the rows of the part under its view."""
    rows = tensor.shape[1] if tensor.ndim > 1 else 1
    flat = tensor.reshape(len(tensor), rows, -1)
    return flat[:, part.rows[0] : part.rows[1]].reshape(len(tensor), *part.shape)
