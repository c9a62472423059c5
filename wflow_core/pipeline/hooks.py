"""Calls of hooks: guarded, so that an error says whose it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import pluggy

from wflow_core.errors import HookError, suggest
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.hook import METHODS, Hook, HookSpecs


class Hooks:
    """The hooks of one run. A hook that raises is named and stops the run.

    Args:
        hooks: ``(name, hook)``, called in this order.

    Raises:
        HookError: a method of a hook is none of :class:`HookSpecs`, or has other arguments.
    """

    def __init__(self, hooks: Sequence[tuple[str, Hook]] = ()):
        self._manager = pluggy.PluginManager("wflow")
        self._manager.add_hookspecs(HookSpecs)
        for name, hook in reversed(hooks):  # pluggy calls the last registered first
            try:
                self._manager.register(_guarded(name, hook), name=f"{name} {id(hook)}")
            except pluggy.PluginValidationError as error:
                raise HookError(f"hook {name!r}: {str(error).splitlines()[-1]}") from error

    @classmethod
    def of(cls, components: Components) -> Hooks:
        """Those that a spec names."""
        names = [of["type"] for of in components.resolved["hooks"]]
        return cls(list(zip(names, components.hooks, strict=True)))

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return getattr(self._manager.hook, f"wflow_{method}")

    def progress(self, stage: str) -> Callable[..., None]:
        """The callback that reports the progress of a stage to the hooks."""

        def progress(step: int, total: int, **values: float) -> None:
            self.step(stage=stage, step=step, total=total, values=values)

        return progress


def _guarded(name: str, hook: Hook) -> object:
    """The hook with every method wrapped so that an error names it."""
    methods = {m: getattr(hook, m) for m in dir(hook) if m.startswith("wflow_")}
    for method, of in methods.items():
        if method not in METHODS:
            known = f"{suggest(method, METHODS)}; hook methods: {', '.join(METHODS)}"
            raise HookError(f"hook {name!r}: {method} is not a hook method{known}")
        if not hasattr(of, "wflow_impl"):
            raise HookError(f"hook {name!r}: {method} is not marked with @hookimpl")
    wrapped = {m: staticmethod(_naming(name, m, f)) for m, f in methods.items()}
    return type(f"Guarded{type(hook).__name__}", (), wrapped)()


def _naming(name: str, method: str, of: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(of)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return of(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise HookError(
                f"hook {name!r} raised in {method}: {type(error).__name__}: {error}; "
                "remove it from `hooks` in the spec, or fix it"
            ) from error

    return call
