"""`wflow check` costs little beyond importing torch: what is heavy is imported where it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_support import write_spec

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))
HEAVY = [
    "torch_geometric", "geoopt", "scipy", "sklearn", "matplotlib", "jinja2", "torchdiffeq",
    "torch._dynamo",  # which building an optimizer imports
]  # fmt: skip
CHECK = "from wflow_core.cli.main import main; main(sys.argv[1:], standalone_mode=False)"
EVERY = "from wflow_core import registry; [registry.load_plugin(p) for p in registry.plugins()]"


def loaded_by(code: str, *arguments: object) -> list[str]:
    """What is heavy of the modules that a process of its own has loaded at its end."""
    watched = f"import sys\n{code}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", watched, *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return found.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_check_imports_nothing_heavy(path: Path) -> None:
    assert loaded_by(CHECK, "check", path) == []


def test_no_component_imports_anything_heavy_before_it_is_used() -> None:
    assert loaded_by(EVERY) == []


def test_the_watch_sees_what_is_loaded() -> None:
    assert loaded_by("import scipy.optimize") == ["scipy"]


def cpu_seconds(code: str, *arguments: object) -> float:
    """Of a process of its own, the least of three."""

    def once() -> float:
        before = os.times()
        command = [sys.executable, "-c", code, *map(str, arguments)]
        subprocess.run(command, capture_output=True, check=True)
        after = os.times()
        return (after.children_user + after.children_system) - (
            before.children_user + before.children_system
        )

    return min(once() for _ in range(3))


def test_a_check_takes_little_longer_than_importing_torch(tmp_path: Path) -> None:
    alone = cpu_seconds("import torch")
    assert cpu_seconds(f"import sys; {CHECK}", "check", write_spec(tmp_path)) < 1.75 * alone
