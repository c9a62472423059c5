"""The symmetry of a traced module, and the fraction of its weights that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Part
from wflow_core.symmetry.parts import ResolvedView
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.tracing.grouping import Grouping, group_units
from wflow_plugins.architectures.tracing.part_builder import (
    NotExpressible,
    PartBuilder,
    UnscaledPart,
)
from wflow_plugins.architectures.tracing.program import trace_module
from wflow_plugins.architectures.tracing.scale_groups import ScaleSolver
from wflow_plugins.architectures.tracing.tracer import Note, Tracer
from wflow_plugins.architectures.tracing.verify import counterexamples, remove_failed


@dataclass(frozen=True)
class TracedSymmetry:
    """The symmetry of a traced module.

    Attributes:
        groups, parts: as an architecture describes them.
        notes: what is fixed or not scaled for lack of a proof, where, and why.
        coverage: the fraction of the entries of all weights' axes that lie on permutable groups.
    """

    groups: dict[str, Group]
    parts: tuple[Part, ...]
    notes: tuple[Note, ...]
    coverage: float

    def bind(self, module: nn.Module) -> Symmetry:
        """The symmetry of the module's weights and buffers."""
        layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
        return Symmetry(self.groups, self.parts, *layouts)


def trace_groups(
    module: nn.Module, inputs: Sequence[Tensor] | Tensor
) -> tuple[dict[str, Group], tuple[Part, ...]]:
    """Groups and parts of a module; see ``trace_symmetry``.

    Raises:
        UnsupportedError: torch.export cannot capture the module.
    """
    result = trace_symmetry(module, inputs)
    return result.groups, result.parts


def trace_symmetry(
    module: nn.Module, inputs: Sequence[Tensor] | Tensor, trials: int = 2
) -> TracedSymmetry:
    """The symmetry of a module in evaluation mode.

    Units without a proof by the rules stay fixed. Every result is then tested in float64, one group
    at a time, on random inputs with random elements; a group that fails becomes fixed.

    Args:
        inputs: example arguments of the module, with a batch of at least two.
        trials: random elements per group.

    Raises:
        UnsupportedError: torch.export cannot capture the module.

    Source: groups from the wiring of units, Godfrey et al. 2022 (arXiv 2205.14258).
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    t = trace_module(module, args)
    buffers = frozenset(slot.name for slot in WeightLayout.of_buffers(module).slots)
    grouping, unscaled, fixed_groups = _group_and_build(t, buffers)
    scaled_groups, parts = ScaleSolver(t, grouping, buffers).solve(unscaled)
    groups, parts = _drop_unused({**fixed_groups, **scaled_groups}, parts)
    failed = counterexamples(module, groups, parts, args, trials)
    for name, action in failed.items():
        t.operation = "verification"
        what = "permutations" if action == "perm" else "scales"
        t.add_note(name, f"random {what} change the outputs")
    groups, parts = remove_failed(groups, parts, failed)
    layout = WeightLayout.of_parameters(module)
    return TracedSymmetry(groups, parts, tuple(t.notes), coverage(groups, parts, layout))


def coverage(groups: dict[str, Group], parts: tuple[Part, ...], layout: WeightLayout) -> float:
    """The fraction of the entries of all axes of parameters that lie on permutable groups."""
    permutable = total = 0
    for part in parts:
        if part.buffer:
            continue
        resolved = ResolvedView.of(part, groups, layout)
        for axis in resolved.axes:
            for group, start, stop in axis or ():
                total += stop - start
                permutable += (stop - start) * groups[group].permutable
    return permutable / total if total else 0.0


def _group_and_build(
    t: Tracer, buffers: frozenset[str]
) -> tuple[Grouping, list[UnscaledPart], dict[str, Group]]:
    """Groups, the parts that express them, and the fixed groups of the parts.

    Repeated after fixing units that no part can express, until parts express all groups.
    """
    while True:
        grouping = group_units(t)
        builder = PartBuilder(t, grouping, buffers)
        try:
            return grouping, builder.build(), builder.fixed_groups
        except NotExpressible as error:
            t.operation = "parts"
            t.fix(error.atoms, error.reason)


def _drop_unused(
    groups: dict[str, Group], parts: tuple[Part, ...]
) -> tuple[dict[str, Group], tuple[Part, ...]]:
    """Groups without those that no part ranges over."""
    used = {g for p in parts for axis in p.axes if isinstance(axis, tuple) for g, _, _ in axis}
    return {name: group for name, group in groups.items() if name in used}, parts
