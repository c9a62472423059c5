from __future__ import annotations

import ast
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
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRY_POINTS = [
    (group, name, value)
    for group, offered in PROJECT["project"]["entry-points"].items()
    for name, value in offered.items()
    if group != registry.COMMANDS
]


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


def test_every_entry_point_is_a_class_in_a_file_of_its_own() -> None:
    modules = Counter(value.partition(":")[0] for _, _, value in ENTRY_POINTS)
    assert modules.most_common(1)[0][1] == 1
    groups = {group: kind for kind, (group, _) in registry.KINDS.items()}
    for group, name, value in ENTRY_POINTS:
        assert group in groups
        module, _, cls = value.partition(":")
        assert module == f"wflow_plugins.{group.removeprefix('wflow.')}.{name}"
        tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text())
        assert cls in [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize(("group", "name", "value"), ENTRY_POINTS)
def test_every_entry_point_loads_as_its_kind(group: str, name: str, value: str) -> None:
    kind = next(k for k, (g, _) in registry.KINDS.items() if g == group)
    loaded = registry.load(kind, name)
    assert f"{loaded.__module__}:{loaded.__qualname__}" == value
    assert loaded.__doc__


@pytest.mark.parametrize("name", PROJECT["project"]["entry-points"][registry.COMMANDS])
def test_every_command_of_ours_is_one_and_says_what_it_does(name: str) -> None:
    command = main.get_command(main.make_context("wflow", [], resilient_parsing=True), name)
    assert isinstance(command, click.Command)
    assert command.help


def test_every_kind_has_an_interface_file() -> None:
    files = {path.stem for path in (ROOT / "wflow_core" / "interfaces").glob("*.py")}
    assert files - {"__init__", "component"} == registry.KINDS.keys() - {"hook"}
