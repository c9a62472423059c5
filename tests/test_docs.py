"""The documentation misses nothing that exists, names nothing else, and builds without warning."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel

import wflow_core
from wflow_core import registry
from wflow_core.cli.main import main
from wflow_core.errors import WflowError
from wflow_core.interfaces.hook import METHODS
from wflow_core.interfaces.needs import DATA
from wflow_core.specs.located_yaml import read_text
from wflow_core.specs.spec import spec_model

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
sys.path.insert(0, str(ROOT / "benchmarks"))

import structure  # noqa: E402
from wflow_reference import commands, interfaces, render  # noqa: E402

PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("extending/*.md"), *ROOT.glob("*.md")])
BUILT_IN = [p for p in registry.plugins() if p.distribution == "weightspace-flow"]
KINDS_OF = {of.field: kind for kind, of in registry.KINDS.items() if of.field}
STAGES = [p.name for p in BUILT_IN if p.kind == "stage"]
API = (DOCS / "api.md").read_text("utf-8")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def rendered(name: str) -> str:
    return render((DOCS / name).read_text("utf-8"))


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)^[ ]*```$", text, re.MULTILINE | re.DOTALL)


def options(model: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all options of a model, those of nested models among them."""
    for name, field in model.model_fields.items():
        models = [a for a in (field.annotation, *get_args(field.annotation)) if _is_model(a)]
        nested = [n for m in models for n in options(m, f"{prefix}{name}.")]
        yield from nested or [prefix + name]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


# Write your own component


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_kind_has_a_page_that_names_its_interface(kind: str) -> None:
    text, index = rendered(f"extending/{kind}.md"), rendered("extending/index.md")
    interface = registry.interface_of(kind)
    assert f"`wflow_core.{interface.__name__}`" in text
    assert f"`{interface.__module__}`" in text
    assert registry.KINDS[kind].group in text
    assert f"({kind}.md)" in index


def test_the_pages_of_kinds_are_in_the_order_in_which_components_are_built() -> None:
    index = (DOCS / "extending/index.md").read_text("utf-8")
    (table_of_contents,) = re.findall(r"^```\{toctree\}\n:hidden:\n\n(.*?)^```$", index, re.M | re.S)
    assert table_of_contents.split() == list(registry.KINDS)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_method_of_an_interface_is_on_its_page(kind: str) -> None:
    text, cls = rendered(f"extending/{kind}.md"), registry.interface_of(kind)
    abstract = [name for name in cls.__abstractmethods__ if not name.startswith("_")]
    own = [name for name, of in vars(cls).items() if callable(of) and not name.startswith("_")]
    missing = [n for n in {*abstract, *own} if not re.search(rf"^- `{n}[(`]", text, re.M)]
    assert missing == [] or missing == ["Config"]


@pytest.mark.parametrize("event", METHODS)
def test_every_hook_event_is_documented(event: str) -> None:
    assert f"`{event}(" in rendered("extending/hook.md")


def test_every_need_is_documented() -> None:
    text = rendered("extending/index.md")
    needs = {need for p in BUILT_IN for need in registry.load_plugin(p).needs}
    assert DATA in needs
    assert not [need for need in needs if f"| `{need}` |" not in text]
    assert interfaces.needs() in text


# The spec and the command line


@pytest.mark.parametrize("field", spec_model(STAGES).model_fields)
def test_every_spec_field_is_documented(field: str) -> None:
    text = rendered("spec.md")
    assert f"| `{field}` |" in text
    if field in STAGES:
        named = options(registry.load("stage", field).Config, f"{field}.")
        assert not [name for name in named if f"| `{name}` |" not in text]


@pytest.mark.parametrize("plugin", BUILT_IN, ids=lambda p: f"{p.kind} {p.name}")
def test_every_option_of_every_built_in_component_is_documented(plugin: registry.Plugin) -> None:
    _, found, rest = rendered("spec.md").partition(f"### {plugin.kind} `{plugin.name}`\n")
    assert found, f"{plugin.kind} {plugin.name} is missing"
    section = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    config = registry.load(plugin.kind, plugin.name).Config
    assert not [name for name in options(config) if f"| `{name}` |" not in section]


@pytest.mark.parametrize("name", commands.documented())
def test_every_command_and_its_options_are_documented(name: str) -> None:
    _, found, rest = rendered("cli.md").partition(f"## `wflow {name}`\n")
    assert found
    section = rest.partition("\n## ")[0]
    command = commands.documented()[name]
    params = command.get_params(click.Context(command))
    flags = [o for p in params for o in p.opts if o.startswith("--") and o != "--help"]
    assert not [flag for flag in flags if f"`{flag}" not in section]


def test_commands_of_the_core_and_of_the_built_in_plugins_are_documented() -> None:
    ours = {n for n, p in registry.commands().items() if p.distribution == "weightspace-flow"}
    assert set(commands.documented()) == ours | set(main.commands)
    assert "--memory" in rendered("cli.md").partition("## `wflow run`\n")[2].partition("\n## ")[0]


# The Python API


def documented_names() -> list[str]:
    directives = r"^\.\. (?:auto(?:class|function|exception)|py:decorator):: ([\w.]+)$"
    return re.findall(directives, API, re.MULTILINE)


def resolve(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def test_every_public_name_is_in_the_api_once() -> None:
    names = documented_names()
    assert len(names) == len(set(names))
    public = {f"wflow_core.{name}" for name in wflow_core.__all__}
    assert {name for name in names if re.fullmatch(r"wflow_core\.\w+", name)} == public
    assert "automodule" not in API


def test_the_api_lists_no_internal_module_of_the_core() -> None:
    others = [n for n in documented_names() if not re.fullmatch(r"wflow_core\.\w+", n)]
    core = {name for name in others if name.startswith("wflow_core.")}
    errors = {of.__name__ for of in [WflowError, *WflowError.__subclasses__()]}
    errors = {name for name in errors if hasattr(import_module("wflow_core.errors"), name)}
    assert core == {f"wflow_core.errors.{name}" for name in errors}
    assert all(callable(resolve(name)) for name in others)


def test_every_interface_is_public() -> None:
    for kind in registry.KINDS:
        interface = registry.interface_of(kind)
        assert getattr(wflow_core, interface.__name__) is interface


def test_the_names_in_other_modules_exist() -> None:
    table = API.partition("## Names in other modules")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|$", table, re.MULTILINE)
    assert len(rows) > 5
    for module, cell in rows:
        for name in re.findall(r"`(\w+)`", cell.partition(":")[0]):
            assert hasattr(import_module(module), name), f"{module}.{name}"


def test_the_examples_of_the_api_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    topics = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", API, re.MULTILINE | re.DOTALL)
    found: dict[str, dict[str, Any]] = {}
    for topic, text in topics:
        for code in fenced(text, "python"):
            exec(compile(code, f"api.md: {topic}", "exec"), found.setdefault(topic, {}))
    assert list(found) == [topic for topic, _ in topics[:-1]]  # one for each topic
    loaded, times, weights, flows, errors = (
        found[topic] for topic in found if topic != "Symmetry"
    )  # that of symmetries asserts what it shows itself
    assert loaded["probabilities"].shape == (114, 2)
    assert times["t"].shape == (8,)
    assert weights["networks"].weights.shape == (5, 67)
    assert weights["first_layer"].shape == (5, 8, 4)
    assert (flows["samples"].mean(0) - 2).abs().max() < 0.1
    assert flows["samples"].std(0).max() < 0.2
    assert f"# {errors['problems'][0]}\n" in API


# Contributing


def contributing() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def table(title: str) -> list[list[str]]:
    """The cells of the table after a heading."""
    section = contributing().partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def packages(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("*/*.py")}


def test_contributing_lists_the_core_in_the_order_of_its_layers() -> None:
    rows = [re.findall(r"`(\w+)(?:/|\.py)`", names) for names, _ in table("The packages of the core")]
    listed = [name for names in rows for name in names]
    edges = structure.graph(ROOT / "wflow_core")
    assert sorted(listed) == sorted(edges.keys() | {"testing"})
    above: set[str] = set()
    for names in reversed(rows):
        above |= {*names} - {"testing"}
        for name in {*names} & edges.keys():
            assert edges[name] <= above - {name}, name


def test_contributing_lists_the_packages_of_the_plugins() -> None:
    rows = table("The packages of the plugins")
    listed = [name for row in rows for name in re.findall(r"`(\w+)/`", row[0])]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages(ROOT / "wflow_plugins")


def test_contributing_says_where_to_add_what() -> None:
    rows = table("Where would I add X?")
    assert len(rows) >= 10
    for _, place in rows:
        for path in re.findall(r"`((?:wflow_core|wflow_plugins|docs|tests|benchmarks)/[^`]*)`", place):
            known = re.sub(r"NAME.*|[A-Z]+\b.*", "", path)  # up to the part that is made up
            assert (ROOT / known).exists(), path


def test_contributing_gives_each_word_one_meaning() -> None:
    words = [word for word, _ in table("Words")]
    assert len(words) == len(set(words)) >= 20


# All pages


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


@pytest.mark.skipif(
    not all(map(find_spec, ["sphinx", "furo", "myst_parser"])),
    reason="needs the extra [docs]: sphinx, furo, myst-parser",
)
def test_the_site_builds_without_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
