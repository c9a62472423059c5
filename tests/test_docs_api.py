"""The page of the Python API: every public name once, and examples that run."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import wflow_core
from wflow_core import errors, registry
from wflow_core.errors import WflowError

API = (Path(__file__).parents[1] / "docs/api.md").read_text("utf-8")


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
    classes = [of for of in vars(errors).values() if isinstance(of, type)]
    public = {of.__name__ for of in classes if issubclass(of, WflowError)}
    assert core == {f"wflow_core.errors.{name}" for name in public}
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
        for code in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            names = found.setdefault(topic, {})
            exec(compile(code, f"api.md: {topic}", "exec", dont_inherit=True), names)
    assert list(found) == [topic for topic, _ in topics[:-1]]  # one for each topic
    loaded, times, weights, flows, wrong = (
        found[topic] for topic in found if topic != "Symmetry"
    )  # that of symmetries asserts what it shows itself
    assert loaded["probabilities"].shape == (114, 2)
    assert times["t"].shape == (8,)
    assert weights["networks"].weights.shape == (5, 67)
    assert weights["first_layer"].shape == (5, 8, 4)
    assert (flows["samples"].mean(0) - 2).abs().max() < 0.1
    assert flows["samples"].std(0).max() < 0.2
    assert f"# {wrong['problems'][0]}\n" in API
