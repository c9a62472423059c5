"""A value that may be of several types, and is wrong, is one problem."""

from __future__ import annotations

import pytest
from plugin_support import tiny

from wflow_core.errors import SpecError
from wflow_core.specs.spec import spec_from_text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "greater than or equal to 1, or greater than 0"),
        ("1.5", "a valid integer, or less than 1"),
        ("'x'", "a valid integer, or a valid number"),
        ("[1]", "a valid integer, or a valid number"),
        ("{a: 1}", "a valid integer, or a valid number"),
    ],
)
def test_one_value_is_one_problem(value: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_from_text(tiny(task=f"{{type: mnist, val: {value}, train: 1}}"), "s.yaml")
    val, train = caught.value.problems
    assert val.startswith(f"s.yaml:3:26: task.val: input should be {said} (validation images ")
    assert train.startswith("s.yaml:3:")
    assert "task.train: " in train
