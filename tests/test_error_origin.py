"""An error that nobody foresaw names its stage and the component that it came out of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_support import distribution, refused, tiny, wflow, write_spec

from wflow_core.pipeline.error_origin import MAX_LENGTH, ErrorOrigin, find_origin, one_line

METRIC = """
from wflow_core.interfaces.metric import Metric
from of_tests_odd.deep import fail

class Other(Metric):
    def measure(self, samples, zoo):
        return dict()

class Odd(Metric):
    def measure(self, samples, zoo):
        BODY
"""
DEEP = "def fail():\n    raise LookupError('nothing\\nto be found')\n"


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module of a package with two metrics, which a test fills."""
    package = tmp_path / "site" / "of_tests_odd"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    package.joinpath("deep.py").write_text(DEEP)
    metrics = {"odd": "of_tests_odd.metrics:Odd", "other": "of_tests_odd.metrics:Other"}
    distribution(tmp_path / "site", "odd-metrics", "3.1", metrics=metrics)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield package / "metrics.py"
    for name in [name for name in sys.modules if name.startswith("of_tests_odd")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("fail()", "LookupError: nothing (deep.py:2)"),
        ("return samples.weights.reshape(-1, 7, 11)", "RuntimeError: shape '"),
        ("raise MemoryLack('odd')", "NameError: name 'MemoryLack' is not defined (metrics.py:11)"),
    ],
)
def test_another_packages_error_is_one_line_that_names_it(
    odd: Path, tmp_path: Path, body: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd.write_text(METRIC.replace("BODY", body))
    spec = write_spec(tmp_path, tiny(metrics="[task_score, other, odd]", hooks="[]"))
    message = refused(wflow("run", spec, "--out", tmp_path / "out"))
    who = "wflow: stage evaluate: metric 'odd' of odd-metrics 3.1 raised "
    assert message.startswith(f"{who}{said}")
    assert message.endswith("; fix it, or take another; WFLOW_TRACEBACK=1 shows the traceback")
    assert "\n" not in message
    # Whole stages stay, and nothing of the one that failed.
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"zoo", "flow", "samples"} <= made
    assert not {"evaluation", "metrics.json", ".evaluation.new"} & made
    monkeypatch.setenv("WFLOW_TRACEBACK", "1")
    shown = wflow("run", spec, "--out", tmp_path / "out")
    assert type(shown.exception).__name__ == said.partition(":")[0]


def test_an_error_before_any_stage(odd: Path, tmp_path: Path) -> None:
    text = METRIC.replace("BODY", "fail()") + "    def __init__(self, **context):\n        fail()\n"
    odd.write_text(text)
    spec = write_spec(tmp_path, tiny(metrics="[odd]"))
    message = refused(wflow("check", spec))
    assert message.startswith("wflow: metric 'odd' of odd-metrics 3.1 raised LookupError: nothing ")


def test_a_mistake_of_ours_keeps_its_traceback_and_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr("wflow_plugins.metrics.task_score.TaskScore.measure", fails)
    spec = write_spec(tmp_path, tiny(metrics="[task_score]", hooks="[]"))
    error = wflow("run", spec, "--out", tmp_path / "out").exception
    assert isinstance(error, ZeroDivisionError)
    [note] = error.__notes__
    assert note.startswith("wflow: stage evaluate: stage 'evaluate' of weightspace-flow ")
    assert " raised ZeroDivisionError: a mistake (evaluation.py:" in note


def test_a_component_of_ours_is_named() -> None:
    from wflow_plugins.solvers.euler import Euler

    with pytest.raises(AttributeError) as caught:
        list(Euler().steps(None, None, [0.0, 1.0], None))  # type: ignore[arg-type]
    found = find_origin(caught.value)
    assert found.component is not None
    assert found.component.startswith("solver 'euler' of weightspace-flow ")
    assert not found.third_party
    assert found.location is not None
    assert found.location.startswith("euler.py:")


def test_an_error_of_nobody() -> None:
    with pytest.raises(ValueError, match="x") as caught:
        raise ValueError("x")
    assert find_origin(caught.value) == ErrorOrigin()
    assert ErrorOrigin().format(caught.value) == "ValueError: x"


def test_a_long_reason_is_cut() -> None:
    assert one_line("\n \n  the first \nthe second") == "the first"
    assert len(one_line("x" * 1000)) == MAX_LENGTH
    assert one_line("") == ""
