"""The documentation misses nothing that exists, names nothing else, and builds without warning."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from wflow_core.specs.components import Slot
from wflow_core.specs.yaml_source import read_text

from wflow_core import registry
from wflow_core.cli.main import main
from wflow_core.interfaces.hook import HookSpecs
from wflow_core.specs.spec import LISTS, Spec

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

from wflow_reference import render  # noqa: E402

PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("extending/*.md"), *ROOT.glob("*.md")])
BUILT_IN = [p for p in registry.plugins() if p.distribution == "weightspace-flow"]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def rendered(name: str) -> str:
    return render((DOCS / name).read_text("utf-8"))


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)^[ ]*```$", text, re.MULTILINE | re.DOTALL)


def options(model: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all options of a model, those of nested models among them."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        models = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type)]
        models = [a for a in models if issubclass(a, BaseModel) and not issubclass(a, Slot)]
        nested = [n for m in models for n in options(m, f"{prefix}{name}.")]
        yield from nested or [prefix + name]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_kind_has_a_page_that_names_its_interface(kind: str) -> None:
    group, interface = registry.KINDS[kind]
    text = rendered(f"extending/{kind}.md")
    assert interface.replace(":", ".") in text
    assert group in text
    index = (DOCS / "extending/index.md").read_text("utf-8")
    assert re.search(rf"^{kind}$", index, re.MULTILINE), f"{kind} is not in the table of contents"
    assert f"({kind}.md)" in rendered("extending/index.md")


@pytest.mark.parametrize("moment", [m for m in vars(HookSpecs) if m.startswith("wflow_")])
def test_every_hook_moment_is_documented(moment: str) -> None:
    assert f"`{moment}(" in rendered("extending/hook.md")


@pytest.mark.parametrize("field", Spec.model_fields)
def test_every_spec_field_is_documented(field: str) -> None:
    text = rendered("spec.md")
    assert f"| `{field}` |" in text
    if LISTS.get(field, field) not in registry.KINDS:
        annotation = Spec.model_fields[field].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            missing = [n for n in options(annotation, f"{field}.") if f"| `{n}` |" not in text]
            assert not missing


@pytest.mark.parametrize("plugin", BUILT_IN, ids=lambda p: f"{p.kind} {p.name}")
def test_every_option_of_every_built_in_component_is_documented(plugin: registry.Plugin) -> None:
    _, found, rest = rendered("spec.md").partition(f"### {plugin.kind} `{plugin.name}`\n")
    assert found, f"{plugin.kind} {plugin.name} is missing"
    section = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    config = registry.load(plugin.kind, plugin.name).Config
    assert not [name for name in options(config) if f"| `{name}` |" not in section]


@pytest.mark.parametrize("name", main.commands)
def test_every_command_and_its_options_are_documented(name: str) -> None:
    _, found, rest = rendered("cli.md").partition(f"## `wflow {name}`\n")
    assert found
    section = rest.partition("\n## ")[0]
    flags = [o for p in main.commands[name].params for o in p.opts if o.startswith("--")]
    assert not [flag for flag in flags if f"`{flag}" not in section]


@every_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert not [target for target in local if not (page.parent / target).exists()]


@every_page
def test_components_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    known = {(p.kind, p.name) for p in BUILT_IN} | set(registered(text))
    assert not set(named(text)) - known


def registered(text: str) -> Iterator[tuple[str, str]]:
    """Components of the page's own example, by its entry points."""
    kind_of = {group: kind for kind, (group, _) in registry.KINDS.items()}
    for group, lines in re.findall(r'entry-points\."([\w.]+)"\]\n((?:\w+ = .*\n)+)', text):
        yield from ((kind_of[group], name) for name in re.findall(r"^(\w+) = ", lines, re.M))


def named(text: str) -> Iterator[tuple[str, str]]:
    """Components in roles, in pieces of specs, and in words: "the prior `gaussian`"."""
    yield from re.findall(r"\{plugin\}`(\w+) (\w+)`", text)
    yield from re.findall(rf"\b({'|'.join(registry.KINDS)}) `(\w+)`", text)
    for piece in [*fenced(text, "yaml"), *re.findall(r"`(\w+: [^`\n]+)`", text)]:
        data = read_text(piece, "docs").data
        for field, value in data.items() if isinstance(data, dict) else ():
            kind = LISTS.get(field, field)
            slots = value if isinstance(value, list) else [value]
            for slot in slots if kind in registry.KINDS else ():
                yield kind, slot if isinstance(slot, str) else slot["type"]


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


@pytest.mark.skipif(
    not all(map(find_spec, ["sphinx", "furo", "myst_parser"])),
    reason="needs the extra [docs]: sphinx, furo, myst-parser",
)
def test_the_site_builds_without_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
