"""The documentation misses nothing that exists, and builds without warning."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel

from wflow_core import registry
from wflow_core.cli.main import main
from wflow_core.interfaces.hook import METHODS
from wflow_core.interfaces.needs import DATA
from wflow_core.specs.spec import spec_model

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

from wflow_reference import commands, interfaces, render  # noqa: E402

BUILT_IN = [p for p in registry.plugins() if p.distribution == "weightspace-flow"]
STAGES = [p.name for p in BUILT_IN if p.kind == "stage"]


def rendered(name: str) -> str:
    return render((DOCS / name).read_text("utf-8"))


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
    (table_of_contents,) = re.findall(
        r"^```\{toctree\}\n:hidden:\n\n(.*?)^```$", index, re.M | re.S
    )
    assert table_of_contents.split() == list(registry.KINDS)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_method_of_an_interface_is_on_its_page(kind: str) -> None:
    text, cls = rendered(f"extending/{kind}.md"), registry.interface_of(kind)
    abstract = cls.__abstractmethods__
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


@pytest.mark.skipif(
    not all(map(find_spec, ["sphinx", "furo", "myst_parser"])),
    reason="needs the extra [docs]: sphinx, furo, myst-parser",
)
def test_the_site_builds_without_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
