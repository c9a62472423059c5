"""From a validated spec to components that fit together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from wflow_core.assembly.builder import Builder
from wflow_core.errors import SpecError
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.components import Components, KeyPath
from wflow_core.registry import KINDS
from wflow_core.space import Space, collect_offers, identity
from wflow_core.specs.problems import location_key
from wflow_core.specs.spec import Spec

PLACEHOLDER_DIM = 2
"""Coordinates that components are built for and checked with until a codec is fitted, where only
fitting determines their number."""
ON_SPACE = ("manifold", "prior", "coupling", "velocity", "solver", "guidance", "condition")
"""Fields of components that work on points of the space, which behind a codec are no weights."""


def assemble(spec: Spec) -> Components:
    """Build and check every component of a spec.

    Raises:
        SpecError: with every problem, each at its location.
    """
    components = _assemble(spec, {})
    builder, problems = Builder(spec, components.built), list[str]()
    for path, component in components.built.items():
        try:
            builder.locate_errors(partial(component.check, components), path)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(sorted(problems, key=location_key))
    return components


def _assemble(spec: Spec, prebuilt: Mapping[KeyPath, Component]) -> Components:
    b = Builder(spec, prebuilt)
    offers = _build_networks(b)
    space = _build_space(b, offers)
    metrics = offers | space.offers
    on_space = [b.spec.components[(f,)].cls for f in ON_SPACE if (f,) in b.spec.components]
    b.check_needs([(field,) for field in ON_SPACE], space.offers | collect_offers(on_space))
    b.check_needs(b.paths("metrics"), metrics)
    dropped = _unmet_baselines(b, metrics)
    if b.problems:
        raise SpecError(sorted(b.problems, key=location_key))
    for field in ("coupling", "velocity", "solver", "guidance"):
        b.scope[field] = b.one(field)
    for field in ("metrics", "baselines", "hooks"):
        b.many(field, without=dropped)
    return Components(
        spec.name,
        spec.seed,
        spec.resolved(without=dropped),
        spec.origins(),
        b.built,
        b.scope,
        space,
        lambda given: _assemble(spec, _kept(b.built, given)),
    )


def _build_networks(b: Builder) -> frozenset[str]:
    """What networks are, where they come from, and the stages; the names of met needs."""
    task = b.scope["task"] = b.one("task")
    b.scope["signature"] = task.signature
    b.check_tasks()
    architecture = b.scope["architecture"] = b.one("architecture")
    b.locate_errors(lambda: architecture.symmetry, ("architecture",))
    b.scope["zoo"] = b.one("zoo")
    b.many("canonicalizers")
    codec = b.one("codec")
    b.scope["decode"] = codec.decode if codec else identity
    b.scope["seed"] = b.spec.seed
    for name in b.spec.stages:
        b.scope |= b.one(name).context(b.scope)
    offers = collect_offers([task, architecture, b.scope["zoo"]])
    zoos = [p for p in b.spec.components if p[0] == "zoo" and p[-1] != "task"]
    b.check_needs([*zoos, *b.paths("canonicalizers"), ("codec",)], offers)
    b.check_needs([p for p in b.spec.components if p[0] in b.spec.stages], offers)
    return offers


def _build_space(b: Builder, offers: frozenset[str]) -> Space:
    architecture, codec = b.scope["architecture"], b.one("codec")
    canonicalizers = b.many("canonicalizers")
    symmetry = None if codec else architecture.symmetry
    b.scope["symmetry"] = symmetry
    b.scope["dim"] = architecture.symmetry.layout.size
    if codec:
        b.scope["dim"] = PLACEHOLDER_DIM if codec.dim is None else codec.dim
    manifold = b.scope["manifold"] = b.one("manifold")
    hidden = architecture.offers if codec else frozenset()
    offers = collect_offers([manifold, *canonicalizers]) | (offers - hidden)
    to_manifold: Callable[[Tensor], Tensor] = _per_network_map(canonicalizers)
    condition = b.scope["condition"] = b.one("condition")
    space = Space(manifold, symmetry, offers, to_manifold, condition)
    b.scope["space"] = space
    prior = b.scope["prior"] = b.one("prior")
    space = b.scope["space"] = replace(space, offers=offers | prior.offers)
    return space


def _per_network_map(canonicalizers: Sequence[Canonicalizer]) -> Callable[[Tensor], Tensor]:
    """``[B, P] -> [B, P]``: networks outside the zoo, through those canonicalizers that move each
    network on its own."""
    own = [c for c in canonicalizers if c.granularity == "network"]

    def to_representative(weights: Tensor) -> Tensor:
        for canonicalizer in own:
            weights = canonicalizer.act(weights, canonicalizer.group_element(weights))
        return weights

    return to_representative


def _unmet_baselines(b: Builder, offers: frozenset[str]) -> list[KeyPath]:
    """Default baselines that cannot be made here; what a spec names itself is a problem instead."""
    paths, before = b.paths("baselines"), len(b.problems)
    unmet = b.check_needs(paths, offers)
    if KINDS["baseline"].field in b.spec.source.data:
        return []
    del b.problems[before:]
    return unmet


def _kept(built: Mapping[KeyPath, Any], given: Mapping[KeyPath, Any]) -> dict[KeyPath, Any]:
    """Tasks, stages, hooks and what is given; all else is built again."""
    kinds = {path for path in built if path[0] in ("task", "hooks") or path[-1] == "task"}
    return {path: built[path] for path in kinds} | dict(given)
