from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import click
import pytest

from wflow_core import registry
from wflow_core.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import structure  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FIELDS = {of.field: kind for kind, of in registry.KINDS.items() if of.field}
GROUPS = {of.group: kind for kind, of in registry.KINDS.items()}
ENTRY_POINTS = [
    (group, name, value)
    for group, offered in PROJECT["project"]["entry-points"].items()
    for name, value in offered.items()
    if group in GROUPS
]
OTHER_GROUPS = {registry.COMMANDS, registry.DEFAULTS, registry.RUN_OPTIONS}
# Words of the core that happen to be names of plugins, too: file -> word -> its meaning there.
HOMONYMS = {
    "interfaces/canonicalizer.py": {"function": "what a canonicalizer preserves"},
    "interfaces/needs.py": {"initializer": "what an architecture offers"},
    "networks/equivalence.py": {"function": "what a canonicalizer preserves"},
    "specs/problems.py": {"union": "a type that is one of several"},
    "weights/weight_set.py": {"covariates": "an attribute of a weight set"},
}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # import_module("...") and the like


def test_the_core_imports_no_plugin() -> None:
    files = sorted((ROOT / "wflow_core").rglob("*.py"))
    assert len(files) > 30
    for file in files:
        for name in imported(ast.parse(file.read_text())):
            assert not name.startswith("wflow_plugins"), file


def test_no_files_of_the_core_import_each_other_in_a_circle() -> None:
    """Not for their types, either."""
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in (ROOT / "wflow_core").rglob("*.py")
    }
    imports = {name: set[str]() for name in files}
    for name, file in files.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                imports[name] |= (names | {node.module} if names - files.keys() else names) - {name}
    order = TopologicalSorter({name: of & files.keys() for name, of in imports.items()})
    assert len(list(order.static_order())) == len(files)  # CycleError names the circle


def literals(tree: ast.AST) -> set[str]:
    """Strings of a module that are no docstrings."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None
    }
    strings = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n not in documented)
    return {node.value for node in strings if isinstance(node.value, str)}


def test_the_core_names_no_plugin() -> None:
    """No component is a special case of the core: none stands there by its name."""
    offered = PROJECT["project"]["entry-points"].items()
    names = {name for group, of in offered if group != registry.DEFAULTS for name in of}
    names -= {*registry.KINDS, *FIELDS}
    core = ROOT / "wflow_core"
    named = {
        path.relative_to(core).as_posix(): literals(ast.parse(path.read_text())) & names
        for path in core.rglob("*.py")
        if "testing" not in path.relative_to(core).parts
    }
    assert {file: of for file, of in named.items() if of} == {
        file: of.keys() for file, of in HOMONYMS.items()
    }


def test_packages_of_the_core_lie_in_few_layers_without_a_cycle() -> None:
    edges = structure.graph(ROOT / "wflow_core")
    assert {"assembly", "cli", "interfaces", "pipeline", "specs"} <= edges.keys()
    path, cycles = structure.layers(edges)
    assert cycles == []
    assert len(path) <= 9, path


def test_every_entry_point_is_a_class_in_a_file_of_its_own() -> None:
    modules = Counter(value.partition(":")[0] for _, _, value in ENTRY_POINTS)
    assert modules.most_common(1)[0][1] == 1
    assert PROJECT["project"]["entry-points"].keys() == GROUPS.keys() | OTHER_GROUPS
    for group, name, value in ENTRY_POINTS:
        module, _, cls = value.partition(":")
        assert module == f"wflow_plugins.{group.removeprefix('wflow.')}.{name}"
        tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text())
        assert cls in [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize(("group", "name", "value"), ENTRY_POINTS)
def test_every_entry_point_loads_as_its_kind(group: str, name: str, value: str) -> None:
    loaded = registry.load(GROUPS[group], name)
    assert f"{loaded.__module__}:{loaded.__qualname__}" == value
    assert loaded.__doc__


@pytest.mark.parametrize("name", PROJECT["project"]["entry-points"][registry.COMMANDS])
def test_every_command_of_ours_is_one_and_says_what_it_does(name: str) -> None:
    command = main.get_command(main.make_context("wflow", [], resilient_parsing=True), name)
    assert isinstance(command, click.Command)
    assert command.help


def test_every_kind_has_an_interface_in_a_file_of_its_own() -> None:
    for kind, of in registry.KINDS.items():
        module, _, name = of.interface.partition(":")
        assert module == f"wflow_core.interfaces.{kind}"
        assert registry.interface_of(kind).__name__ == name


def test_defaults_are_names_of_fields_and_of_components() -> None:
    defaults = dict(registry.defaults())
    renamed, rewrite = defaults.pop("renamed"), defaults.pop("rewrite")
    assert {*defaults, *rewrite} <= FIELDS.keys()
    for field, value in defaults.items():
        for name in value if registry.KINDS[FIELDS[field]].many else [value]:
            assert registry.find(FIELDS[field], name)
    for former, now in renamed.items():
        kind, _, name = former.partition(" ")
        assert registry.find(kind, now)
        assert name not in {p.name for p in registry.plugins(kind)}
