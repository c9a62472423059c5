"""Attributes an unexpected exception to its stage and plugin.

The stage is noted by the driver, the plugin found by the modules of the traceback; this module
imports neither torch nor a plugin.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

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
    plugins = [*registry.plugins(), *registry.plugins("command")]
    trace = [
        (frame.f_globals.get("__name__") or "", frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ][::-1]
    for third_party in (True, False):
        some = [p for p in plugins if (p.distribution != DISTRIBUTION) is third_party]
        for module, code, line in trace:
            if same := [p for p in some if p.module and _package(p.module) == _package(module)]:
                location = f"{Path(code.co_filename).name}:{line}"
                component = _component(trace, same) or same[0].origin
                return ErrorOrigin(stage, component, third_party, location)
    return ErrorOrigin(stage)


def one_line(text: str) -> str:
    """The first line that is not blank, shortened."""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    return shorten(line, MAX_LENGTH)


def _component(trace: Iterable[tuple[str, CodeType, int]], plugins: list[Plugin]) -> str | None:
    """The component in whose class, or alone in whose module, the innermost frame of them is."""
    for module, code, _ in trace:
        here = [p for p in plugins if p.module == module]
        owner = code.co_qualname.partition(".")[0]
        found = [p for p in here if p.entry_point.attr == owner] or here
        if len(found) == 1:
            return found[0].label
    return None


def _package(module: str) -> str:
    return module.partition(".")[0]
