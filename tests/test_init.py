"""`wflow init` writes specs that are right, whatever is chosen."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner
from plugin_support import distribution, file_size_limit, refused, wflow

from wflow_core import registry
from wflow_core.assembly.assemble import assemble
from wflow_core.cli.main import main
from wflow_core.specs.spec import spec_from_text
from wflow_plugins.commands import init_spec

# An MLP takes no tokens.
TASKS = [p.name for p in registry.plugins("task") if p.name != "sentiment"]
FLOWS, SIZES = init_spec.questions()["flow"][1], init_spec.questions()["size"][1]
SCHEMA = "# yaml-language-server: $schema=wflow.schema.json\n"


@pytest.mark.parametrize("task", TASKS)
def test_every_choice_is_right(task: str) -> None:
    cls = registry.load("task", task)
    widths = itertools.cycle(("8", "16,16", "[5 4 3]"))
    for (flow, size), hidden in zip(itertools.product(FLOWS, SIZES), widths, strict=False):
        answers = init_spec.Answers(task, hidden, flow, size)
        text = init_spec.spec_text(cls(), answers)
        assert text.startswith(SCHEMA)
        components = assemble(spec_from_text(text))
        assert list(components.architecture.config.hidden) == answers.widths
        assert components.origins["task"] == registry.find("task", task).origin


def test_a_task_of_tokens_is_refused_in_a_line(tmp_path: Path) -> None:
    made = wflow("init", tmp_path / "spec.yaml", "--yes", "--task", "sentiment")
    assert "mlp needs real values, got token ids" in refused(made)
    assert list(tmp_path.iterdir()) == []


def test_both_flows_are_offered() -> None:
    assert FLOWS == ["trajectory", "geometric"]
    assert SIZES == ["small", "medium", "large"]


def test_the_spec_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    made = wflow("init", file, "--yes", "--task", "iris", "--hidden", "6")
    assert made.exit_code == 0, made.output
    assert made.stdout.endswith(f"now: wflow run {file}\n")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]
    small = ["zoo.networks=24", "zoo.epochs=2", "train.iterations=5", "hooks=[]"]
    overrides = [word for assignment in small for word in ("--set", assignment)]
    ran = wflow("run", file, "--out", tmp_path / "run", *overrides)
    assert ran.exit_code == 0, ran.output


def test_answers_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    asked = CliRunner().invoke(main, ["init", str(file), "--size", "medium"], input="iris\n\n\n")
    assert asked.exit_code == 0, asked.output
    text = file.read_text()
    assert "task: {type: iris}" in text
    assert "networks: 2000" in text
    assert "hidden: [16, 16]" in text
    for name in TASKS:
        assert name in asked.stderr
    assert "Size of the run" not in asked.stderr


def test_no_answer(tmp_path: Path) -> None:
    asked = CliRunner().invoke(main, ["init", str(tmp_path / "spec.yaml")], input="")
    assert asked.exit_code == 2
    assert asked.stderr.endswith("wflow: no answer to --task; add --yes to take the defaults\n")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("mine")
    message = refused(wflow("init", file, "--yes"))
    assert message == f"wflow: {file}: already exists; give another FILE"
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "iriss"], "unknown task 'iriss' (did you mean 'iris'?); installed: "),
        (["--hidden", "0"], "--hidden '0': expected positive integers, such as 16,16"),
        (["--hidden", "16;16"], "--hidden '16;16': expected positive"),
        (["--hidden", ""], "--hidden '': expected positive"),
        (["--flow", "other"], "Invalid value for '--flow'"),
    ],
)
def test_answers_that_are_wrong(tmp_path: Path, options: list[str], said: str) -> None:
    assert said in refused(wflow("init", tmp_path / "spec.yaml", "--yes", *options))
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    message = refused(wflow("init", tmp_path / "none" / "spec.yaml", "--yes"))
    assert message.endswith("cannot be written: No such file or directory; nothing was changed")
    with file_size_limit(100):
        message = refused(wflow("init", tmp_path / "spec.yaml", "--yes"))
    assert "cannot be written: File too large" in message
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_absent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    distribution(tmp_path, "of-tests", tasks={"my.absent": "test_init:Absent"})
    made = wflow("init", tmp_path / "spec.yaml", "--yes", "--task", "my.absent")
    assert made.exit_code == 0, made.output
    assert "a spec whose data is missing: not here" in made.stdout


def test_a_flow_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(init_spec.REQUIRED, "geometric", [("coupling", "not_there")])
    assert init_spec.questions()["flow"][1] == ["trajectory"]
    message = refused(wflow("init", tmp_path / "spec.yaml", "--yes", "--flow", "geometric"))
    assert message.startswith("wflow: unknown coupling 'not_there'")


def __getattr__(name: str) -> type:
    """A task of other data, made late: an import would have pytest look for tests in it."""
    if name != "Absent":
        raise AttributeError(name)
    from wflow_core.errors import DataError

    def locate(self: object) -> str:
        raise DataError("not here")

    return type("Absent", (registry.load("task", "iris"),), {"locate": locate})
