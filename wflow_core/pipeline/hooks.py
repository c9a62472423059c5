"""Calls of hooks, each guarded, so that an error names the hook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        self._managers = [(name, _registered(name, hook)) for name, hook in hooks]

    @classmethod
    def of(cls, components: Components) -> Hooks:
        """Those that a spec names."""
        names = [of["type"] for of in components.resolved["hooks"]]
        return cls(list(zip(names, components.hooks, strict=True)))

    def __getattr__(self, method: str) -> Callable[..., None]:
        def call(**arguments: Any) -> None:
            for name, manager in self._managers:
                try:
                    getattr(manager.hook, f"wflow_{method}")(**arguments)
                except (Exception, SystemExit) as error:
                    raise HookError(
                        f"hook {name!r} raised in wflow_{method}: {type(error).__name__}: {error}; "
                        "remove it from `hooks` in the spec, or fix it"
                    ) from error

        return call

    def progress(self, stage: str) -> Callable[..., None]:
        """The callback that reports the progress of a stage to the hooks."""

        def progress(step: int, total: int, **values: float) -> None:
            self.step(stage=stage, step=step, total=total, values=values)

        return progress


def _registered(name: str, hook: Hook) -> pluggy.PluginManager:
    for method in (m for m in dir(hook) if m.startswith("wflow_")):
        if method not in METHODS:
            known = f"{suggest(method, METHODS)}; there are {', '.join(METHODS)}"
            raise HookError(f"hook {name!r}: {method} is not a hook method{known}")
        if not hasattr(getattr(hook, method), "wflow_impl"):
            raise HookError(f"hook {name!r}: {method} is not marked with @hookimpl")
    manager = pluggy.PluginManager("wflow")
    manager.add_hookspecs(HookSpecs)
    try:
        manager.register(hook)
    except pluggy.PluginValidationError as error:
        raise HookError(f"hook {name!r}: {str(error).splitlines()[-1]}") from error
    return manager
