"""`wflow check`: problems as data, and data that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plugin_support import distribution, refused, tiny, wflow, write_spec

from wflow_core.errors import DataError
from wflow_core.interfaces.task import Signature, Task

SIGNATURE = Signature((30,), 2)


class Absent(Task):
    """Its data is not there."""

    signature = property(lambda self: SIGNATURE)

    def load(self) -> Any:
        raise AssertionError("a check reads no data")

    def locate(self) -> str:
        raise DataError("the files are not to be had; tried\n  nowhere\nput them somewhere")


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    distribution(tmp_path, "of-tests", tasks={"absent": "test_cli_check:Absent"})


def problems(*arguments: object) -> list[dict[str, Any]]:
    result = wflow("check", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    found = json.loads(result.stdout)
    assert found.keys() == {"ok", "problems"}
    assert found["ok"] is False
    listed: list[dict[str, Any]] = found["problems"]
    return listed


def test_problems_as_json(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(seed="-1", sample="{networks: 8, nope: 1}"))
    seed, option, override = sorted(
        problems(spec, "--set", "zooo=1"), key=lambda p: p["line"] or 9e9
    )
    assert seed == {
        "file": str(spec), "line": 2, "column": 7,
        "message": "seed: input should be greater than or equal to 0; got -1",
    }  # fmt: skip
    assert (option["line"], option["column"]) == (11, 23)
    assert option["message"].startswith("unknown option sample.nope")
    assert override["message"].startswith("--set zooo: unknown option zooo (did you mean 'zoo'?)")
    assert override["file"] is override["line"] is override["column"] is None


def test_a_spec_that_cannot_be_read_as_json(tmp_path: Path) -> None:
    (only,) = problems(tmp_path / "nowhere.yaml")
    assert (
        only["message"] == f"{tmp_path / 'nowhere.yaml'}: cannot be read: No such file or directory"
    )


@pytest.mark.usefixtures("absent")
def test_data_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(task="absent"))
    said = "task: the files are not to be had; tried\n  nowhere\nput them somewhere"
    assert refused(wflow("check", spec)) == f"{spec}:3:7: {said}"
    assert problems(spec) == [{"file": str(spec), "line": 3, "column": 7, "message": said}]


def test_where_data_is_is_told(tmp_path: Path) -> None:
    shown = wflow("check", write_spec(tmp_path)).stdout
    assert shown.splitlines()[1] == "data of task: comes with its package"
