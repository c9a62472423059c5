"""The third-party package under examples/plugin: complete, found as installed, used by its spec.

.ci/run installs it beside a wheel; here a folder on the path stands for its installation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from plugin_support import distribution, refused, wflow

from wflow_core import registry
from wflow_plugins.commands import inspection

PACKAGE = Path(__file__).parents[1] / "examples" / "plugin"
SPEC = PACKAGE / "example.yaml"
PROJECT: dict[str, Any] = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
OURS = PROJECT["name"]
GROUPS = {group.removeprefix("wflow."): names for group, names in PROJECT["entry-points"].items()}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a distribution with the entry points of the package's pyproject.toml."""
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    distribution(tmp_path, OURS, PROJECT["version"], **GROUPS)
    return tmp_path


@pytest.mark.usefixtures("installed")
def test_its_plugins_are_listed_and_whole() -> None:
    ours = [p for p in registry.plugins() if p.distribution == OURS]
    assert {(p.kind, p.name) for p in ours} == {
        ("architecture", "wide_and_deep"),
        ("manifold", "cylinder"),
    }
    for check in (False, True):
        assert set(inspection.problems(ours, check).values()) == {None}
    rows = [line.split() for line in wflow("plugins", "manifold").stdout.splitlines()]
    assert ["manifold", "cylinder", OURS, PROJECT["version"]] in rows


@pytest.mark.usefixtures("installed")
def test_its_spec_uses_them() -> None:
    shown = wflow("check", SPEC)
    assert shown.exit_code == 0, shown.output
    assert "hidden: 8 permutable, scaling sign" in shown.stdout


@pytest.mark.skipif(OURS in {p.distribution for p in registry.plugins()}, reason="it is here")
def test_its_spec_without_it() -> None:
    message = refused(wflow("check", SPEC))
    assert "unknown architecture 'wide_and_deep'" in message
    assert "unknown manifold 'cylinder'" in message


def test_its_own_tests_pass(installed: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(PACKAGE)]
    paths = os.pathsep.join([str(installed), str(PACKAGE)])
    env = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    tried = subprocess.run(
        command, capture_output=True, text=True, check=False, env=env, cwd=installed
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert " passed" in tried.stdout


def test_the_tutorial_shows_its_entry_points() -> None:
    page = (PACKAGE.parents[1] / "docs" / "extending" / "index.md").read_text("utf-8")
    [block] = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = tomllib.loads(block)["project"]
    assert {name: PROJECT[name] for name in shown} == shown
