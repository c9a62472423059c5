"""Observers of a run: pluggy hook specifications, and guarded calls.

A hook watches; it changes nothing. Write a subclass of :class:`Hook`, mark methods with
:data:`hookimpl`, register it under the entry-point group ``wflow.hooks`` and name it in the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pluggy

from wflow_core.errors import HookError
from wflow_core.interfaces.component import Component
from wflow_core.registry import suggest

hookspec = pluggy.HookspecMarker("wflow")
hookimpl = pluggy.HookimplMarker("wflow")


class Hook(Component):
    """An observer; implements any of :class:`HookSpecs`."""


class HookSpecs:
    """The moments that a hook may watch. An argument that is not wanted may be left out."""

    @hookspec
    def wflow_run_start(self, spec: Mapping[str, Any], folder: Path) -> None:
        """A run begins: the resolved spec, and the folder that it writes to."""

    @hookspec
    def wflow_stage_start(self, stage: str) -> None:
        """A stage begins: collect, canonicalize, encode, train, sample or evaluate."""

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
        """A run stops with an error, an interrupt by the user among them."""


MOMENTS = [name for name in dir(HookSpecs) if name.startswith("wflow_")]


class Hooks:
    """The hooks of one run. A hook that raises is named and stops the run.

    Args:
        hooks: ``(name, hook)``, called in this order.
    """

    def __init__(self, hooks: Sequence[tuple[str, Hook]] = ()):
        self._manager = pluggy.PluginManager("wflow")
        self._manager.add_hookspecs(HookSpecs)
        for name, hook in reversed(hooks):  # pluggy calls the last registered first
            try:
                self._manager.register(_guarded(name, hook), name=f"{name} {id(hook)}")
            except pluggy.PluginValidationError as error:
                raise HookError(f"hook {name!r}: {str(error).splitlines()[-1]}") from error

    def __getattr__(self, moment: str) -> Callable[..., Any]:
        return getattr(self._manager.hook, f"wflow_{moment}")

    def reporter(self, stage: str) -> Callable[..., None]:
        """The ``report`` of a stage: passes its steps on to the hooks."""

        def report(step: int, total: int, **values: float) -> None:
            self.step(stage=stage, step=step, total=total, values=values)

        return report


def _guarded(name: str, hook: Hook) -> object:
    """The hook with every moment wrapped so that an error says whose it is."""
    moments = {m: getattr(hook, m) for m in dir(hook) if m.startswith("wflow_")}
    for moment, method in moments.items():
        if moment not in MOMENTS:
            known = f"{suggest(moment, MOMENTS)}; moments: {', '.join(MOMENTS)}"
            raise HookError(f"hook {name!r}: {moment} is no moment{known}")
        if not hasattr(method, "wflow_impl"):
            raise HookError(f"hook {name!r}: {moment} is not marked with @hookimpl")
    wrapped = {m: staticmethod(_named(name, m, f)) for m, f in moments.items()}
    return type(f"Guarded{type(hook).__name__}", (), wrapped)()


def _named(name: str, moment: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise HookError(
                f"hook {name!r} raised in {moment}: {type(error).__name__}: {error}; "
                "remove it from `hooks` in the spec, or mend it"
            ) from error

    return call
