"""Whether a flow that was trained on networks of one architecture can sample those of another.

It can where the two differ in the sizes of free groups alone, which no parameter of the velocity
depends on: then the weights of both are the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from wflow_core.assembly.assembly import Assembly
from wflow_core.assembly.density import FlowDensity
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.velocity import Velocity
from wflow_core.weights import WeightLayout, WeightSet


def refuse_other(a: Assembly, other: Architecture) -> None:
    """Cheap, before anything is built.

    Raises:
        UnsupportedError: the codec fits one architecture, or the groups or parts differ.
    """
    if a.codec:
        raise UnsupportedError(
            f"networks of another architecture have no coordinates: {a.codec!r} is fitted to those "
            "of one size; leave the codec out, or sample the architecture that was learned from"
        )
    if other.signature != a.task.signature:
        raise UnsupportedError(
            f"{other!r} is built for {other.signature}, the task of the run for {a.task.signature}"
        )
    if differs := _difference(a.architecture, other):
        raise UnsupportedError(
            f"a flow serves other sizes of free groups, and nothing else; {differs} "
            f"{a.architecture!r}, which it learns from, and {other!r}"
        )


def refuse_sizes(learned: Velocity, other: Velocity) -> None:
    """
    Raises:
        UnsupportedError: trained weights of the one do not fit into the other.
    """
    own, wanted = ({n: tuple(t.shape) for n, t in v.state_dict().items()} for v in (learned, other))
    unlike = [name for name in own | wanted if own.get(name) != wanted.get(name)]
    if unlike:
        name = unlike[0]
        raise UnsupportedError(
            f"{learned!r} serves one size of networks alone: its {name} is {own.get(name)} for "
            f"those that it learns from, and {wanted.get(name)} for these; take one whose "
            "parameters do not depend on sizes, such as `neuron_transformer`"
        )


def one_of(flows: Sequence[FlowDensity], networks: WeightSet | Tensor) -> FlowDensity:
    """The flow at the architecture that networks, or weights ``[N, P]``, are of.

    Raises:
        DataError: the networks are of none of them.
    """
    for flow in flows:
        if _fits(flow.assembly.architecture, networks):
            return flow
    if isinstance(networks, WeightSet):
        known = " or ".join(dict.fromkeys(repr(f.assembly.architecture) for f in flows))
        raise DataError(
            f"networks of {networks.layout.size} weights are not of this run, whose networks are "
            f"{known}; measure them in a run with their `sample.architecture`"
        )
    return flows[0]  # which says what weights it takes


def _fits(architecture: Architecture, networks: WeightSet | Tensor) -> bool:
    own = WeightLayout.of_parameters(architecture.module)
    if isinstance(networks, Tensor):
        return networks.shape[-1:] == (own.size,)
    first, second = ([(s.name, s.shape) for s in of.slots] for of in (own, networks.layout))
    return first == second


def _difference(first: Architecture, second: Architecture) -> str | None:
    """What differs between two, sizes of free groups apart, in words."""
    groups, others = first.bound_symmetry.groups, second.bound_symmetry.groups
    for name in groups | others:
        if name not in groups or name not in others:
            return f"the group {name!r} is not in both:"
        own, other = groups[name], others[name]
        if (own.kind, own.per) != (other.kind, other.per):
            return f"the group {name!r} is not of one kind in both:"
        if not own.free and own.size != other.size:
            return f"the group {name!r} is anchored, and not of one size in both:"
    blocks, theirs = (
        [(b.name, b.groups) for b in of.bound_symmetry.graph.blocks.values()]
        for of in (first, second)
    )
    return None if blocks == theirs else "the parts are not the same in both:"
