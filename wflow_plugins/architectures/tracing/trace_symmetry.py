"""What a trace finds, and how much of the module that is."""

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
    """The symmetry that was found in a module.

    Attributes:
        groups, parts: as an architecture describes them.
        notes: what was left fixed or unscaled, where, and why.
        coverage: the fraction of the entries of all weights' axes that lie on permutable groups.
    """

    groups: dict[str, Group]
    parts: tuple[Part, ...]
    notes: tuple[Note, ...]
    coverage: float

    def symmetry(self, module: nn.Module) -> Symmetry:
        """Bound to the module's weights."""
        layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
        return Symmetry(self.groups, self.parts, *layouts)


def traced(
    module: nn.Module, inputs: Sequence[Tensor] | Tensor
) -> tuple[dict[str, Group], tuple[Part, ...]]:
    """Groups and parts of a module; ``find`` says more.

    Raises:
        UnsupportedError: torch.export cannot capture the module.
    """
    found = find(module, inputs)
    return found.groups, found.parts


def find(module: nn.Module, inputs: Sequence[Tensor] | Tensor, trials: int = 2) -> TracedSymmetry:
    """The symmetry of a module in evaluation mode.

    What the rules cannot prove stays fixed. What they claim is tried in float64, one group at
    a time, on random inputs with random elements: what fails is fixed, too.

    Args:
        inputs: an example of what the module takes, with a batch of at least two.
        trials: elements a group.

    Raises:
        UnsupportedError: torch.export cannot capture the module.

    Source: groups by how units are wired, Godfrey et al. 2022 (arXiv 2205.14258).
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    t = trace_module(module, given)
    buffers = frozenset(slot.name for slot in WeightLayout.of_buffers(module).slots)
    of, drafts, fixed = _drafted(t, buffers)
    scaled, parts = ScaleSolver(t, of, buffers).scaled(drafts)
    groups, parts = _used({**fixed, **scaled}, parts)
    failed = counterexamples(module, groups, parts, given, trials)
    for name, what in failed.items():
        t.operation = "verification"
        t.add_note(
            name,
            f"random {what}utations change the outputs"
            if what == "perm"
            else "random scales change the outputs",
        )
    groups, parts = remove_failed(groups, parts, failed)
    layout = WeightLayout.of_parameters(module)
    return TracedSymmetry(groups, parts, tuple(t.notes), coverage(groups, parts, layout))


def coverage(groups: dict[str, Group], parts: tuple[Part, ...], layout: WeightLayout) -> float:
    """The fraction of the entries of all axes of parameters that lie on permutable groups."""
    free = total = 0
    for part in parts:
        if part.buffer:
            continue
        bound = ResolvedView.of(part, groups, layout)
        for axis in bound.axes:
            for group, start, stop in axis or ():
                total += stop - start
                free += (stop - start) * groups[group].permutable
    return free / total if total else 0.0


def _drafted(t: Tracer, buffers: frozenset[str]) -> tuple[Grouping, list[UnscaledPart], dict[str, Group]]:
    """Parts that say all groups; units that cannot be said are fixed until they do."""
    while True:
        of = group_units(t)
        drafter = PartBuilder(t, of, buffers)
        try:
            return of, drafter.build(), drafter.fixed
        except NotExpressible as unsaid:
            t.operation = "parts"
            t.fix(unsaid.atoms, unsaid.why)


def _used(
    groups: dict[str, Group], parts: tuple[Part, ...]
) -> tuple[dict[str, Group], tuple[Part, ...]]:
    """Groups that lie on some part."""
    to_segments = {g for p in parts for axis in p.axes if isinstance(axis, tuple) for g, _, _ in axis}
    return {name: group for name, group in groups.items() if name in to_segments}, parts
