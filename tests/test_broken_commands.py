"""Commands of other packages are listed and tried like any other plugin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from plugin_support import distribution, wflow

from wflow_core import registry
from wflow_plugins.commands import examination, inspection

DANCES = """
import click

@click.command()
def dance():
    '''Dance.'''

walk = "no command"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("dances_of_tests.py").write_text(DANCES)
    values = {"dance": "dances_of_tests:dance", "walk": "dances_of_tests:walk"}
    distribution(tmp_path, "of-dances", commands=values | {"gone": "not_there_at_all:x"})
    return tmp_path


def listed(*options: str) -> dict[str, Any]:
    rows = json.loads(wflow("plugins", *options, "--json").stdout)
    return {row["name"]: row["problem"] for row in rows if row["kind"] == "command"}


OURS = [p.name for p in registry.plugins("command") if p.distribution == "weightspace-flow"]


def test_what_is_broken_is_named(site: Path) -> None:
    known: dict[str, Any] = dict.fromkeys(OURS) | {"dance": None, "walk": None}
    assert listed() == listed("command") == known | {"gone": None}
    found = inspection.problems(registry.plugins("command"))
    by_source = {plugin.name: why for plugin, why in found.items()}
    assert by_source == known | {"gone": "there is no module 'not_there_at_all'"}
    assert "dances_of_tests" not in sys.modules
    tried = listed("--check")
    assert {name: tried[name] for name in (*OURS, "dance")} == dict.fromkeys((*OURS, "dance"))
    assert tried["walk"] == "(dances_of_tests:walk) is 'no command', not a click command"
    gone = "fails to import from 'not_there_at_all:x': ModuleNotFoundError: "
    assert tried["gone"].startswith(gone)
    result = wflow("plugins", "command", "--check")
    assert result.exit_code == 2
    assert "command 'gone' of of-dances 1.0; command 'walk' of of-dances 1.0" in result.stderr


def test_the_doctor_sees_them(site: Path) -> None:
    section = examination.plugins()
    assert section["commands"] == sorted([*OURS, "dance", "gone", "walk"])
    broken = [entry["plugin"] for entry in section["broken"]]
    assert broken == ["command 'gone' of of-dances 1.0", "command 'walk' of of-dances 1.0"]
