"""Components of a small pipeline for contract tests, built without a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.components import Components, KeyPath
from wflow_core.interfaces.stage import Stage, StageContext, StageOutput
from wflow_core.storage.tensors import weight_set_content
from wflow_core.testing.fixtures import Normal, SmallTask, SmallZoo, small_space
from wflow_core.testing.fixtures_flow import SmallCoupling, SmallSolver, SmallVelocity


class SmallCollect(Stage):
    """The networks of the zoo, as the artefact ``zoo``."""

    output = "zoo"
    fields = ("task", "architecture", "zoo")

    def run(self, context: StageContext) -> StageOutput:
        return StageOutput(*weight_set_content(context.components.zoo.collect(context.generator)))


def small_components(stages: Mapping[str, Stage], network: Architecture) -> Components:
    """A pipeline of these stages around networks of :class:`SmallZoo`."""
    task, space = SmallTask(), small_space(network=network)
    prior = Normal(space)
    fields: dict[str, Component] = {
        "task": task,
        "architecture": network,
        "zoo": SmallZoo(task, network),
        "manifold": space.manifold,
        "prior": prior,
        "coupling": SmallCoupling(space, prior),
        "velocity": SmallVelocity(space),
        "solver": SmallSolver(steps=4),
    }
    built: dict[KeyPath, Component] = {(name,): of for name, of in {**fields, **stages}.items()}
    resolved: dict[str, Any] = {name: {"type": "small"} for name in fields}
    resolved |= {"canonicalizers": [], "metrics": [], "baselines": [], "hooks": []}
    resolved |= {name: of.config.model_dump(mode="json") for name, of in stages.items()}
    resolved |= {"name": "contract", "seed": 0, "stages": list(stages)}
    scope: dict[str, Any] = fields | {"signature": task.signature, "space": space, "seed": 0}
    for stage in stages.values():
        scope |= stage.context(scope)

    def rebuilt(given: Mapping[KeyPath, Component]) -> Components:
        return replace(components, built=built | dict(given))

    components = Components("contract", 0, resolved, {}, built, scope, space, rebuilt)
    return components
