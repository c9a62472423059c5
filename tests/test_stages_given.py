"""Lists in a spec that contradict themselves: stages without their inputs, one thing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_support import refused, tiny, wflow, write_spec


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ("[sample, train, collect]", "no stage before this one makes its input 'flow'"),
        ("[train]", "no stage before this one makes its input 'zoo'"),
        ("[evaluate]", "the stage 'sample' is needed, and not among `stages`"),
    ],
)
def test_a_stage_before_its_inputs_is_one_clear_error(
    tmp_path: Path, stages: str, problem: str
) -> None:
    names = stages[1:-1].split(", ")
    left_out = dict.fromkeys({"train", "sample"} - set(names), None)
    spec = write_spec(tmp_path, tiny(stages=stages, hooks="[]", **left_out))
    message = refused(wflow("run", spec, "--out", tmp_path / "out"))
    assert problem in message


@pytest.mark.parametrize(
    ("field", "index", "given"),
    [
        ("metrics", 2, "[task_score, novelty, task_score]"),
        ("metrics", 1, "[{type: loss_barrier, pairs: 3}, {type: loss_barrier, pairs: 3}]"),
        ("baselines", 1, "[soup, {type: soup}]"),
    ],
)
def test_what_is_given_twice_is_refused_before_anything_runs(
    tmp_path: Path, field: str, index: int, given: str
) -> None:
    spec = write_spec(tmp_path, tiny(**{field: given}))
    for command in (["check", spec], ["run", spec, "--out", tmp_path / "out"]):
        message = refused(wflow(*command))
        assert f"{field}.{index}: " in message
        assert "is given twice; remove one" in message
    assert not (tmp_path / "out").exists()
