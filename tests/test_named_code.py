"""Code that a spec names: refused unless allowed, and then a network like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_support import refused, tiny, wflow, write_spec

import wflow_core
from wflow_core.errors import PluginError, SpecError, UnsupportedError
from wflow_core.interfaces.task import Signature
from wflow_plugins.architectures.traced import Traced
from wflow_plugins.code.named_code import code_hash, load_code

NETS = """\
from pathlib import Path
from torch import nn

Path("imported").touch()
small = 3


class Net(nn.Sequential):
    def __init__(self, hidden, outputs=2):
        super().__init__(nn.Linear(30, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
"""
NAMED = "{type: traced, module: 'nets.py:Net', arguments: {hidden: 3}}"


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code, where wflow is started; importing it leaves the file ``imported``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def spec(folder: Path, architecture: str = NAMED, hooks: str = "[]") -> Path:
    return write_spec(folder, tiny(architecture=architecture, hooks=hooks))


def test_without_consent_nothing_is_imported(nets: Path) -> None:
    file = spec(nets)
    message = (
        f"{file}:4:38: architecture.module: would import 'nets.py:Net', and a spec runs code only "
        "where that is allowed; if you trust it, add --allow-code to the command (from Python, "
        "allow_code=True); got 'nets.py:Net'"
    )
    for command in ("check", "run"):
        assert refused(wflow(command, file)) == f"wflow: {message}"
    with pytest.raises(SpecError) as error:
        wflow_core.load_spec(file)
    assert str(error.value) == message
    override = "architecture={type: traced, module: 'nets.py:Net'}"
    said = refused(wflow("check", write_spec(nets, tiny()), "--set", override))
    assert "would import 'nets.py:Net'" in said
    assert not (nets / "imported").exists()


def test_an_allowed_run_and_what_may_be_done_with_it(nets: Path) -> None:
    file, run = spec(nets, hooks="[{type: report, steps: false}]"), nets / "run"
    shown = wflow("check", file, "--allow-code")
    assert shown.exit_code == 0
    assert (nets / "imported").exists()
    assert "101 parameters" in shown.stdout
    assert wflow("run", file, "--out", run, "--allow-code").exit_code == 0
    assert (run / "report.html").exists()
    read = json.loads((run / "record.json").read_text())["read"]["architecture"]
    assert read["sha256"] == code_hash("nets.py:Net")
    for command in (["sample", run, "--out", nets / "more"], ["evaluate", run], ["report", run]):
        assert f"{run / 'spec.yaml'}:" in refused(wflow(*command))
    flow = wflow_core.load(run, allow_code=True)
    assert flow.sample(2).state_dicts()[0]["0.weight"].shape == (3, 30)
    for command in (["sample", run, "--out", nets / "more"], ["evaluate", run]):
        assert wflow(*command, "--allow-code").exit_code == 0


def test_changed_code_is_another_run(nets: Path) -> None:
    before = code_hash("nets.py:Net")
    (nets / "nets.py").write_text(NETS.replace("nn.ReLU", "nn.Tanh"))
    assert code_hash("nets.py:Net") != before
    assert type(load_code("nets.py:Net")(3)[1]).__name__ == "Tanh"


def test_a_run_is_bound_to_its_code(nets: Path) -> None:
    command = ["run", spec(nets), "--out", nets / "run", "--allow-code"]
    assert wflow(*command).exit_code == 0
    keys = stage_keys(nets / "run")
    (nets / "nets.py").write_text(NETS.replace("nn.ReLU", "nn.Tanh"))
    assert "what architecture reads has changed since" in refused(wflow(*command))
    assert wflow(*command, "--overwrite").exit_code == 0
    changed = stage_keys(nets / "run")
    assert all(changed[stage] != keys[stage] for stage in ("collect", "train", "sample"))


def stage_keys(run: Path) -> dict[str, str]:
    stages = json.loads((run / "record.json").read_text())["stages"]
    return {name: of["key"] for name, of in stages.items()}


def test_code_of_nested_components_needs_consent_too(nets: Path) -> None:
    sample = "sample={networks: 8, architecture: {type: traced, module: 'nets.py:Net'}}"
    message = refused(wflow("check", write_spec(nets, tiny()), "--set", sample))
    assert "sample.architecture.module: would import 'nets.py:Net'" in message
    assert not (nets / "imported").exists()


def test_a_sweep_asks_too(nets: Path) -> None:
    spec(nets)
    grid = nets / "grid.yaml"
    grid.write_text("name: g\nspec: spec.yaml\ngrid: {architecture.arguments.hidden: [2, 3]}\n")
    assert "rows '2', '3': architecture.module: would import" in refused(wflow("sweep", grid))
    small = ["--dry-run", "--allow-code", "--json"]
    shown = wflow("sweep", grid, *small)
    assert [row["name"] for row in json.loads(shown.stdout)] == ["2", "3"]


@pytest.mark.parametrize(
    ("architecture", "why"),
    [
        (
            "{type: traced, module: 'none.py:Net'}",
            "none.py: no such file; a relative path starts at ",
        ),
        ("{type: traced, module: 'Nets/own.py:Net'}", "imported: Nets/own.py: no such file; a"),
        ("{type: traced, module: 'nets.py:Ned'}", "nets.py has no 'Ned' (did you mean 'Net'?)"),
        ("{type: traced, module: 'no_such.thing:Net'}", "ModuleNotFoundError: No module named"),
        ("{type: traced, module: Net}", "architecture.module: string should match pattern"),
        (
            "{type: traced, module: 'nets.py:Net'}",
            "nets.py:Net fails with the arguments {}: TypeError",
        ),
        (
            "{type: traced, module: 'nets.py:Path'}",
            "nets.py:Path returns a PosixPath, not a module",
        ),
        (
            "{type: traced, module: 'nets.py:Net', arguments: {hidden: 3, outputs: 5}}",
            "for inputs [2, 30] the module returns [2, 5]; this task needs [2, 2]",
        ),
        ("{type: traced}", "traced needs a module: set architecture.module"),
    ],
)
def test_what_cannot_be_is_told_at_its_place(nets: Path, architecture: str, why: str) -> None:
    file = spec(nets, architecture)
    said = refused(wflow("check", file, "--allow-code"))
    assert said.startswith(f"wflow: {file}:4:")
    assert why in said
    assert "\n" not in said


def test_code_that_raises_is_one_clear_error(nets: Path) -> None:
    (nets / "nets.py").write_text("1 / 0\n")
    with pytest.raises(PluginError, match=r"^nets.py fails to import: ZeroDivisionError: .*; fix"):
        load_code("nets.py:Net")


def test_inputs_that_do_not_fit_are_one_clear_error(nets: Path) -> None:
    made = Traced(Signature((7,), 2), module="nets.py:Net", arguments={"hidden": 3})
    with pytest.raises(UnsupportedError, match=r"fails on inputs \[2, 7\] of this task: Runtime"):
        made.define_symmetry()
    with pytest.raises(UnsupportedError, match="takes no arguments"):
        Traced(Signature((30,), 2), module=made.template, arguments={"hidden": 3})
