"""Whose an unexpected error is: the stage of the road, and the component that it came out of.

Read from the frames of its traceback; this module imports neither torch nor a plugin.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from wflow_core import registry
from wflow_core.registry import Plugin

OURS = "weightspace-flow"
ROAD = ("wflow_core.runs.road", "Road._stage")
"""The function whose ``stage`` is the stage, by module and name."""
LONGEST = 300
"""Letters of a reason, at most."""

Frames = list[tuple[FrameType, int]]


@dataclass(frozen=True)
class Blame:
    """What the frames of an error tell.

    Attributes:
        stage: of the road; None outside of any.
        owner: the component, or the distribution alone where only that can be told; None for none.
        foreign: the owner is of another distribution than wflow's own.
        place: ``file.py:line`` in the owner.
    """

    stage: str | None = None
    owner: str | None = None
    foreign: bool = False
    place: str | None = None

    def told(self, error: BaseException) -> str:
        """The error in a line, with its stage and its owner."""
        stage = f"stage {self.stage}: " if self.stage else ""
        owner = f"{self.owner} raised " if self.owner else ""
        place = f" ({self.place})" if self.place else ""
        return f"{stage}{owner}{one_line(f'{type(error).__name__}: {error}')}{place}"


def blame(error: BaseException) -> Blame:
    """Whose the error is: of the innermost frame of another's package, else of one of ours."""
    frames = list(traceback.walk_tb(error.__traceback__))[::-1]
    stages = (f.f_locals.get("stage") for f, _ in frames if _name(f) == ROAD)
    stage = next((str(found) for found in stages), None)
    everything = [p for p in (*registry.plugins(), *registry.plugins("command")) if _module(p)]
    for foreign in (True, False):
        plugins = [p for p in everything if (p.distribution != OURS) == foreign]
        for i, (frame, line) in enumerate(frames):
            if same := [p for p in plugins if _top(_module(p)) == _top(_name(frame)[0])]:
                origin = same[0].origin
                owner = next(_components(frames[i:], [p for p in same if p.origin == origin]), None)
                place = f"{Path(frame.f_code.co_filename).name}:{line}"
                return Blame(stage, owner.label if owner else origin, foreign, place)
    return Blame(stage)


def one_line(text: str) -> str:
    """The first line that says something, shortened."""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _components(frames: Frames, plugins: Sequence[Plugin]) -> Iterator[Plugin]:
    """Components whose own code the frames are, innermost first."""
    for frame, _ in frames:
        here = [p for p in plugins if _module(p) == _name(frame)[0]]
        classes = {cls.__name__ for cls in type(frame.f_locals.get("self")).__mro__}
        acting = [p for p in here if p.entry_point.attr in classes]
        if len(acting or here) == 1:
            yield (acting or here)[0]


def _module(plugin: Plugin) -> str:
    try:
        return plugin.entry_point.module
    except AttributeError:  # an entry point that is not module:Class
        return ""


def _name(frame: FrameType) -> tuple[str, str]:
    return str(frame.f_globals.get("__name__")), frame.f_code.co_qualname


def _top(module: str) -> str:
    return module.partition(".")[0]
