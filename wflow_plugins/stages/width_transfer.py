"""Sampling networks of another architecture than the flow was trained on.

That is possible where the two differ only in the sizes of permutable groups, on which no parameter
of the velocity depends: the weights of both then have the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor

from wflow_core.errors import DataError, SpecError, UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.needs import RETRAINING
from wflow_core.interfaces.velocity import Velocity
from wflow_core.weights import WeightLayout, WeightSet

T = TypeVar("T")


def at_architecture(components: Components, architecture: Architecture | None) -> Components:
    """The components built for another architecture; None for their own.

    The velocity has the same parameters, and can take their trained values.

    Raises:
        UnsupportedError: the flow serves one size alone, or the architectures differ in more than
            the sizes of permutable groups.
    """
    if architecture is None or architecture is components.architecture:
        return components
    check_same_symmetry(components, architecture)
    given = {path: of for path, of in components.built.items() if of is architecture}
    try:
        built = components.rebuilt(given | {("architecture",): architecture})
    except SpecError as error:
        problems = "; ".join(error.problems)
        raise UnsupportedError(
            f"{architecture!r} does not fit the rest of the spec: {problems}"
        ) from error
    check_size_agnostic(components.velocity, built.velocity)
    return built


def check_retraining(components: Components) -> None:
    """
    Raises:
        UnsupportedError: no networks of the samples' architecture can be trained.
    """
    if RETRAINING not in components.zoo.offers:
        raise UnsupportedError(
            "samples of another architecture are compared with networks of it that are trained as "
            f"the zoo was; that needs {RETRAINING.reason}"
        )


def check_same_symmetry(components: Components, other: Architecture) -> None:
    """Cheap, before anything is built.

    Raises:
        UnsupportedError: the codec fits one architecture, or the groups or parts differ.
    """
    if components.codec:
        raise UnsupportedError(
            f"networks of another architecture have no coordinates: {components.codec!r} is fitted "
            "to those of one size; leave the codec out, or sample the zoo's architecture"
        )
    if other.signature != components.task.signature:
        raise UnsupportedError(
            f"{other!r} is built for {other.signature}, the task of the run for "
            f"{components.task.signature}"
        )
    if differs := _difference(components.architecture, other):
        raise UnsupportedError(
            f"a flow serves other sizes of permutable groups, and nothing else; {differs} "
            f"{components.architecture!r}, which it is trained on, and {other!r}"
        )


def check_size_agnostic(trained: Velocity, other: Velocity) -> None:
    """
    Raises:
        UnsupportedError: trained weights of the one do not fit into the other.
    """
    own, wanted = ({n: tuple(t.shape) for n, t in v.state_dict().items()} for v in (trained, other))
    unlike = [name for name in own | wanted if own.get(name) != wanted.get(name)]
    if unlike:
        name = unlike[0]
        raise UnsupportedError(
            f"{trained!r} serves one size of networks alone: its {name} is {own.get(name)} for "
            f"those that it is trained on, and {wanted.get(name)} for these; take one whose "
            "parameters do not depend on sizes, such as `neuron_transformer`"
        )


def select(of_architecture: Sequence[tuple[Architecture, T]], networks: WeightSet | Tensor) -> T:
    """What belongs to the architecture that networks, or weights ``[N, P]``, are of.

    Raises:
        DataError: the networks are of none of them.
    """
    for architecture, found in of_architecture:
        if _fits(architecture, networks):
            return found
    if isinstance(networks, WeightSet):
        known = " or ".join(dict.fromkeys(repr(of) for of, _ in of_architecture))
        raise DataError(
            f"networks of {networks.layout.size} weights are not of this run, whose networks are "
            f"{known}; measure them in a run with their `sample.architecture`"
        )
    return of_architecture[0][1]  # which says what weights it takes


def _fits(architecture: Architecture, networks: WeightSet | Tensor) -> bool:
    own = WeightLayout.of_parameters(architecture.template)
    if isinstance(networks, Tensor):
        return networks.shape[-1:] == (own.size,)
    first, second = ([(s.name, s.shape) for s in of.slots] for of in (own, networks.layout))
    return first == second


def _difference(first: Architecture, second: Architecture) -> str | None:
    """How two architectures differ, beside the sizes of permutable groups, in words."""
    groups, others = first.symmetry.groups, second.symmetry.groups
    for name in groups | others:
        if name not in groups or name not in others:
            return f"the group {name!r} is not in both:"
        own, other = groups[name], others[name]
        if (own.kind, own.parent) != (other.kind, other.parent):
            return f"the group {name!r} is not of one kind in both:"
        if not own.permutable and own.size != other.size:
            return f"the group {name!r} is fixed, and not of one size in both:"
    blocks, theirs = (
        [(b.name, b.groups) for b in of.symmetry.graph.blocks.values()] for of in (first, second)
    )
    return None if blocks == theirs else "the parts are not the same in both:"
