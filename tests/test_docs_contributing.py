"""CONTRIBUTING.md: its tables agree with the repository."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import structure  # noqa: E402

CORE = "The packages of the core"


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
    listed = [re.sub(r"/|\.py", "", name.strip("`")) for name, _ in table(CORE)]
    edges = structure.graph(ROOT / "wflow_core") | {structure.TESTING: set()}
    assert sorted(listed) == sorted(edges)
    for number, name in enumerate(listed, start=1):
        assert edges[name] <= {*listed[number:]}, name


def test_contributing_lists_the_packages_of_the_plugins() -> None:
    rows = table("The packages of the plugins")
    listed = [name for row in rows for name in re.findall(r"`(\w+)/`", row[0])]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages(ROOT / "wflow_plugins")


def test_contributing_says_where_to_add_what() -> None:
    rows = table("Where would I add X?")
    assert len(rows) >= 10
    for _, place in rows:
        for path in re.findall(r"`((?:wflow_\w+|docs|tests|benchmarks)/[^`]*)`", place):
            known = path.partition("NAME")[0]
            assert (ROOT / known).exists(), path


def test_contributing_gives_each_word_one_meaning() -> None:
    words = [word for word, _ in table("Words")]
    assert len(words) == len(set(words)) >= 20
