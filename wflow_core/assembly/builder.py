"""Builds components with what they are built from, each at its location in the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from wflow_core.errors import SpecError, WflowError
from wflow_core.interfaces.component import Component, ComponentSpec
from wflow_core.interfaces.components import KeyPath
from wflow_core.interfaces.task import Task
from wflow_core.registry import context_of
from wflow_core.seeds import stage_seed
from wflow_core.space import unmet_needs
from wflow_core.specs.problems import dotted, location_key
from wflow_core.specs.resolve import TASK
from wflow_core.specs.spec import Spec


class Builder:
    """Builds components by their path in the spec.

    Args:
        prebuilt: components to take as they are, by their path.

    Attributes:
        scope: what components are built from, by the names of their constructors' parameters.
        problems: one line for each unmet need and each task that does not fit.
        built: path -> component.
    """

    def __init__(self, spec: Spec, prebuilt: Mapping[KeyPath, Component]):
        self.spec, self.problems = spec, list[str]()
        self.prebuilt, self.built = prebuilt, dict[KeyPath, Component]()
        self.scope: dict[str, Any] = {}

    def one(self, field: str) -> Any:
        """The component of a field; None where the spec has none."""
        return self.build((field,)) if (field,) in self.spec.components else None

    def many(self, field: str, without: Sequence[KeyPath] = ()) -> tuple[Any, ...]:
        return tuple(self.build(path) for path in self.paths(field) if path not in without)

    def paths(self, field: str) -> list[KeyPath]:
        """Paths of the components in a list."""
        return [p for p in self.spec.components if p[0] == field and len(p) == 2]

    def build(self, path: KeyPath) -> Any:
        """The component at a path, after those that its options hold."""
        if path not in self.built:
            self.built[path] = self.prebuilt.get(path) or self.locate_errors(
                lambda: self._make(path), path
            )
        return self.built[path]

    def _make(self, path: KeyPath) -> Any:
        of, scope = self.spec.components[path], self.scope_at(path)
        context = {name: scope[name] for name in context_of(of.kind) if name in scope}
        options = {name: self._built_in(value, (*path, name)) for name, value in of.options}
        with torch.random.fork_rng(devices=[]):  # whatever was built before it
            torch.manual_seed(stage_seed(self.spec.seed, dotted(path)))
            return of.cls(**context, **options)

    def _built_in(self, value: Any, path: KeyPath) -> Any:
        """An option's value, with components in place of their specs."""
        if isinstance(value, ComponentSpec):
            return self.build(path)
        if isinstance(value, tuple | list):
            return tuple(self._built_in(each, (*path, i)) for i, each in enumerate(value))
        if isinstance(value, dict):
            return {key: self._built_in(each, (*path, key)) for key, each in value.items()}
        return value

    def scope_at(self, path: KeyPath) -> dict[str, Any]:
        """The scope of a component, which may have a task of its own."""
        task = self.task_of(path)
        if task is None or task is self.scope[TASK]:
            return self.scope
        return self.scope | {TASK: task, "signature": task.signature}

    def task_of(self, path: KeyPath) -> Task | None:
        """The task of a component: its own, that of a component that holds it, or the run's."""
        for n in range(len(path), 0, -1):
            own = (*path[:n], TASK)
            if own in self.spec.components and own != path:
                task: Task = self.build(own)
                return task
        return self.scope.get(TASK)

    def check_tasks(self) -> None:
        """Note tasks of single components that the networks of the run do not fit."""
        for path in (p for p in self.spec.components if p[-1] == TASK and len(p) > 1):
            twins = [p for p in self.built if self.spec.components[p] == self.spec.components[path]]
            if twins and path not in self.prebuilt:
                self.built[path] = self.built[twins[0]]
            if wrong := mismatch(self.build(path), self.scope[TASK]):
                self.note(path, wrong)

    def check_needs(self, paths: Sequence[KeyPath], offers: frozenset[str]) -> list[KeyPath]:
        """Note unmet needs of components; the paths that have some."""
        unmet = []
        for path in (p for p in paths if p in self.spec.components):
            task, run = self.task_of(path), self.scope[TASK]
            here = offers if task in (None, run) else (offers - run.offers) | task.offers
            component = self.built.get(path, self.spec.components[path].cls)
            for reason in unmet_needs(component, here):
                self.note(path, reason)
                unmet.append(path)
        return unmet

    def note(self, path: KeyPath, reason: str) -> None:
        """Note a problem of the component at a path."""
        self.problems.append(f"{self._where(path)}: {self.spec.components[path].name!r} {reason}")

    def locate_errors(self, make: Callable[[], Any], path: KeyPath) -> Any:
        """Call, and tell an error with its location in the spec.

        Raises:
            SpecError: in place of any other of wflow's errors, with what was noted before.
        """
        try:
            return make()
        except SpecError:
            raise
        except WflowError as error:
            found = {*self.problems, f"{self._where((*path, *error.option))}: {error}"}
            raise SpecError(sorted(found, key=location_key)) from error

    def _where(self, path: KeyPath) -> str:
        return f"{self.spec.source.location(path)}: {dotted(path)}"


def mismatch(task: Task, run: Task) -> str | None:
    """Why networks of a run cannot be measured on another task; None where they can."""
    if run.signature != task.signature:
        return f"has {task.signature}; the networks of this run have {run.signature}"
    if task.objective and run.objective and type(task.objective) is not type(run.objective):
        names = (type(of.objective).__name__ for of in (task, run))
        return "has the objective {}; the networks of this run are of {}".format(*names)
    return None
