"""Building the components that a spec names, and checking what they need.

Errors of a component's own are told with its place in the spec; needs that are not met are
collected, so that all are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from wflow_core.errors import SpecError, WflowError
from wflow_core.interfaces.task import Signature, Task
from wflow_core.space import missing
from wflow_core.specs.problems import Path, dotted
from wflow_core.specs.spec import SpecFile


class Builder:
    """Builds components by the name of their place in the spec.

    Args:
        given: components that are there already, by their place.

    Attributes:
        problems: needs that are not met, a line each.
        built: path in the spec -> component.
    """

    def __init__(self, file: SpecFile, given: Mapping[Path, Any] | None = None):
        self.file, self.found = file, file.found
        self.problems: list[str] = []
        self.built: dict[Path, Any] = dict(given or {})

    def make(self, name: str, *context: Any) -> Any:
        return self.build((name,), *context)

    def make_all(self, name: str, *context: Any) -> tuple[Any, ...]:
        return tuple(self.build(path, *context) for path in self.paths(name))

    def paths(self, name: str) -> list[Path]:
        return [path for path in self.found if path[0] == name and isinstance(path[-1], int)]

    def zoos(self) -> list[Path]:
        """The zoo, and the sources within it."""
        return [path for path in self.found if path[0] == "zoo" and path[-1] != "task"]

    def build(self, path: Path, *context: Any) -> Any:
        found = self.found[path]
        if path not in self.built:
            made = self.at(path[0], lambda: found.cls(*context, **found.options), path)
            self.built[path] = made
        return self.built[path]

    def at(self, name: str | int, make: Callable[[], Any], path: Path | None = None) -> Any:
        """Errors of a component's own, told with its place in the spec."""
        path = path or (name,)
        try:
            return make()
        except SpecError:
            raise
        except WflowError as error:
            raise SpecError([f"{self.file.source.place(path)}: {dotted(path)}: {error}"]) from error

    def make_tasks(self) -> dict[str, Task]:
        """Tasks of single components, by their place, each built once.

        One that does not fit the networks of the run is a problem.
        """
        run: Task = self.built[("task",)]
        for path in (p for p in self.found if p[-1] == "task" and len(p) > 1):
            twins = (p for p in self.built if self.found[p] == self.found[path])
            if twin := next(twins, None):
                self.built[path] = self.built[twin]
            task: Task = self.build(path)
            if wrong := self.at(path[0], partial(misfit, task, run), path):
                self.problems.append(
                    f"{self.file.source.place(path)}: {dotted(path)}: {self.found[path].name!r} "
                    f"{wrong}"
                )
        return {dotted(p): of for p, of in self.built.items() if p[-1] == "task" and len(p) > 1}

    def task_of(self, path: Path) -> Task:
        """The task of a component: its own, or the run's."""
        task: Task = self.built.get((*path, "task"), self.built[("task",)])
        return task

    def check(self, paths: list[Path], offers: frozenset[str]) -> None:
        for path in paths:
            if path in self.found:
                found, at = self.found[path], self.file.source.place(path)
                run, own = self.built[("task",)], self.task_of(path)
                here = offers if own is run else (offers - run.offers) | own.offers
                self.problems += [
                    f"{at}: {dotted(path)}: {found.name!r} {reason}"
                    for reason in missing(self.built.get(path, found.cls), here)
                ]

    def resolved(self) -> dict[str, Any]:
        resolved: dict[str, Any] = self.file.spec.model_dump(mode="json")
        # Where samples are of the run's own architecture, nothing is said of another.
        if resolved["sample"]["architecture"] is None:
            del resolved["sample"]["architecture"]
        if not self.file.spec.condition.records:
            del resolved["condition"]
        if self.file.spec.nulls is None:
            del resolved["nulls"]
        for path, found in self.found.items():
            whole = {"type": found.name} | found.cls.Config(**found.options).model_dump(mode="json")
            within: Any = resolved
            for key in path[:-1]:
                within = within[key]
            within[path[-1]] = whole
        return resolved

    def origins(self) -> dict[str, str]:
        """Where each component comes from, by its place."""
        return {dotted(path): found.origin for path, found in self.found.items()}


def misfit(task: Task, run: Task) -> str | None:
    """Why networks of a run cannot be measured on another task; None where they can."""
    wanted, got = run.signature, task.signature
    if wanted != got:
        return (
            f"has inputs {_inputs(got)} and {got.outputs} outputs; the networks of this run take "
            f"{_inputs(wanted)} and give {wanted.outputs}"
        )
    if task.objective and run.objective and type(task.objective) is not type(run.objective):
        names = (type(of.objective).__name__ for of in (task, run))
        return "has the objective {}; the networks of this run are of {}".format(*names)
    return None


def _inputs(of: Signature) -> str:
    """The shape of an input, and how many tokens there are where it holds their ids."""
    tokens = "" if of.vocabulary is None else f" of a vocabulary of {of.vocabulary} tokens"
    return f"{list(of.inputs)}{tokens}"
