"""A guidance and metrics of another task than the one that the networks were trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from plugin_support import (
    distribution,
    log_lines,
    tiny,
    wflow,
    without_seconds,
    write_spec,
)  # fmt: skip

import wflow_core
from wflow_core.assembly.assemble import assemble
from wflow_core.assembly.builder import mismatch
from wflow_core.errors import SpecError, UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.pipeline.driver import run as run_pipeline
from wflow_core.specs.spec import spec_from_text
from wflow_core.testing.fixtures import SmallTask
from wflow_core.weights import WeightSet
from wflow_plugins.commands.spec_schema import spec_schema
from wflow_plugins.evaluation.table import columns
from wflow_plugins.metrics.model_average import ModelAverage
from wflow_plugins.metrics.task_score import TaskScore
from wflow_plugins.objectives import Regression
from wflow_plugins.report.write import write_report
from wflow_plugins.stages.trained_flow import NetworkFlow
from wflow_plugins.sweep.shared_cache import SharedCache

OTHER = "{type: breast_cancer, split_seed: 3}"
METRICS = f"[task_score, {{type: task_score, task: {OTHER}}}, novelty]"
GUIDED = f"{{type: task_loss, strength: 0.5, task: {OTHER}}}"


class Taken(Metric):
    """Its option is a word of the spec's own."""

    class Config(Options):
        task: str = ""

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        return {}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for distributions."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other-task")
    spec = write_spec(folder, tiny(metrics=METRICS, guidance=GUIDED, hooks="[log]"))
    result = wflow("run", spec, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    assert "breast_cancer accuracy" in result.stdout
    return folder / "run"


@pytest.fixture(scope="module")
def flow(run: Path) -> NetworkFlow:
    return wflow_core.load(run)


def numbers(run: Path) -> Any:
    return json.loads((run / "metrics.json").read_text())


def test_it_stands_under_the_name_of_its_task(run: Path, flow: NetworkFlow) -> None:
    c = flow.components
    own, other = c.metrics[0].task, c.metrics[1].task
    assert own is c.task
    assert (own.config.split_seed, other.config.split_seed) == (0, 3)
    found, samples = numbers(run), flow.samples
    expected = TaskScore(other, c.architecture).measure(samples, samples)["accuracy"]
    assert found["samples"]["breast_cancer"]["accuracy"]["mean"] == pytest.approx(
        expected.mean().item()
    )
    assert found["samples"]["accuracy"] != found["samples"]["breast_cancer"]["accuracy"]
    for population in (found["zoo"], *found["baselines"].values()):
        assert population["breast_cancer"].keys() == {"accuracy", "loss"}
    values = json.loads((run / "evaluation" / "manifest.json").read_text())["tensors"]
    for path in ("samples", "zoo", "baselines/retrained"):
        assert values[f"{path}/breast_cancer/accuracy"]["shape"]


def test_a_guidance_goes_down_the_loss_of_its_task(flow: NetworkFlow) -> None:
    guidance = flow.components.guidance
    assert guidance is not None
    # Built once: the metric's is the very same, so that the data is there once.
    assert guidance.task is flow.components.metrics[1].task
    assert guidance.task is not flow.components.task


def test_the_spec_of_the_run_says_it(run: Path, flow: NetworkFlow) -> None:
    whole = {"type": "breast_cancer", "test": 0.2, "val": 0.2, "split_seed": 3}
    resolved, origins = flow.components.resolved, flow.components.origins
    assert resolved["metrics"][1] == {"type": "task_score", "task": whole}
    assert resolved["guidance"]["task"] == whole
    assert resolved["metrics"][0] == {"type": "task_score"}
    assert {"guidance.task", "metrics.1.task"} <= origins.keys()
    record = json.loads((run / "record.json").read_text())
    assert {"guidance.task", "metrics.1.task"} <= record["read"].keys()
    assert record["plugins"] == origins


def test_what_is_measured_again_and_by_name(run: Path, flow: NetworkFlow) -> None:
    known = {n: of for n, of in numbers(run).items() if n != "seconds"}
    assert without_seconds(flow.evaluate()) == without_seconds(known)
    both = flow.evaluate(metrics=["task_score"])["samples"]
    assert both == known["samples"]


def test_the_report_bears_it(run: Path, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "r.html", say=lambda _: None).read_text()
    assert "breast_cancer accuracy" in page


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"guidance": GUIDED.replace("3", "4")}, ["sample", "evaluate"]),
        ({"metrics": METRICS.replace("3", "4")}, ["evaluate"]),
    ],
)
def test_only_stages_that_it_concerns_are_made_again(
    run: Path, tmp_path: Path, change: dict[str, str], again: list[str]
) -> None:
    lines = {"metrics": METRICS, "guidance": GUIDED, "hooks": "[log]"} | change
    spec = write_spec(tmp_path, tiny(**lines))
    components = assemble(spec_from_text(spec.read_text()))
    copied = tmp_path / "rows" / "before"
    copied.parent.mkdir()
    copied.symlink_to(run, target_is_directory=True)
    run_pipeline(components, tmp_path / "rows" / "now", shared=SharedCache(tmp_path / "rows"))
    ends = [e for e in log_lines(tmp_path / "rows" / "now") if e["event"] == "stage_end"]
    assert [e["stage"] for e in ends if not e["reused"]] == again


WRONG = {
    "unknown": (
        "task: {type: irsi}",
        "43: metrics.0.task: unknown task 'irsi' (did you mean 'iris'?)",
    ),
    "bare": ("task: irsi", "36: metrics.0.task: unknown task 'irsi' (did you mean 'iris'?)"),
    "its option": ("task: {type: iris, vall: 1}", "49: unknown option metrics.0.task.vall"),
    "no type": ("task: {val: 1}", "36: metrics.0.task.type is missing"),
    "no mapping": (
        "task: 3",
        "36: metrics.0.task: input should be the name of a component, or a mapping with a `type`",
    ),
    "the word itself": ("tsak: iris", "30: unknown option metrics.0.tsak (did you mean 'task'?)"),
    "no data": (
        "task: {type: gaussian, inputs: 30}",
        "11: metrics.0: 'task_score' needs a task with data; this task has none",
    ),
    "a task of a task": (
        "task: {type: iris, task: iris}",
        "49: unknown option metrics.0.task.task",
    ),
    "shape": (
        "task: iris",
        "36: metrics.0.task: 'iris' has inputs [4] and 3 outputs; the networks of this run have "
        "inputs [30] and 2 outputs",
    ),
}


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        assemble(spec_from_text(text, "s.yaml"))
    return list(caught.value.problems)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_at_its_place(case: str) -> None:
    written, said = WRONG[case]
    line = f"[{{type: task_score, {written}}}]"
    [found] = problems(tiny(metrics=line))
    assert found.startswith(f"s.yaml:12:{said}")


def test_the_same_of_a_guidance() -> None:
    [found] = problems(tiny(guidance="{type: task_loss, task: iris}"))
    assert found.startswith("s.yaml:14:35: guidance.task: 'iris' has inputs [4]")


def test_null_is_the_task_of_the_run() -> None:
    c = assemble(spec_from_text(tiny(metrics="[{type: task_score, task: null}]")))
    assert c.metrics[0].task is c.task
    assert c.resolved["metrics"] == [{"type": "task_score"}]


def test_other_components_have_no_task_of_their_own() -> None:
    [found] = problems(tiny(solver="{type: euler, task: iris}"))
    assert "unknown option solver.task" in found


def test_networks_for_classes_are_not_measured_on_values() -> None:
    class Values(SmallTask):
        objective = Regression()

    assert mismatch(SmallTask(), SmallTask()) is None
    assert mismatch(Values(), SmallTask()) == (
        "has the objective Regression; the networks of this run are of SmallClassification"
    )


def test_data_may_come_from_the_other_task_alone() -> None:
    lines = {
        "task": "{type: gaussian, inputs: 30}",
        "zoo": "gaussian",
        "coupling": "independent",
        "metrics": "[{type: task_score, task: breast_cancer}]",
    }
    assert assemble(spec_from_text(tiny(**lines))).metrics[0].needs == {"data"}
    [found] = problems(tiny(**lines | {"metrics": "[task_score]"}))
    assert found.endswith("'task_score' needs a task with data; this task has none")


def test_the_schema_knows_it() -> None:
    validator = Draft202012Validator(spec_schema())

    def valid(**more: Any) -> bool:
        data = assemble(spec_from_text(tiny())).resolved
        return validator.is_valid(data | more)

    assert valid(metrics=[{"type": "task_score", "task": "iris"}])
    assert valid(metrics=[{"type": "task_score", "task": {"type": "iris", "val": 0.1}}])
    assert valid(guidance={"type": "task_loss", "task": "iris"})
    assert not valid(metrics=[{"type": "task_score", "task": "irsi"}])
    assert not valid(metrics=[{"type": "task_score", "task": {"type": "iris", "vall": 1}}])
    assert not valid(solver={"type": "euler", "task": "iris"})


def test_a_plugin_cannot_have_the_word(site: Path) -> None:
    distribution(site, "taken", metrics={"taken": "test_other_task:Taken"})
    shown = wflow("plugins", "--check")
    assert "has an option 'task', the name of what it is built from; rename it" in " ".join(
        (shown.stdout + shown.stderr).split()
    )


def test_columns_of_other_tasks() -> None:
    scores = {"accuracy": {"mean": 0.5}, "loss": {"mean": 1.0}, "model_average": {"accuracy": 1.0}}
    rows = [{"iris": scores}, {"model_average": {"accuracy": 1.0}}]
    assert columns([TaskScore, ModelAverage], rows) == {
        "average accuracy": "model_average.accuracy",
        "iris accuracy": "iris.accuracy",
        "iris average accuracy": "iris.model_average.accuracy",
    }


def test_from_python_a_metric_is_given_the_other_task(flow: NetworkFlow, run: Path) -> None:
    c = flow.components
    metric = TaskScore(c.metrics[1].task, c.architecture)
    found, known = flow.evaluate(metrics=[metric]), numbers(run)
    for name in ("zoo", "samples"):
        assert found[name]["accuracy"] == known[name]["breast_cancer"]["accuracy"]
    with pytest.raises(UnsupportedError, match="measures 'accuracy', as another metric does"):
        flow.evaluate(metrics=[metric, c.metrics[0]])
