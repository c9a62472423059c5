"""What a plugin of each kind implements, read off the interfaces."""

from __future__ import annotations

import inspect
from typing import Any

from wflow_core import registry
from wflow_core.interfaces import needs as core_needs
from wflow_core.interfaces.component import Component, Need
from wflow_core.interfaces.hook import HookSpecs
from wflow_plugins import needs as plugin_needs
from wflow_reference.components import builtins, first, interface as class_of
from wflow_reference.options import table


def kinds() -> str:
    """A table of all kinds: the page of each, its entry-point group, its class."""
    rows = [
        [
            f"[{kind}]({kind}.md)",
            f"`{of.group}`",
            f"{{py:class}}`wflow_core.{class_of(kind).__name__}`",
            first(class_of(kind)),
        ]
        for kind, of in registry.KINDS.items()
    ]
    return table(["kind", "entry-point group", "interface", "what it is"], rows)


def interface(kind: str) -> str:
    """Class, group, constructor, and the methods of a kind."""
    cls = class_of(kind)
    module, name = cls.__module__, cls.__name__
    text = [
        f"- Class: {{py:class}}`wflow_core.{name}`, defined in `{module}`",
        f"- Constructor: `{name}{_signature(cls.__init__)}`",
        f"- Entry-point group: `{registry.KINDS[kind].group}`",
        f"- {builtins(kind)}",
    ]
    found = {n: m for n, m in inspect.getmembers(cls) if _own(cls, n)}
    must = [_method(n, m) for n, m in found.items() if n in cls.__abstractmethods__]
    may = [_method(n, m) for n, m in found.items() if n not in cls.__abstractmethods__]
    methods = [*_listed("To implement:", must), *_listed("With a default:", may)]
    return "\n\n".join(["\n".join(text), *methods])


def hook_methods() -> str:
    """Every event that a hook may observe."""
    rows = [
        [f"`{name}{_signature(method)}`", first(method)]
        for name, method in vars(HookSpecs).items()
        if name.startswith("wflow_")
    ]
    return table(["method", "event"], rows)


def needs() -> str:
    """What components can need and offer."""
    modules = (core_needs, plugin_needs)
    found = {of for module in modules for of in vars(module).values() if isinstance(of, Need)}
    rows = [[f"`{need}`", need.reason.partition(";")[0]] for need in sorted(found)]
    return table(["name", "what meets it"], rows)


def _own(cls: Any, name: str) -> bool:
    """Public methods and properties of the interface itself, not of torch or of all components."""
    home = next((c for c in cls.__mro__ if name in vars(c)), None)
    member = vars(home)[name] if home else None
    wrapped = callable(member) or hasattr(member, "__get__")
    ours = isinstance(home, type) and issubclass(home, Component) and home is not Component
    public = name == "__call__" or not name.startswith("_")
    return ours and wrapped and public and name != "Config"


def _listed(title: str, items: list[str]) -> list[str]:
    return [title, "\n".join(items)] if items else []


def _method(name: str, method: Any) -> str:
    signature = _signature(method) if callable(method) else ""
    return f"- `{name}{signature}`: {first(method)}"


def _signature(function: Any) -> str:
    """Names of the arguments, with their defaults and without their types."""
    found = list(inspect.signature(function).parameters.values())[1:]
    return "(" + ", ".join(_argument(p) for p in found) + ")"


def _argument(parameter: inspect.Parameter) -> str:
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = parameter.default
    if default is parameter.empty:
        return star + parameter.name
    return f"{parameter.name}={getattr(default, '__name__', repr(default))}"
