"""Sweeps: tables that are right at any time, runs that share what is the same, rows that fail."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
from plugin_support import (
    log_lines,
    own_distribution,
    refused,
    results,
    tensor_file,
    wflow,
    wflow_process,
    without_seconds,
)

from wflow_core.devices import resolve_device
from wflow_core.errors import WflowError
from wflow_core.interfaces.stage import StageContext
from wflow_plugins.stages.sample import Sample
from wflow_plugins.sweep import run_sweep

BASE = """\
name: base
seed: 0
task: {type: gaussian, inputs: 3, outputs: 2}
architecture: {type: mlp, hidden: [4]}
zoo: {type: gaussian, networks: 32}
prior: gaussian
coupling: independent
velocity: {type: mlp, width: 8, layers: 1}
train: {iterations: 30, evaluate_every: 10, checkpoint_every: 10, batch_size: 8}
solver: {type: euler, steps: 2}
sample: {networks: 8}
metrics: [moments]
hooks: [log]
"""
ROWS = """\
rows:
  - {name: short, set: {train.iterations: 10}}
  - {name: "long | *er*", published: {samples.weights.mean: 0.25, samples.weights.std: 1}}
"""
HEAD = "name: toy\nspec: base.yaml\nseeds: [0, 1]\n"
COLUMNS = "columns: [{path: samples.weights, label: w, digits: 2}, {path: seconds.train}]\n"
FOLDERS = ["short-0", "short-1", "long-er-0", "long-er-1"]


def write(folder: Path, text: str = HEAD + ROWS + COLUMNS, base: str = BASE) -> Path:
    (folder / "base.yaml").write_text(base)
    (folder / "g.yaml").write_text(text)
    return folder / "g.yaml"


def table(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "table.json").read_text())
    return found


def metrics(out: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "rows" / run / "metrics.json").read_text())
    return found


def reused(out: Path, run: str) -> list[str]:
    """Stages that the last run in the folder found finished."""
    lines = log_lines(out / "rows" / run)
    last = max(i for i, line in enumerate(lines) if line["event"] == "run_start")
    return [x["stage"] for x in lines[last:] if x["event"] == "stage_end" and x["reused"]]


def statuses(out: Path) -> list[str]:
    return [run["status"] for row in table(out)["rows"] for run in row["runs"]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    printed: list[str] = []
    found = run_sweep(write(folder), folder / "out", threads=1, printer=printed.append)
    assert found == table(folder / "out")
    starts = [line.partition("]")[0] + "]" for line in printed[::2]]
    assert starts == [f"[{i}/4]" for i in range(1, 5)]
    assert printed[6] == "[4/4] long | *er*, seed 1"
    assert all(line.startswith("finished, ") for line in printed[1::2])
    return folder / "out"


def test_the_table_is_what_the_runs_found(undisturbed: Path) -> None:
    found = table(undisturbed)
    assert [row["name"] for row in found["rows"]] == ["short", "long | *er*"]
    assert statuses(undisturbed) == ["finished"] * 4
    for row, names in zip(found["rows"], (FOLDERS[:2], FOLDERS[2:]), strict=True):
        assert [run["folder"] for run in row["runs"]] == names
        a, b = (metrics(undisturbed, name)["samples"]["weights"] for name in names)
        cell = row["cells"]["samples.weights"]
        assert cell["values"] == [a["mean"], b["mean"]]
        assert cell["mean"] == pytest.approx((a["mean"] + b["mean"]) / 2)
        assert cell["std"] == pytest.approx(math.sqrt((a["std"] ** 2 + b["std"] ** 2) / 2))
        assert cell["seeds_std"] == pytest.approx(abs(a["mean"] - b["mean"]) / math.sqrt(2))
        assert row["cells"]["seconds.train"]["std"] is None
        seconds = [metrics(undisturbed, name)["seconds"] for name in names]
        assert [run["seconds"] for run in row["runs"]] == seconds
        assert row["seconds"] == pytest.approx(sum(sum(s.values()) for s in seconds))
    published = [row["cells"]["samples.weights"]["published"] for row in found["rows"]]
    assert published == [None, {"mean": 0.25, "std": 1}]
    assert found["command"].startswith("wflow sweep ")
    for about in (found, found["rows"][0]["runs"][0]):
        assert about["versions"]["torch"]
        assert about["machine"]["device"] == str(resolve_device())


def test_shared_stages_are_counted_once_in_all(undisturbed: Path) -> None:
    found = table(undisturbed)
    made = {
        stage["key"]: stage["seconds"]
        for run in FOLDERS
        for stage in json.loads((undisturbed / "rows" / run / "record.json").read_text())[
            "stages"
        ].values()
    }
    assert len(made) == 4 * 4 - 2
    assert found["seconds"] == pytest.approx(sum(made.values()))


def test_the_table_in_markdown(undisturbed: Path) -> None:
    lines = (undisturbed / "table.md").read_text().splitlines()
    assert lines[0] == "# toy"
    rows = [[c.strip() for c in line.split(" | ")] for line in lines if line.startswith("| ")]
    assert len({len(line) for line in lines if line.startswith("| ")}) == 1
    head, rule, short, long = rows
    assert head == ["| row", "w", "w, published", "seconds train", "seeds", "seconds |"]
    assert rule[1].endswith("-:")
    assert (short[0], short[2], short[4]) == ("| short", "-", "2")
    assert (long[0], long[2]) == (r"| long \| \*er\*", "0.25 ±1.00")
    cell = table(undisturbed)["rows"][1]["cells"]["samples.weights"]
    numbers = (cell["mean"], cell["std"], cell["seeds_std"])
    assert long[1] == "{:.2f} ±{:.2f} (±{:.2f})".format(*numbers)


def test_rows_that_share_a_zoo_make_it_once(undisturbed: Path) -> None:
    first, other, second, _ = (tensor_file(undisturbed / "rows" / run, "zoo") for run in FOLDERS)
    assert reused(undisturbed, "short-0") == reused(undisturbed, "short-1") == []
    assert reused(undisturbed, "long-er-0") == reused(undisturbed, "long-er-1") == ["collect"]
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    assert not (undisturbed / "rows/.locks").exists()


def test_a_run_of_a_sweep_is_a_run_like_any_other(undisturbed: Path, tmp_path: Path) -> None:
    spec = undisturbed / "rows/long-er-1/spec.yaml"
    assert wflow("run", spec, "--out", tmp_path / "alone").exit_code == 0
    assert results(tmp_path / "alone") == results(undisturbed / "rows/long-er-1")


def test_a_finished_sweep_is_found(undisturbed: Path, tmp_path: Path) -> None:
    before, files = table(undisturbed), metrics(undisturbed, "short-0")
    shown = wflow("sweep", write(tmp_path), "--out", undisturbed, "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["rows"] == before["rows"]
    assert metrics(undisturbed, "short-0") == files
    assert reused(undisturbed, "short-0") == ["collect", "train", "sample", "evaluate"]


def test_a_killed_sweep_leaves_a_right_table_and_goes_on(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_distribution(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    grid = write(tmp_path, base=BASE.replace("[log]", "[log, killer]"))
    out, command = tmp_path / "out", ("sweep", grid, "--out", tmp_path / "out", "--threads", 1)
    # Short rows do not come to iteration 20.
    process = wflow_process(*command, path=tmp_path / "site", WFLOW_TEST_KILL="train 20")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert statuses(out) == ["finished", "finished", "to do", "to do"]
    assert table(out)["rows"][0]["cells"]["samples.weights"]["mean"] is not None
    assert (out / "table.md").read_text().splitlines()[5].endswith("| to do |")

    shown = wflow(*command)
    assert shown.exit_code == 0, shown.output
    assert len(reused(out, "short-1")) == 4
    assert reused(out, "long-er-0") == ["collect"]
    steps = [x["step"] for x in log_lines(out / "rows/long-er-0") if x.get("stage") == "train"
             and x["event"] == "step"]  # fmt: skip
    assert steps == [10, 20, 20, 30]
    assert [without_seconds(metrics(out, run)) for run in FOLDERS] == [
        without_seconds(metrics(undisturbed, run)) for run in FOLDERS
    ]
    assert statuses(out) == ["finished"] * 4


FAILING = """\
rows:
  - {name: bad, set: {zoo.std: 1.0e+38}}
  - {name: good}
columns: [{path: samples.weights}, {path: novelty.nearest_ratio}]
"""


def test_a_row_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    grid, out = write(tmp_path, "name: toy\nspec: base.yaml\n" + FAILING), tmp_path / "out"
    shown = wflow("sweep", grid, "--out", out)
    assert shown.exit_code == 2
    assert "Traceback" not in shown.output
    assert statuses(out) == ["failed", "finished"]
    bad, good = table(out)["rows"]
    reason = bad["runs"][0]["reason"]
    assert reason.startswith("training diverged: ")
    assert bad["cells"]["samples.weights"]["mean"] is None
    assert good["cells"]["samples.weights"]["mean"] is not None
    text = (out / "table.md").read_text()
    assert f"failed: {reason}" in text
    assert "- no run has novelty.nearest" in text
    assert shown.stderr.splitlines()[-1] == f"wflow: 1 failed: bad, seed 0: {reason}"

    # Told still when others run alone; tried again when all do.
    assert wflow("sweep", grid, "--out", out, "--only", "good").exit_code == 0
    assert statuses(out) == ["failed", "finished"]
    assert wflow("sweep", grid, "--out", out).exit_code == 2
    write(tmp_path, "name: toy\nspec: base.yaml\n" + FAILING.replace("1.0e+38", "2"))
    refused(wflow("sweep", grid, "--out", out))
    assert wflow("sweep", grid, "--out", out, "--overwrite").exit_code == 0
    assert statuses(out) == ["finished", "finished"]


def test_a_mistake_in_a_row_is_told_with_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Sample.run

    def fails(self: Sample, context: StageContext) -> Any:
        if context.components.stages["train"].config.iterations == 10:
            raise ZeroDivisionError("a mistake\nof ours")
        return real(self, context)

    monkeypatch.setattr(Sample, "run", fails)
    printed: list[str] = []
    found = run_sweep(write(tmp_path), tmp_path / "out", printer=printed.append)
    assert statuses(tmp_path / "out") == ["failed", "failed", "finished", "finished"]
    assert found["rows"][0]["runs"][0]["reason"] == ("stage sample: ZeroDivisionError: a mistake")
    assert "in fails" in printed[1]


def test_rows_alone_leave_the_others_to_do(tmp_path: Path, undisturbed: Path) -> None:
    grid, out = write(tmp_path), tmp_path / "out"
    shown = wflow("sweep", grid, "--out", out, "--only", "short")
    assert shown.exit_code == 0
    assert statuses(out) == ["finished", "finished", "to do", "to do"]
    assert [p.name for p in sorted((out / "rows").iterdir())] == FOLDERS[:2]
    assert table(out)["command"].endswith("--only short")
    assert wflow("sweep", grid, "--out", out).exit_code == 0
    assert statuses(out) == statuses(undisturbed)


def test_another_spec_in_a_folder_of_a_row_is_refused_before_anything_runs(
    tmp_path: Path, undisturbed: Path
) -> None:
    before = table(undisturbed)
    changed = HEAD + ROWS.replace("iterations: 10", "iterations: 11") + COLUMNS
    message = refused(wflow("sweep", write(tmp_path, changed), "--out", undisturbed))
    assert message.splitlines() == [
        f"{undisturbed}/rows/{run}: holds a run of another spec (train.iterations 10 -> 11)"
        for run in FOLDERS[:2]
    ] + [f"{undisturbed}: give another --out, or --overwrite to replace what differs"]
    assert table(undisturbed) == before


@pytest.mark.parametrize("name", ["notes.txt", "rows"])
def test_a_folder_of_other_files_is_left_alone(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    message = refused(wflow("sweep", write(tmp_path), "--out", out))
    assert f"holds files that are no sweep ({name}); give a new or empty --out" in message
    (out / "table.json").write_text('{"name": "toy"}')
    message = refused(wflow("sweep", write(tmp_path), "--out", out))
    assert message == f"wflow: {out}: holds another table; give a new or empty --out"
    assert sorted(p.name for p in out.iterdir()) == sorted([name, "table.json"])


def test_several_at_a_time_find_the_same(tmp_path: Path, undisturbed: Path) -> None:
    out = tmp_path / "out"
    process = wflow_process("sweep", write(tmp_path), "--out", out, "--jobs", 2, "--threads", 1)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert "[4/4]" in errors
    assert [without_seconds(metrics(out, run)) for run in FOLDERS] == [
        without_seconds(metrics(undisturbed, run)) for run in FOLDERS
    ]
    assert sum("collect" in reused(out, run) for run in FOLDERS) == 2


def test_a_memory_budget_is_that_of_every_run(tmp_path: Path, undisturbed: Path) -> None:
    grid, out = write(tmp_path), tmp_path / "out"
    with pytest.raises(WflowError, match="expected a size such as 4GB"):
        run_sweep(grid, out, "cpu", memory="much")
    assert not out.exists()
    found = run_sweep(grid, out, "cpu", memory="64KB", only=["short"])
    assert found["command"].endswith("--only short --device cpu --memory 64000")
    record = json.loads((out / "rows/short-0/record.json").read_text())
    assert record["storage"] == "Streamed(64000)"
    assert statuses(out)[:2] == ["finished", "finished"]
    run_sweep(grid, out, "cpu", memory="64B", only=["short"], overwrite=True)
    assert statuses(out)[:2] == ["failed", "failed"]
    assert "--memory 64B is too little" in table(out)["rows"][0]["runs"][0]["reason"]
