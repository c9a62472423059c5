from __future__ import annotations

import copy
import json
import os
import pty
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from plugin_support import (
    RUN,
    TINY,
    distribution,
    refused,
    results,
    tiny,
    wflow,
    wflow_process,
    write_spec,
)
from ruamel.yaml import YAML

from wflow_core import devices, registry
from wflow_core.assembly.assemble import assemble
from wflow_core.cli.main import main
from wflow_core.errors import WflowError
from wflow_core.specs.spec import spec_from_text

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
HEAVY = ["torch", "torch_geometric", "geoopt", "scipy", "sklearn", "numpy", "wflow_plugins"]
WATCH = """
import sys
from wflow_core.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("loaded:", *sorted(set(sys.modules) & set({heavy})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        (["--help"], " wflow_plugins"),  # for the help of commands
        (["plugins"], ""),
        (["plugins", "prior", "--json"], ""),
        (["--version"], ""),
        (["run", "--help"], " wflow_plugins"),  # for the options that plugins bring
    ],
)
def test_help_and_plugins_import_nothing_heavy(command: list[str], loaded: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", WATCH.format(heavy=HEAVY), *command],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stderr.splitlines()[-1].rstrip() == f"loaded:{loaded}"
    assert found.stdout


def test_the_watch_sees_what_is_loaded(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", WATCH.format(heavy=HEAVY), "check", write_spec(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "torch" in found.stderr.splitlines()[-1].split()


def test_the_installed_command() -> None:
    command = Path(sys.executable).parent / "wflow"
    if not command.exists():
        pytest.skip("installed elsewhere")
    shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"wflow, version {version('weightspace-flow')}\n"


def test_help_names_every_command() -> None:
    shown = wflow("-h").stdout
    for command in main.commands:
        assert f"\n  {command} " in shown
        assert wflow(command, "--help").exit_code == 0


def test_plugins() -> None:
    lines = wflow("plugins").stdout.splitlines()
    assert len(lines) == len(registry.plugins()) + len(registry.plugins("command"))
    row = next(line for line in lines if line.split()[:2] == ["coupling", "trajectory"])
    assert row.split()[2:] == ["weightspace-flow", version("weightspace-flow")]
    assert {line.split()[0] for line in wflow("plugins", "metric").stdout.splitlines()} == {
        "metric"
    }
    rows = json.loads(wflow("plugins", "--json").stdout)
    assert {"kind": "prior", "name": "initializer", "distribution": "weightspace-flow",
            "version": version("weightspace-flow"), "problem": None} in rows  # fmt: skip
    assert all(
        row["kind"] == "codec" for row in json.loads(wflow("plugins", "codec", "--json").stdout)
    )
    message = refused(wflow("plugins", "metrics"))
    assert "'metrics' is not one of 'task', 'architecture', " in message


def test_check(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    shown = wflow("check", spec)
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"{spec}: valid\n")
    assert "\narchitecture: 134 parameters; symmetry groups:\n" in shown.stdout
    assert "\nh1: 4 permutable, scaling positive\n" in shown.stdout
    resolved = json.loads(wflow("check", spec, "--json", "--set", "seed=7").stdout)
    assert resolved == assemble(spec_from_text(tiny(seed="7"))).resolved
    assert list(tmp_path.iterdir()) == [spec]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_are_right(path: Path) -> None:
    assert wflow("check", path).exit_code == 0


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(wflow("schema").stdout)
    return found


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_the_schema_is_a_schema_that_right_specs_meet(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    specs = [TINY, *(path.read_text() for path in EXAMPLES)]
    specs.append(
        tiny(train="{time: {type: beta, a: 2}}", codec="null", metrics="[{type: novelty}]")
    )
    for text in specs:
        validator.validate(read(text))
        validator.validate(assemble(spec_from_text(text)).resolved)


@pytest.mark.parametrize(
    "lines",
    [
        {"seed": "x"},
        {"seed": "-1"},
        {"prior": None},
        {"extra": "1"},
        {"prior": "initialiser"},
        {"zoo": "{type: trian}"},
        {"zoo": "{networks: 3}"},
        {"zoo": "{type: train, netwroks: 3}"},
        {"zoo": "{type: train, networks: many}"},
        {"zoo": "{type: train, optimizer: {lr: 0}}"},
        {"metrics": "novelty"},
        {"metrics": "[novlety]"},
        {"train": "{lr: 0}"},
        {"train": "{sigma: -1}"},
        {"train": "{optimizer: {type: adamw, lr: 0}}"},
        {"train": "{losses: [fnction]}"},
        {"baselines": "[soop]"},
        {"stages": "[colect]"},
        {"condition": "[loss]"},
        {"train": "{time: {type: beta, a: 0}}"},
        {"architecture": "{type: mlp, activation: rleu}"},
    ],
)
def test_the_schema_refuses_what_check_refuses(
    schema: dict[str, Any], tmp_path: Path, lines: dict[str, str | None]
) -> None:
    assert not Draft202012Validator(schema).is_valid(read(tiny(**lines)))
    refused(wflow("check", write_spec(tmp_path, tiny(**lines))))


def test_the_schema_tells_of_every_option(schema: dict[str, Any]) -> None:
    text = json.dumps(schema)
    for plugin in registry.plugins():
        for option in registry.load(plugin.kind, plugin.name).Config.model_fields:
            assert f'"{option}"' in text
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["required"] == [
        "name", "task", "architecture", "zoo", "prior", "coupling", "velocity",
    ]  # fmt: skip
    defaults = copy.deepcopy(schema["properties"])
    assert defaults["manifold"]["default"] == "euclidean"


OPTION = """
import click
from wflow_core.cli.run_options import RunOption
ODD = RunOption(click.option("--odd", type=int, help="An odd one."), "odd", lambda *_: 1 / 0)
"""


def test_an_option_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "odd_option.py").write_text(OPTION)
    distribution(tmp_path, "odd-option", run_options={"odd": "odd_option:ODD"})
    shown = wflow("run", "--help").stdout
    assert "  --odd INTEGER " in shown
    assert "  --memory SIZE " in shown
    # Its arguments are asked for where it is given alone.
    spec = write_spec(tmp_path, tiny(metrics="[]", hooks="[]"))
    assert wflow("run", spec, "--out", tmp_path / "o").exit_code == 0
    result = wflow("run", spec, "--out", tmp_path / "o", "--odd", 3)
    assert "ZeroDivisionError" in (result.stderr + repr(result.exception))


def test_a_broken_option_of_a_plugin_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    distribution(tmp_path, "of-nobody", "0.1", run_options={"odd": "not_there_at_all:ODD"})
    message = refused(wflow("run", write_spec(tmp_path)))
    assert (
        "run option 'odd' of of-nobody 0.1 fails to import from 'not_there_at_all:ODD'" in message
    )
    for command in (["--help"], ["plugins"], ["check", write_spec(tmp_path)]):
        assert wflow(*command).exit_code == 0


def test_run_prints_a_table_or_json(tmp_path: Path) -> None:
    spec, out = write_spec(tmp_path), tmp_path / "out"
    shown = wflow("run", spec, "--out", out)
    assert shown.exit_code == 0
    rows = [line.split()[0] for line in shown.stdout.splitlines() if line.strip()]
    assert rows[1:9] == [
        "zoo", "samples",
        "untrained", "zoo_noise", "interpolation", "soup", "gaussian", "retrained",
    ]  # fmt: skip
    assert shown.stdout.endswith(f"\n{out}: log.jsonl, metrics.json, record.json, spec.yaml\n")
    again = wflow("run", spec, "--out", out, "--json")
    assert json.loads(again.stdout) == json.loads((out / "metrics.json").read_text())
    assert again.stderr.count("found finished") == 4


def test_the_folder_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path)
    assert wflow("run", "spec.yaml", "--seed", 3).exit_code == 0
    assert wflow("run", "spec.yaml", "--seed", 3, "--set", "name=other").exit_code == 0
    assert sorted(str(p) for p in Path("runs").iterdir()) == ["runs/other-3", "runs/tiny-3"]
    assert results(Path("runs/other-3")) == results(Path("runs/tiny-3"))


def test_the_spec_of_a_run_folder_runs_it_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert wflow("run", write_spec(tmp_path), "--out", out).exit_code == 0
    again = wflow("run", out / "spec.yaml", "--out", out)
    assert again.exit_code == 0
    assert again.stderr.count("found finished") == 4
    assert wflow("run", out / "spec.yaml", "--out", tmp_path / "copy").exit_code == 0
    assert results(tmp_path / "copy") == results(out)


@pytest.mark.parametrize("device", ["nope", "meta", "cuda:99", "cuda:x", ""])
def test_devices_that_are_not_there(tmp_path: Path, device: str) -> None:
    message = refused(
        wflow("run", write_spec(tmp_path), "--out", tmp_path / "o", "--device", device)
    )
    known = "cpu or cuda" if torch.cuda.is_available() else "cpu"
    assert message == f"wflow: device {device!r}: not available; try {known}"
    assert not (tmp_path / "o").exists()


def test_devices() -> None:
    threads = torch.get_num_threads()
    try:
        assert devices.resolve_device("cpu", 1) == torch.device("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    assert devices.resolve_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(WflowError, match=r"^device 'tpu': not available; try cpu"):
        devices.resolve_device("tpu")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threads", "0"],
        ["--threads", "99999999999"],
        ["--seed", "-1"],
        ["--seed", "9223372036854775808"],
        ["--seed", "x"],
        ["--nope"],
        ["more"],
    ],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: list[str]) -> None:
    message = refused(wflow("run", write_spec(tmp_path), "--out", tmp_path / "o", *arguments))
    assert message.splitlines()[0] == "Usage: main run [OPTIONS] SPEC"
    assert message.splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "o").exists()


def test_the_largest_seed(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(hooks="[]"))
    assert wflow("run", spec, "--out", tmp_path / "o", "--seed", 2**63 - 1).exit_code == 0


@pytest.mark.parametrize(
    "lines",
    [
        {"architecture": "{type: mlp, hidden: [10000000000000]}"},
        {"zoo": "{type: train, networks: 10000000000000}"},
        {"train": "{batch_size: 100000000000000}"},
    ],
)
def test_more_memory_than_there_is(tmp_path: Path, lines: dict[str, str | None]) -> None:
    spec = write_spec(tmp_path, tiny(hooks="[]", **lines))
    message = refused(wflow("run", spec, "--out", tmp_path / "out"))
    assert message.startswith(
        "wflow: there is not enough memory; ask for fewer or smaller networks"
    )
    assert "\n" not in message


@pytest.mark.parametrize("line", ["test: 0.99999", "test: 0.0001", "val: 0.99999"])
def test_splits_that_cannot_be(tmp_path: Path, line: str) -> None:
    spec = write_spec(tmp_path, tiny(task=f"{{type: breast_cancer, {line}}}", hooks="[]"))
    message = refused(wflow("run", spec, "--out", tmp_path / "out"))
    assert message.startswith("wflow: task.test ")
    assert " cannot split " in message


@pytest.mark.parametrize("networks", [1, 2, 20])
def test_few_networks(tmp_path: Path, networks: int) -> None:
    """A single run, held out or the whole zoo, has no spread."""
    zoo = f"{{type: train, networks: {networks}, epochs: 1}}"
    metrics = "[task_score, model_average, moments, novelty]"
    spec = write_spec(tmp_path, tiny(zoo=zoo, sample="{networks: 2}", metrics=metrics))
    result = wflow("run", spec, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    novelty = json.loads(result.stdout)["novelty"]
    for ratio in (novelty["nearest_ratio"], novelty["spread_ratio"]):
        assert ratio is None if networks == 1 else ratio > 0


def test_networks_that_are_all_the_same_have_no_novelty(tmp_path: Path) -> None:
    lines = {"zoo": "{type: gaussian, networks: 9, std: 1e-30}", "prior": "gaussian"}
    spec = write_spec(tmp_path, tiny(**lines, coupling="independent", metrics="[novelty]"))
    result = wflow("run", spec, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    novelty = json.loads(result.stdout)["novelty"]
    assert (novelty["nearest_ratio"], novelty["spread_ratio"]) == (None, None)


def test_a_table_in_plain_ascii(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(metrics="[task_score]"))
    shown = CliRunner(charset="ascii").invoke(
        main, ["run", str(spec), "--out", str(tmp_path / "o")]
    )
    assert shown.exit_code == 0, shown.exception
    assert " +-0." in shown.stdout


@pytest.mark.parametrize(
    "line",
    [
        "{iterations: 1}",
        "{iterations: 3, val_fraction: 0}",
        "{iterations: 3, evaluate_every: 2, ema_decay: 0, val_fraction: 0.99}",
        "{iterations: 3, precision: bfloat16, predict: x1, sigma: 0.1}",
        "{iterations: 3, schedule: constant, warmup: 0, time: {type: logit_normal}}",
    ],
)
def test_training_at_its_limits(tmp_path: Path, line: str) -> None:
    spec = write_spec(tmp_path, tiny(train=line, solver="{type: heun, steps: 1}", metrics="[]"))
    result = wflow("run", spec, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_a_program_error_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("wflow_plugins.stages.collect.Collect.run", fails)
    result = wflow("run", write_spec(tmp_path), "--out", tmp_path / "out")
    assert isinstance(result.exception, RuntimeError)


def test_an_interrupt_in_a_process(tmp_path: Path) -> None:
    """Ctrl-C says that the same command goes on; no traceback."""
    spec = write_spec(tmp_path, tiny(train="{iterations: 1000000, evaluate_every: 1}"))
    process = wflow_process("run", spec, "--out", tmp_path / "out", "--threads", 1)
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[0] == "collect" and line.endswith(" s\n"):
            break
    process.send_signal(2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "wflow: interrupted; run the same command again to resume"
    assert "Traceback" not in errors


def test_bars_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal, progress goes to it and JSON alone to stdout."""
    spec = write_spec(tmp_path, tiny(metrics="[]"))
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "run", spec, "--out", tmp_path / "out", "--json",
         "--threads", "1"],
        stdout=subprocess.PIPE, stderr=child, text=True,
        env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    printed, _ = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == 0
    assert b"\x1b[" in shown
    assert b"train" in shown
    json.loads(printed)
