"""Observers of a run: pluggy hook specifications.

A hook observes and changes nothing. Write a subclass of :class:`Hook`, mark its methods with
:data:`hookimpl`, register it under the entry-point group ``wflow.hooks`` and name it in the spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy

from wflow_core.interfaces.component import Component

hookspec = pluggy.HookspecMarker("wflow")
hookimpl = pluggy.HookimplMarker("wflow")


class Hook(Component):
    """An observer; implements any of :class:`HookSpecs`."""


class HookSpecs:
    """The events that a hook may observe. Arguments that a hook does not use may be left out."""

    @hookspec
    def wflow_run_start(self, spec: Mapping[str, Any], folder: Path) -> None:
        """A run begins: the resolved spec, and the folder that it writes to."""

    @hookspec
    def wflow_stage_start(self, stage: str) -> None:
        """A stage begins; by default collect, canonicalize, encode, train, sample or evaluate."""

    @hookspec
    def wflow_step(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        """A stage has done ``step`` of ``total``; ``values`` are what it measured, if anything."""

    @hookspec
    def wflow_stage_end(self, stage: str, seconds: float, reused: bool) -> None:
        """A stage is done; ``reused`` where its result was found finished."""

    @hookspec
    def wflow_run_end(self, metrics: Mapping[str, Any], folder: Path) -> None:
        """A run is done: the content of ``metrics.json``."""

    @hookspec
    def wflow_run_failed(self, error: BaseException) -> None:
        """A run stops with an error, which may be an interrupt by the user."""


METHODS = [name for name in dir(HookSpecs) if name.startswith("wflow_")]
