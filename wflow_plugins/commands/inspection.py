"""Problems of plugins, found by reading their sources or by importing them.

This module imports neither torch nor a plugin by itself.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from typing import Any

import click

from wflow_core.cli.plugins import import_problem
from wflow_core.registry import Plugin, duplicate_message

Problems = dict[Plugin, str | None]


def problems(plugins: Iterable[Plugin], check: bool = False) -> Problems:
    """The problem of each plugin, None where none is known.

    Args:
        check: import each and compare it with its interface; else its source is read alone.
    """
    found: Problems = {}
    plugins = list(plugins)
    for plugin in plugins:
        same = [p for p in plugins if (p.kind, p.name) == (plugin.kind, plugin.name)]
        found[plugin] = duplicate_message(same) if len(same) > 1 else _hidden(plugin)
        found[plugin] = found[plugin] or (import_problem(plugin) if check else read(plugin))
    return found


def _hidden(plugin: Plugin) -> str | None:
    """A command that the running program has itself."""
    context = click.get_current_context(silent=True)
    program = context.find_root().command if context else None
    if plugin.kind != "command" or not isinstance(program, click.Group):
        return None
    return (
        "has the name of a command of the core; rename it"
        if plugin.name in program.commands
        else None
    )


def read(plugin: Plugin) -> str | None:
    """The problem that the source of a plugin shows: missing, no Python, or without the class."""
    try:
        module, wanted = plugin.entry_point.module, plugin.entry_point.attr or ""
    except AttributeError:
        return f"its entry point {plugin.entry_point.value!r} is not module:Class"
    try:
        tree = _tree(module)
    except ModuleNotFoundError as error:
        return str(error)
    except (SyntaxError, ValueError, RecursionError, ImportError, OSError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        return f"module {module!r} cannot be read: {line}{getattr(error, 'msg', None) or error}"
    if tree is None:
        return None
    missing = [name for name in _imports(tree) if not _installed(name)]
    if missing:
        return f"module {module!r} imports {missing[0]!r}, which is not installed"
    names = set(_names(tree.body))
    if wanted.split(".")[0] not in names and not names & {"*", "__getattr__"}:
        return f"module {module!r} has no {wanted or 'class named'!r}"
    return None


def _tree(module: str) -> ast.Module | None:
    """The source of a module as a tree; None where it has none to be read.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    try:
        spec = _spec(module)
    except KeyError:  # import asks for the parent of a namespace in a namespace, not imported yet
        return None
    source = getattr(spec.loader, "get_source", lambda name: None)(module)
    return None if source is None else ast.parse(source)


def _spec(module: str) -> ModuleSpec:
    """Where a module is, found as import would find it, but without importing its packages."""
    path: Any = None
    spec: ModuleSpec | None = getattr(sys.modules.get(module), "__spec__", None)
    names = module.split(".") if spec is None else []
    for depth in range(1, len(names) + 1):
        name = ".".join(names[:depth])
        found = (f.find_spec(name, path) for f in sys.meta_path if hasattr(f, "find_spec"))
        spec = next((s for s in found if s is not None), None)
        if spec is None:
            raise ModuleNotFoundError(f"there is no module {name!r}")
        # The private list, since that of a namespace package asks for its parent.
        places = spec.submodule_search_locations
        path = getattr(places, "_path", places)
        if path is None and depth < len(names):
            raise ModuleNotFoundError(f"{name!r} is no package that could hold {module!r}")
    assert spec is not None  # split gives one name at least
    return spec


@cache
def _installed(name: str) -> bool:
    try:
        return bool(_spec(name))
    except ModuleNotFoundError:
        return False


def _imports(tree: ast.Module) -> Iterator[str]:
    """Top packages that a module cannot do without: imports outside of any block."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module binds, in its blocks, too; ``*`` where an import hides them."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            blocks = (getattr(node, field, []) for field in ("body", "orelse", "finalbody"))
            for block in (*blocks, *(handler.body for handler in getattr(node, "handlers", []))):
                yield from _names(block)
        else:
            yield from (n.id for n in ast.walk(node) if isinstance(n, ast.Name))
