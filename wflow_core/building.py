"""Building the components that a spec names, and checking what they need.

Errors of a component's own are told with its place in the spec; needs that are not met are
collected, so that all are told at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wflow_core.errors import SpecError, WflowError
from wflow_core.space import missing
from wflow_core.spec import SpecFile
from wflow_core.spec_errors import Path, dotted


class Builder:
    """Builds components by the name of their place in the spec.

    Attributes:
        problems: needs that are not met, a line each.
        built: path in the spec -> component.
    """

    def __init__(self, file: SpecFile):
        self.file, self.found = file, file.found
        self.problems: list[str] = []
        self.built: dict[Path, Any] = {}

    def make(self, name: str, *context: Any) -> Any:
        return self.build((name,), *context)

    def make_all(self, name: str, *context: Any) -> tuple[Any, ...]:
        return tuple(self.build(path, *context) for path in self.paths(name))

    def paths(self, name: str) -> list[Path]:
        return [path for path in self.found if path[0] == name and len(path) > 1]

    def build(self, path: Path, *context: Any) -> Any:
        found = self.found[path]
        self.built[path] = self.at(path[0], lambda: found.cls(*context, **found.options), path)
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

    def check(self, paths: list[Path], offers: frozenset[str]) -> None:
        for path in paths:
            if path in self.found:
                found, at = self.found[path], self.file.source.place(path)
                self.problems += [
                    f"{at}: {dotted(path)}: {found.name!r} {reason}"
                    for reason in missing(self.built.get(path, found.cls), offers)
                ]

    def resolved(self) -> dict[str, Any]:
        resolved: dict[str, Any] = self.file.spec.model_dump(mode="json")
        for path, found in self.found.items():
            whole = {"type": found.name} | found.cls.Config(**found.options).model_dump(mode="json")
            name = str(path[0])
            if len(path) == 1:
                resolved[name] = whole
            else:
                resolved[name][path[1]] = whole
        return resolved

    def origins(self) -> dict[str, str]:
        """Where each component comes from, by its place."""
        return {dotted(path): found.origin for path, found in self.found.items()}
