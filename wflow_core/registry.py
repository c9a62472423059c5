"""The registries: one entry-point group a kind, read through importlib.metadata.

Nothing is imported before a spec names it; this module imports neither torch nor a plugin.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from inspect import Parameter, signature
from typing import Any

from wflow_core.errors import PluginError, suggest


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Attributes:
        group: its entry-point group.
        interface: what its plugins implement, ``module:Class``.
        field: the field of a spec that names one; None where only other components hold it.
        many: the field is a list.
        required: a spec without the field is an error.
    """

    group: str
    interface: str
    field: str | None = None
    many: bool = False
    required: bool = False


def _kind(name: str, interface: str, field: str | None = None, **how: bool) -> Kind:
    plural = {"velocity": "velocities", "loss": "losses"}.get(name, f"{name}s")
    return Kind(f"wflow.{plural}", f"wflow_core.interfaces.{name}:{interface}", field, **how)


# In the order in which components are built: each may use those before it.
KINDS: dict[str, Kind] = {
    "task": _kind("task", "Task", "task", required=True),
    "architecture": _kind("architecture", "Architecture", "architecture", required=True),
    "zoo": _kind("zoo", "ZooSource", "zoo", required=True),
    "canonicalizer": _kind("canonicalizer", "Canonicalizer", "canonicalizers", many=True),
    "codec": _kind("codec", "Codec", "codec"),
    "manifold": _kind("manifold", "Manifold", "manifold"),
    "condition": _kind("condition", "Condition", "condition"),
    "prior": _kind("prior", "Prior", "prior", required=True),
    "coupling": _kind("coupling", "Coupling", "coupling", required=True),
    "velocity": _kind("velocity", "Velocity", "velocity", required=True),
    "time": _kind("time", "TimeSampler"),
    "loss": _kind("loss", "Loss"),
    "optimizer": _kind("optimizer", "Optimizer"),
    "solver": _kind("solver", "Solver", "solver"),
    "guidance": _kind("guidance", "Guidance", "guidance"),
    "metric": _kind("metric", "Metric", "metrics", many=True),
    "baseline": _kind("baseline", "Baseline", "baselines", many=True),
    "stage": _kind("stage", "Stage", "stages", many=True),
    "hook": _kind("hook", "Hook", "hooks", many=True),
}
COMMANDS, DEFAULTS, RUN_OPTIONS = "wflow.commands", "wflow.defaults", "wflow.run_options"


@dataclass(frozen=True)
class Plugin:
    """An entry point, and the distribution that offers it."""

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def module(self) -> str:
        """Nothing for an entry point that is not ``module:Class``."""
        return str(getattr(self.entry_point, "module", ""))

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name!r} of {self.origin}"


def plugins(kind: str | None = None) -> list[Plugin]:
    """Installed plugins, of one kind or of all, in the order of kinds and names."""
    kinds = [kind] if kind else list(KINDS)
    found = [p for p in _all_plugins() if p.kind in kinds]
    return sorted(found, key=lambda p: (kinds.index(p.kind), p.name, p.distribution))


def commands() -> dict[str, Plugin]:
    """Further commands by name; of two of one name, the first on the path."""
    return {p.name: p for p in reversed(_all_plugins()) if p.kind == "command"}


def defaults() -> Mapping[str, Any]:
    """Components of spec fields that a spec leaves out, by field; see ``wflow.defaults``.

    Each entry point of that group is a mapping: ``field -> component``, as a spec writes it.
    """
    merged: dict[str, Any] = {}
    for plugin in (p for p in _all_plugins() if p.kind == "default"):
        merged = dict(import_plugin(plugin)) | merged
    return merged


def _all_plugins() -> tuple[Plugin, ...]:
    return _scan(tuple((path, _modified(path)) for path in sys.path))


def _modified(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return 0


@cache
def _scan(path: tuple[tuple[str, int], ...]) -> tuple[Plugin, ...]:
    """What all distributions on the path offer; read again when one of its folders changes."""
    found: list[Plugin] = []
    seen: set[str] = set()
    for dist in distributions():
        offered = _entry_points(dist)
        normal = re.sub(r"[-_.]+", "-", offered[0].distribution).lower() if offered else ""
        # Of a distribution that lies on the path twice, the first is the one that imports.
        if offered and normal not in seen:
            seen.add(normal)
            found += offered
    return tuple(found)


def _entry_points(dist: Distribution) -> list[Plugin]:
    """What a distribution offers; nothing where its metadata is damaged."""
    groups = {of.group: kind for kind, of in KINDS.items()}
    groups |= {COMMANDS: "command", DEFAULTS: "default", RUN_OPTIONS: "run option"}
    try:
        ours = dict.fromkeys(e for e in dist.entry_points if e.group in groups)
        name, version = (dist.metadata["Name"], dist.version) if ours else ("", "")
        return [Plugin(groups[e.group], e.name, name, version, e) for e in ours]
    except Exception:  # whatever its parser meets: somebody else's package stops no run
        return []


def find(kind: str, name: str) -> Plugin:
    """The one plugin of that kind and name.

    Raises:
        PluginError: there is none (with what is installed and a guess), or more than one.
    """
    offered = plugins(kind)
    matches = [p for p in offered if p.name == name]
    if len(matches) > 1:
        raise PluginError(f"{kind} {name!r} {duplicate_message(matches)}")
    if not matches:
        names = [p.name for p in offered]
        now = defaults().get("renamed", {}).get(f"{kind} {name}")
        hint = f" (renamed to {now!r})" if now else suggest(name, names)
        installed = f"installed: {', '.join(names)}" if names else f"no {kind} is installed"
        raise PluginError(f"unknown {kind} {name!r}{hint}; {installed}")
    return matches[0]


def load(kind: str, name: str) -> type[Any]:
    """Import the class of a plugin.

    Raises:
        PluginError: it is unknown, fails to import, or does not implement the interface.
    """
    return load_plugin(find(kind, name))


def load_plugin(plugin: Plugin) -> type[Any]:
    """The same for a plugin that was found."""
    loaded, interface = import_plugin(plugin), interface_of(plugin.kind)
    if not (isinstance(loaded, type) and issubclass(loaded, interface)):
        of = f"{interface.__module__}.{interface.__qualname__}"
        raise PluginError(f"{plugin.label} is {loaded!r}, not a subclass of {of}")
    if lacks := sorted(getattr(loaded, "__abstractmethods__", ())):
        raise PluginError(f"{plugin.label} does not implement {', '.join(lacks)}")
    if mismatch := _mismatch(loaded, plugin.kind):
        raise PluginError(f"{plugin.label} {mismatch}")
    return loaded


def import_plugin(plugin: Plugin) -> Any:
    """Import what an entry point names.

    Raises:
        PluginError: it fails to import.
    """
    try:
        return plugin.entry_point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{plugin.label} fails to import from {plugin.entry_point.value!r}: "
            f"{type(error).__name__}: {error}; fix or reinstall {plugin.distribution}"
        ) from error


def interface_of(kind: str) -> type[Any]:
    """The abstract class that plugins of a kind implement."""
    module, _, name = KINDS[kind].interface.partition(":")
    interface: type[Any] = getattr(import_module(module), name)
    return interface


@cache
def context_of(kind: str) -> tuple[str, ...]:
    """Names of what a component of the kind is built from, beside its options."""
    return tuple(
        name
        for name, of in signature(interface_of(kind)).parameters.items()
        if of.kind is Parameter.POSITIONAL_OR_KEYWORD
    )


def _mismatch(cls: type[Any], kind: str) -> str | None:
    """How a class differs from its interface, so that it cannot be built; None where it can."""
    context, options = context_of(kind), getattr(cls.Config, "model_fields", None)
    if options is None:
        return f"has a Config {cls.Config!r}, which is no subclass of Options"
    if not isinstance(cls.needs, frozenset) or not isinstance(cls.offers, frozenset):
        return "has needs or offers that are not frozensets of names"
    if taken := sorted({"type", *context} & options.keys()):
        return f"has an option {taken[0]!r}, the name of what it is built from; rename it"
    try:
        signature(cls).bind(**dict.fromkeys(context), **dict.fromkeys(options))
    except TypeError as error:
        expected = ", ".join(["self", *context, "**options"])
        return f"has an __init__{signature(cls)} that cannot be called as ({expected}): {error}"
    return None


def load_command(plugin: Plugin) -> Any:
    """Import a further command.

    Raises:
        PluginError: it fails to import, or is no click command.
    """
    import click

    command = import_plugin(plugin)
    if not isinstance(command, click.Command):
        value = plugin.entry_point.value
        raise PluginError(f"{plugin.label} ({value}) is {command!r}, not a click command")
    return command


def duplicate_message(matches: Iterable[Plugin]) -> str:
    """Several plugins of one kind and name, in words."""
    return f"is offered by {' and by '.join(p.origin for p in matches)}; uninstall one of them"
