"""Pages name nothing that does not exist: no page, component, command, example or module."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from wflow_core import registry
from wflow_core.cli.main import main
from wflow_core.specs.located_yaml import read_text

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("extending/*.md"), *ROOT.glob("*.md")])
BUILT_IN = {(p.kind, p.name) for p in registry.plugins() if p.distribution == "weightspace-flow"}
KINDS_OF = {of.field: kind for kind, of in registry.KINDS.items() if of.field}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)^[ ]*```$", text, re.MULTILINE | re.DOTALL)


@every_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert not [target for target in local if not (page.parent / target).exists()]


@every_page
def test_components_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not set(named(text)) - BUILT_IN - set(registered(text))


def registered(text: str) -> Iterator[tuple[str, str]]:
    """Components of the page's own example, by its entry points."""
    kind_of = {of.group: kind for kind, of in registry.KINDS.items()}
    for group, lines in re.findall(r'entry-points\."([\w.]+)"\]\n((?:\w+ = .*\n)+)', text):
        yield from ((kind_of[group], name) for name in re.findall(r"^(\w+) = ", lines, re.M))


def named(text: str) -> Iterator[tuple[str, str]]:
    """Components in roles, in pieces of specs, and in words: "the prior `gaussian`"."""
    yield from re.findall(r"\{plugin\}`(\w+) (\w+)`", text)
    yield from re.findall(rf"\b({'|'.join(registry.KINDS)}) `(\w+)`", text)
    for piece in [*fenced(text, "yaml"), *re.findall(r"`(\w+: [^`\n]+)`", text)]:
        data = read_text(piece, "docs").data
        for field, value in data.items() if isinstance(data, dict) else ():
            components = value if isinstance(value, list) else [value]
            for component in components if field in KINDS_OF else ():
                name = component if isinstance(component, str) else component["type"]
                yield KINDS_OF[field], name


@every_page
def test_commands_shown_can_be_given(page: Path) -> None:
    for line in re.findall(r"^\$ wflow (.+)$", page.read_text("utf-8"), re.MULTILINE):
        name, *rest = shlex.split(line.partition(">")[0])
        command = main.get_command(main.make_context("wflow", [], resilient_parsing=True), name)
        assert command
        command.make_context(name, rest)


def test_examples_named_are_there() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    examples = set(re.findall(r"\bexamples/[\w/.-]+\.yaml", text))
    assert not [name for name in examples if not (ROOT / name).exists()]


@every_page
def test_modules_named_exist(page: Path) -> None:
    """Dotted names of ours in code, as ``wflow_plugins.sweep.run_sweep``."""
    text = page.read_text("utf-8")
    for name in set(re.findall(r"\b(wflow_(?:core|plugins)(?:\.\w+)+)", text)):
        parts = name.split(".")
        found: Any = import_module(parts[0])
        for number, part in enumerate(parts[1:], start=2):
            if not hasattr(found, part):
                import_module(".".join(parts[:number]))
            found = getattr(found, part)
