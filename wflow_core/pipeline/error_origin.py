"""Attributes an unexpected exception to its stage and plugin.

The stage is noted by the driver, the plugin found by the modules of the traceback; this module
imports neither torch nor a plugin.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wflow_core import registry
from wflow_core.errors import shorten
from wflow_core.registry import Plugin

DISTRIBUTION = "weightspace-flow"
STAGE = "wflow_stage"
"""Attribute of an exception: the stage that raised it."""
MAX_LENGTH = 300
"""Characters of a reason."""


@contextmanager
def note_stage(name: str) -> Iterator[None]:
    """Note on any exception of the block which stage raised it."""
    try:
        yield
    except BaseException as error:
        setattr(error, STAGE, name)
        raise


@dataclass(frozen=True)
class ErrorOrigin:
    """Where an exception came from.

    Attributes:
        stage: of the pipeline; None outside of any.
        component: that raised it, or its distribution where only that is known; None for none.
        third_party: it is of another distribution than wflow's own.
        location: ``file.py:line`` in the component.
    """

    stage: str | None = None
    component: str | None = None
    third_party: bool = False
    location: str | None = None

    def format(self, error: BaseException) -> str:
        """The error in a line, with its stage and its component."""
        stage = f"stage {self.stage}: " if self.stage else ""
        component = f"{self.component} raised " if self.component else ""
        location = f" ({self.location})" if self.location else ""
        return f"{stage}{component}{one_line(f'{type(error).__name__}: {error}')}{location}"


def find_origin(error: BaseException) -> ErrorOrigin:
    """The origin of an error: the innermost frame of a third-party plugin, else of a built-in."""
    stage: str | None = getattr(error, STAGE, None)
    plugins = [(_module(p), p) for p in (*registry.plugins(), *registry.plugins("command"))]
    built_in = None
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = _package(frame.f_globals.get("__name__"))
        same = [(module, p) for module, p in plugins if module and _package(module) == package]
        if same:
            own = same[0][1].distribution == DISTRIBUTION
            location = f"{Path(frame.f_code.co_filename).name}:{line}"
            label = _component(error, same) or same[0][1].origin
            origin = ErrorOrigin(stage, label, not own, location)
            if not own:
                return origin
            built_in = built_in or origin
    return built_in or ErrorOrigin(stage)


def one_line(text: str) -> str:
    """The first line that is not blank, shortened."""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    return shorten(line, MAX_LENGTH)


def _component(error: BaseException, plugins: Sequence[tuple[str, Plugin]]) -> str | None:
    """The component in whose class, or alone in whose module, the innermost frame of them is."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        here = [p for module, p in plugins if module == frame.f_globals.get("__name__")]
        owner = frame.f_code.co_qualname.partition(".")[0]
        found = [p for p in here if p.entry_point.attr == owner] or here
        if len(found) == 1:
            return found[0].label
    return None


def _module(plugin: Plugin) -> str:
    """Its module; nothing for an entry point that is not ``module:Class``."""
    return str(getattr(plugin.entry_point, "module", ""))


def _package(module: object) -> str:
    return str(module).partition(".")[0]
