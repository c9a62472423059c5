"""The JSON schema of grids lets through what a sweep takes, and catches slips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from plugin_support import distribution, wflow
from ruamel.yaml import YAML

from wflow_plugins.sweep.schema import grid_schema

ROOT = Path(__file__).parents[1]
GRIDS = sorted((ROOT / "examples/thesis").glob("table_*.yaml"))


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    printed = json.loads(wflow("sweep", "--schema").stdout)
    Draft202012Validator.check_schema(printed)
    return Draft202012Validator(printed)


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.name)
def test_our_grids_meet_it(path: Path, schema: Draft202012Validator) -> None:
    grid = YAML(typ="safe", pure=True).load(path)
    schema.validate(grid)
    assert not schema.is_valid(grid | {"row": []})
    grid["rows"][0]["publshed"] = {}
    assert not schema.is_valid(grid)


def test_the_page_of_sweeps_meets_it(schema: Draft202012Validator) -> None:
    text = (ROOT / "docs/sweep.md").read_text("utf-8").partition("```yaml\n")[2]
    schema.validate(YAML(typ="safe", pure=True).load(text.partition("```")[0]))


RIGHT: list[tuple[str, Any]] = [
    ("zoo.networks", 5),
    ("zoo.optimizer.lr", 1e-3),
    ("metrics.0", "novelty"),
    ("metrics.0.type", "novelty"),
    ("guidance", None),
    ("velocity", {"type": "neuron_transformer", "layers": 2}),
    ("train.time.a", 2),
]
WRONG: list[tuple[str, Any]] = [
    ("zoo.netwrks", 5),
    ("zoo.networks", "many"),
    ("zooo", {}),
    ("velocity.type", "neural_transformer"),
    ("velocity", {"type": "neuron_transformer", "layrs": 2}),
    ("train.iters", 2),
    ("sample.networks", 0),
    ("seed", -1),
    ("", 1),
]


@pytest.mark.parametrize(
    ("path", "value", "right"),
    [*((*pair, True) for pair in RIGHT), *((*pair, False) for pair in WRONG)],
)
def test_overrides(schema: Draft202012Validator, path: str, value: Any, right: bool) -> None:
    base = {"name": "a", "spec": "spec.yaml"}
    for said in ({"set": {path: value}}, {"rows": [{"name": "b", "set": {path: value}}]},
                 {"grid": {path: [value]}}):  # fmt: skip
        assert schema.is_valid(base | said) == right
    assert not schema.is_valid(base | {"grid": {path: []}})


def test_a_broken_plugin_leaves_its_kind_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    distribution(tmp_path, "gone-zoos", zoos={"gone": "not_there_at_all:X"})
    found = Draft202012Validator(grid_schema())
    for path in ("zoo.anything", "zoo.anything.deeper"):
        assert found.is_valid({"name": "a", "set": {path: 1}})
    assert not found.is_valid({"name": "a", "set": {"velocity.anything": 1}})


def test_editors_tell_what_an_option_is() -> None:
    paths = grid_schema()["$defs"]["overrides"]["properties"]
    assert paths["train.iterations"]["description"]
    assert {"const": "ot"} in paths["coupling.type"]["anyOf"]
