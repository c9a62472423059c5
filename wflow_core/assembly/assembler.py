"""Builds a spec's components in the order of the road, each with its context.

Needs that are not met are collected before anything is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from wflow_core.assembly.builder import Builder
from wflow_core.assembly.condition_checks import conditions_of
from wflow_core.errors import SpecError
from wflow_core.flows.behavior import Behavior
from wflow_core.flows.flow import Flow
from wflow_core.flows.optimizing import refuse_muon
from wflow_core.hooks import Hooks
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer, representative
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.metric import Metric
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.velocity import Velocity
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.networks.outputs import Outputs
from wflow_core.networks.recalibration import Recalibration
from wflow_core.seeds import stage_seed
from wflow_core.space import Space, as_it_is, offered
from wflow_core.specs.problems import Path, by_place

PROVISIONAL = 2
"""Coordinates that all is built for and checked with while fitting a codec has not told them."""


class Assembler(Builder):
    """Builds all components; those that it was given are taken as they are."""

    def parts(self, hooks: Hooks | None = None) -> dict[str, Any]:
        """The components by the name of their place; hooks are built where none are given.

        Raises:
            SpecError: with every problem, each at its place.
        """
        self.make("task")
        tasks = self.make_tasks()
        made = self._networks()
        made |= self._points(**made)
        if self.problems:
            raise SpecError(sorted(self.problems, key=by_place))
        hooks = hooks or self.at("hooks", self._hooks)
        return {"hooks": hooks, "tasks": tasks, **made, **self._flow(**made)}

    def _networks(self) -> dict[str, Any]:
        """What networks are, and where they come from."""
        task: Task = self.make("task")
        architecture: Architecture = self.make("architecture", task.signature)
        self.at("architecture", lambda: architecture.bound_symmetry)
        return {
            "task": task,
            "architecture": architecture,
            "zoo": self._zoo(("zoo",), task, architecture),
            "canonicalizers": self.make_all("canonicalizers", architecture, task),
            "codec": self.make("codec", architecture) if self.file.spec.codec else None,
        }

    def _points(
        self,
        task: Task,
        architecture: Architecture,
        zoo: ZooSource,
        canonicalizers: tuple[Canonicalizer, ...],
        codec: Codec | None,
    ) -> dict[str, Any]:
        """The space and its prior; and whether all that was named gets what it needs."""
        before = offered([task, architecture, zoo])
        self.check([*self.zoos(), *self.paths("canonicalizers"), ("codec",)], before)
        space = self._space(architecture, canonicalizers, codec, before)
        conditions, wrong = self.at("zoo", partial(conditions_of, self.file, zoo))
        self.problems += wrong
        prior: Prior = self.make("prior", space, architecture)
        space = replace(space, offers=space.offers | prior.offers, conditions=conditions)
        rest = ["manifold", "prior", "coupling", "velocity", "solver", "guidance"]
        self.check([(name,) for name in rest], space.offers)
        # Metrics are of networks, whose symmetry a codec leaves as it is.
        self.check(self.paths("metrics"), before | space.offers)
        return {"space": space, "prior": prior}

    def _flow(
        self,
        task: Task,
        architecture: Architecture,
        codec: Codec | None,
        space: Space,
        prior: Prior,
        **_: Any,
    ) -> dict[str, Any]:
        """What learns, samples and measures."""
        spec, decode = self.file.spec, codec.decode if codec else as_it_is
        guided = (self.task_of(("guidance",)), architecture, decode)
        recalibration = Recalibration(task, architecture, spec.sample.recalibrate, spec.seed)
        return {
            "coupling": self.make("coupling", space, prior),
            "flow": Flow(space.manifold, spec.train),
            "behavior": self._behavior(task, architecture, decode),
            "velocity": self._velocity(space),
            "solver": self.make("solver"),
            "guidance": self.make("guidance", *guided) if spec.guidance else None,
            "metrics": self._metrics(recalibration),
            "recalibration": recalibration,
        }

    def _zoo(self, path: Path, task: Task, architecture: Architecture) -> ZooSource:
        """A source, with those that its options name, each with a task of its own where given."""
        inner = {
            str(p[-1]): self._zoo(p, self.task_of(p), architecture)
            for p in self.zoos()
            if p[:-1] == (*path, "zoos")
        }
        made: ZooSource = self.build(path, task, architecture, *([inner] if inner else []))
        return made

    def _space(
        self,
        architecture: Architecture,
        canonicalizers: tuple[Canonicalizer, ...],
        codec: Codec | None,
        offers: frozenset[str],
    ) -> Space:
        symmetry = None if codec else architecture.bound_symmetry
        size = architecture.bound_symmetry.layout.size
        dim = (codec.dim if codec.settled else PROVISIONAL) if codec else size
        manifold = self.make("manifold", dim, symmetry)
        hidden = architecture.offers if codec else frozenset()
        offers = offered([manifold, *canonicalizers]) | (offers - hidden)
        return Space(manifold, symmetry, offers, representative(canonicalizers))

    def _velocity(self, space: Space) -> Velocity:
        """The network with its own seed, whatever was built before it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stage_seed(self.file.spec.seed, "velocity"))
            velocity: Velocity = self.make("velocity", space)
        train = self.file.spec.train
        self.at("train", partial(refuse_muon, velocity, train), ("train", "muon_lr"))
        return velocity

    def _behavior(
        self, task: Task, architecture: Architecture, decode: Callable[[Tensor], Tensor]
    ) -> Behavior | None:
        options = self.file.spec.train.behavior
        if options is None:
            return None
        path = ("train", "behavior")
        made: Behavior = self.at(
            "train", partial(Behavior, task, architecture, decode, options), path
        )
        return made

    def _metrics(self, recalibration: Recalibration) -> tuple[Metric, ...]:
        """What is measured on another task stands under its name; metrics of one task share
        outputs."""
        made: list[Metric] = []
        for path in self.paths("metrics"):
            task, architecture = self.task_of(path), recalibration.architecture
            metric: Metric = self.build(path, task, architecture)
            metric.recalibrate = recalibration
            twin = next((of for of in made if of.task is task), None)
            metric.outputs = twin.outputs if twin else Outputs(task, architecture)
            if of := self.found.get((*path, "task")):
                metric.under = of.name
            made.append(metric)
        return tuple(made)

    def _hooks(self) -> Hooks:
        names = [slot.type for slot in self.file.spec.hooks]
        return Hooks(list(zip(names, self.make_all("hooks"), strict=True)))
