"""Broken plugins are named: from their source, and, with --check, by importing them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from plugin_support import distribution, own_distribution, wflow

from wflow_core import registry
from wflow_plugins.commands import inspection

CODEC = "from wflow_core.interfaces.codec import Codec\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for distributions and modules that no other test has."""
    monkeypatch.syspath_prepend(tmp_path)
    inspection._installed.cache_clear()
    return tmp_path


def offer(site: Path, name: str, text: str | None, value: str = "{}:X") -> None:
    """A distribution with one codec ``name`` from a module of that name, of this text."""
    if text is not None:
        site.joinpath(f"{name}.py").write_bytes(text.encode("latin-1"))
    distribution(site, f"of-{name}", codecs={name: value.format(name)})


def read() -> dict[str, str | None]:
    """The problems of codecs of other distributions, by their sources."""
    found = inspection.problems(registry.plugins("codec")).items()
    return {p.name: why for p, why in found if p.distribution != "weightspace-flow"}


def listed(kind: str, *options: str) -> dict[str, Any]:
    """The same as `wflow plugins` says it of the plugins of a kind."""
    rows = json.loads(wflow("plugins", kind, "--json", *options).stdout)
    others = (row for row in rows if row["distribution"] != "weightspace-flow")
    return {row["name"]: row["problem"] for row in others}


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        (None, "{}:X", "there is no module 'odd'"),
        (None, "json.decoder.x:X", "'json.decoder' is no package that could hold 'json.decoder.x'"),
        ("def f(:\n", "{}:X", "module 'odd' cannot be read: line 1: invalid syntax"),
        ("\0", "{}:X", "module 'odd' cannot be read: "),
        ("# \xe9\n", "{}:X", "module 'odd' cannot be read: "),
        ("Y = 1\n", "{}:X", "module 'odd' has no 'X'"),
        ("X = 1\n", "{}", "module 'odd' has no 'class named'"),
        ("import not_there.more\nclass X: ...\n", "{}:X", "imports 'not_there', which is not ins"),
        ("from not_there import X\n", "{}:X", "imports 'not_there', which is not installed"),
        ("X = 1\n", "no module at all", "its entry point 'no module at all' is not module:Class"),
    ],
)
def test_what_the_source_shows(site: Path, text: str | None, value: str, said: str) -> None:
    offer(site, "odd", text, value)
    assert said in (read()["odd"] or "")
    assert "odd" not in sys.modules
    # It is listed all the same, and tried where that is asked for.
    assert listed("codec") == {"odd": None}
    assert "odd" not in sys.modules
    try:
        result = wflow("plugins", "codec", "--check")
    finally:
        sys.modules.pop("odd", None)
    assert result.exit_code == 2
    row = next(line for line in result.stdout.splitlines() if line.split()[1] == "odd")
    assert row.split()[2:5] == ["of-odd", "1.0", "broken:"]


@pytest.mark.parametrize(
    "text",
    [
        "class X: ...\n",
        "if True:\n    X = 1\nelse:\n    from not_there import X\n",
        "try:\n    from not_there import X\nexcept ImportError:\n    X: int = 1\n",
        "from os.path import *\n",
        "def __getattr__(name): ...\n",
        "import xml.dom as X\n",
        "A, (X, B) = 1, (2, 3)\n",
    ],
)
def test_sources_that_may_be_right(site: Path, text: str) -> None:
    offer(site, "fine", text)
    assert read() == {"fine": None}


def test_modules_in_packages_are_found_and_not_imported(site: Path) -> None:
    for package, init in (("plain_package", True), ("name_space", False)):
        folder = site / package / "inner"
        folder.mkdir(parents=True)
        if init:
            folder.parent.joinpath("__init__.py").write_text("raise SystemExit\n")
            folder.joinpath("__init__.py").write_text("raise SystemExit\n")
        folder.joinpath("odd.py").write_text("class X: ...\n")
        distribution(site, package, codecs={package: f"{package}.inner.odd:X"})
    assert read() == {"plain_package": None, "name_space": None}
    assert not {"plain_package", "name_space"} & set(sys.modules)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os\nX = os.nothing\n", "fails to import from 'late:X': AttributeError: "),
        ("raise SystemExit(3)\nX = 1\n", "fails to import from 'late:X': SystemExit: 3"),
        ("X = dict\n", "is <class 'dict'>, not a subclass of wflow_core.interfaces.codec.Codec"),
        (CODEC + "class X(Codec): ...\n", "does not implement decode, dim, encode, fit, "),
        (CODEC + "class X(Codec):\n    Config = dict\nX.__abstractmethods__ = frozenset()\n",
         "has a Config <class 'dict'>, which is no subclass of Options"),
        (CODEC + "class X(Codec):\n    needs = 'magic'\nX.__abstractmethods__ = frozenset()\n",
         "has needs or offers that are not frozensets of names"),
        (CODEC + "class X(Codec):\n    def __init__(self, a, b, c): ...\nX.__abstractmethods__ = "
         "frozenset()\n",
         "has an __init__(a, b, c) that cannot be called as (self, architecture, **options): "),
    ],
)  # fmt: skip
def test_what_only_importing_shows(site: Path, text: str, said: str) -> None:
    offer(site, "late", text)
    try:
        assert read() == {"late": None}
        result = wflow("plugins", "codec", "--check")
    finally:
        sys.modules.pop("late", None)
    assert result.exit_code == 2
    assert said in result.stdout
    assert result.stderr == "wflow: broken: codec 'late' of of-late 1.0\n"


def test_one_name_from_two_distributions_is_named(site: Path) -> None:
    for name in ("one", "two"):
        distribution(site, name, solvers={"twice": "plugin_support:Rotation"})
    rows = json.loads(wflow("plugins", "solver", "--json").stdout)
    said = [row["problem"] for row in rows if row["name"] == "twice"]
    assert said == ["is offered by one 1.0 and by two 1.0; uninstall one of them"] * 2


def test_a_command_that_the_program_has_itself_is_named(site: Path) -> None:
    site.joinpath("two.py").write_text("import click\n\n@click.command()\ndef run(): ...\n")
    distribution(site, "of-two", commands={"run": "two:run", "dance": "two:run"})
    broken = json.loads(wflow("doctor", "--json").stdout)["plugins"]["broken"]
    why = "has the name of a command of the core; rename it"
    assert broken == [{"plugin": "command 'run' of of-two 1.0", "problem": why}]


def test_what_is_installed_is_whole(site: Path) -> None:
    own_distribution(site)
    result = wflow("plugins", "--check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "broken" not in result.stdout


def test_a_distribution_with_damaged_metadata_stops_nothing(site: Path) -> None:
    before = registry.plugins()
    info = distribution(site, "damaged", codecs={"x": "y:Z"})
    info.joinpath("entry_points.txt").write_text("[wflow.codecs]\nno value here\n")
    assert registry.plugins() == before
    assert wflow("--help").exit_code == 0


def test_help_names_the_commands_of_plugins_and_the_broken_ones(site: Path) -> None:
    text = (
        "import click\n\n@click.command()\ndef dance():\n"
        '    """Dance until dawn.\n\n    More of it.\n    """\n\ndef quiet(): ...\n'
    )
    site.joinpath("dances.py").write_text(text)
    commands = {"dance": "dances:dance", "quiet": "dances:quiet", "gone": "not_there:x"}
    distribution(site, "of-dances", commands=commands)
    lines = [line.split(maxsplit=1) for line in wflow("--help").stdout.splitlines()]
    shown = {line[0]: line[1] for line in lines if len(line) == 2}
    assert shown["dance"] == "Dance until dawn."
    assert shown["quiet"] == shown["gone"] == "(broken, from of-dances 1.0)"
    result = wflow("gone", "--any", "thing")
    assert result.exit_code == 2
    assert "command 'gone' of of-dances 1.0 fails to import from 'not_there:x'" in result.stderr
