from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plugin_support import (
    Recorder,
    log_lines,
    own_distribution,
    refused,
    tiny,
    wflow,
    write_spec,
)
from rich.console import Console

from wflow_core.errors import DataError, HookError
from wflow_core.interfaces.hook import Hook, hookimpl
from wflow_core.pipeline.hooks import Hooks
from wflow_plugins.hooks.log import JsonLog
from wflow_plugins.hooks.progress import ProgressBars
from wflow_plugins.stages import sample


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_distribution(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(Recorder, "seen", [])


def events(*names: str) -> list[tuple[Any, ...]]:
    return [event for event in Recorder.seen if not names or event[0] in names]


def test_every_event_in_its_order(tmp_path: Path) -> None:
    text = tiny(
        hooks="[recorder]",
        codec="rotation",
        canonicalizers="[by_norm]",
        coupling="independent",
        prior="gaussian",
        velocity="{type: mlp, width: 8}",
    )
    spec = write_spec(tmp_path, text)
    assert wflow("run", spec, "--out", tmp_path / "out").exit_code == 0
    names = ["collect", "canonicalize", "encode", "train", "sample", "evaluate"]
    ends = [m for name in names for m in (("stage_start", name), ("stage_end", name, False))]
    assert events("stage_start", "stage_end") == ends
    assert events()[0] == ("run_start", "tiny", "out")
    assert events()[-1] == (
        "run_end",
        ["baselines", "collected", "novelty", "samples", "seconds", "zoo"],
    )
    assert events("run_failed") == []
    for name, expected in {
        "collect": [*range(1, 25)],
        "canonicalize": [1],
        "encode": [],
        "train": [10, 20, 30],
        "sample": [8],
    }.items():
        here = events()[events().index(("stage_start", name)) :]
        here = here[: here.index(("stage_end", name, False))]
        last = expected[-1] if expected else 0
        assert here[1:] == [("step", name, step, last) for step in expected]

    Recorder.seen.clear()
    assert wflow("run", spec, "--out", tmp_path / "out").exit_code == 0
    assert events("step") == []
    assert events("stage_end") == [("stage_end", name, True) for name in names]


def test_hooks_are_called_in_the_order_of_the_spec() -> None:
    class Named(Hook):
        def __init__(self, name: str):
            super().__init__()
            self.name = name

        @hookimpl
        def wflow_stage_start(self, stage: str) -> None:
            called.append(self.name)

    called: list[str] = []
    Hooks([(name, Named(name)) for name in "abca"]).stage_start(stage="train")
    assert called == list("abca")


@pytest.mark.parametrize(
    ("options", "moment", "reached"),
    [
        ("moment: run_start", "wflow_run_start", ".lock"),
        ("moment: step, stage: train", "wflow_step", "zoo"),
        ("moment: run_end", "wflow_run_end", "metrics.json"),
    ],
)
def test_a_hook_that_raises_is_named_and_stops_the_run(
    tmp_path: Path, options: str, moment: str, reached: str
) -> None:
    out = tmp_path / "out"
    spec = write_spec(tmp_path, tiny(hooks=f"[recorder, {{type: raiser, {options}}}]"))
    assert refused(wflow("run", spec, "--out", out)) == (
        f"wflow: hook 'raiser' raised in {moment}: LookupError: the hook's own trouble; "
        "remove it from `hooks` in the spec, or fix it"
    )
    assert (out / reached).exists()
    assert not (out / "flow").exists() or reached == "metrics.json"
    assert events("run_failed") == [("run_failed", "HookError")] * (moment != "wflow_run_start")
    # Hooks decide no result: without it, the same folder goes on.
    spec = write_spec(tmp_path, tiny(hooks="[]"))
    assert wflow("run", spec, "--out", out).exit_code == 0


def test_the_error_of_the_run_is_printed_before_that_of_a_hook(tmp_path: Path) -> None:
    hooks = "[{type: raiser, moment: run_failed}]"
    spec = write_spec(
        tmp_path,
        tiny(hooks=hooks, train="{optimizer: {type: adamw, lr: 1e30}, evaluate_every: 10}"),
    )
    lines = refused(wflow("run", spec, "--out", tmp_path / "out")).splitlines()
    assert lines[0].startswith("training diverged: the loss is not finite at iteration 10")
    assert lines[1].startswith("hook 'raiser' raised in wflow_run_failed: LookupError: ")
    assert len(lines) == 2


def test_hooks_observe_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "sample_networks", interrupted)
    spec = write_spec(tmp_path, tiny(hooks="[recorder, log]"))
    result = wflow("run", spec, "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert result.stderr == "wflow: interrupted; run the same command again to resume\n"
    assert events()[-1] == ("run_failed", "KeyboardInterrupt")
    assert log_lines(tmp_path / "out")[-1]["error"] == "KeyboardInterrupt: "


def test_a_hook_is_named_for_every_type_of_error() -> None:
    class Refuses(Hook):
        @hookimpl
        def wflow_stage_start(self) -> None:
            raise DataError("the table is gone")

    with pytest.raises(HookError, match="hook 'x' raised in wflow_stage_start: DataError: the tab"):
        Hooks([("x", Refuses())]).stage_start(stage="train")


class Typo(Hook):
    @hookimpl
    def wflow_stpe(self, stage: str) -> None: ...


class Unmarked(Hook):
    def wflow_step(self, stage: str) -> None: ...


class Curious(Hook):
    @hookimpl
    def wflow_step(self, stage: str, loss: float) -> None: ...


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (
            Typo,
            r"hook 'x': wflow_stpe is not a hook method \(did you mean 'wflow_step'\?\); there are",
        ),
        (Unmarked, "hook 'x': wflow_step is not marked with @hookimpl"),
        (
            Curious,
            r"hook 'x': Argument\(s\) \{'loss'\} are declared in the hookimpl but can not be",
        ),
    ],
)
def test_a_hook_that_would_never_be_called(hook: type[Hook], said: str) -> None:
    with pytest.raises(HookError, match=said):
        Hooks([("x", hook())])


def test_the_log(tmp_path: Path) -> None:
    spec, out = write_spec(tmp_path, tiny(hooks="[log]")), tmp_path / "out"
    assert wflow("run", spec, "--out", out).exit_code == 0
    lines = log_lines(out)
    assert [lines[0]["event"], lines[-1]["event"]] == ["run_start", "run_end"]
    assert {"name": "tiny", "seed": 0}.items() <= lines[0].items()
    [first, *_] = [x for x in lines if x["event"] == "step" and x["stage"] == "train"]
    assert first.keys() >= {"time", "step", "total", "loss", "val_loss"}
    assert sorted(x["time"] for x in lines) == [x["time"] for x in lines]
    (out / "log.jsonl").write_text("")
    assert wflow("run", spec, "--out", out).exit_code == 0
    assert len(log_lines(out)) == 10


def test_a_partial_line_is_ended_before_the_next(tmp_path: Path) -> None:
    for before, broken in (('{"a": 1}\n{"b', 1), ('{"a": 1}\n', None), ("", None), ('{"b', 0)):
        (tmp_path / "log.jsonl").write_text(before)
        log = JsonLog()
        log.wflow_run_start({"name": "x", "seed": 0}, tmp_path)
        log.wflow_stage_start("train")
        lines = (tmp_path / "log.jsonl").read_text().splitlines()
        assert len(lines) == len(before.splitlines()) + 2
        for number, line in enumerate(lines):
            if number != broken:
                json.loads(line)


def test_what_is_not_finite_is_null_in_the_log(tmp_path: Path) -> None:
    log = JsonLog()
    log.wflow_run_start({"name": "x", "seed": 0}, tmp_path)
    log.wflow_step("train", 1, 2, {"loss": float("nan"), "ratio": float("inf"), "lr": 0.5})
    last = log_lines(tmp_path)[-1]
    assert (last["loss"], last["ratio"], last["lr"]) == (None, None, 0.5)


def test_progress_without_a_terminal_is_plain_lines(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(hooks="[progress]"))
    result = wflow("run", spec, "--out", tmp_path / "out", "--json")
    lines = result.stderr.splitlines()
    assert "\x1b" not in result.stderr
    assert "\r" not in result.stderr
    assert lines[0] == "     collect  3/24"
    train = [line for line in lines if line.split()[0] == "train"][:3]
    assert [line.split()[1] for line in train] == ["10/30", "20/30", "30/30"]
    assert "val_loss" in train[0]
    json.loads(result.stdout)


@pytest.mark.parametrize(
    ("total", "every"), [(1200, 100), (30, 1), (3, 1), (1, 1), (7, 3), (100, 99)]
)
def test_progress_is_ten_lines_a_stage_at_most(
    capsys: pytest.CaptureFixture[str], total: int, every: int
) -> None:
    hook = ProgressBars()
    hook.console = Console(stderr=True)
    for _ in range(2):
        hook.wflow_stage_start("train")
        steps = sorted({*range(every, total + 1, every), total})
        for step in steps:
            hook.wflow_step("train", step, total, {})
        lines = capsys.readouterr().err.splitlines()
        assert min(len(steps), 10) * 0.8 <= len(lines) <= 10
        assert lines[-1] == f"       train  {total}/{total}"


def test_progress_on_a_terminal_is_a_bar_that_is_closed(tmp_path: Path) -> None:
    hook = ProgressBars()
    with (tmp_path / "screen").open("w+") as screen:
        hook.console = Console(file=screen, force_terminal=True, width=100)
        for end in (lambda: hook.wflow_stage_end("train", 1.0, False),
                    lambda: hook.wflow_run_failed(KeyboardInterrupt())):  # fmt: skip
            hook.wflow_stage_start("train")
            hook.wflow_step("train", 3, 10, {"loss": 0.25, "iteration": 3})
            assert hook.progress is not None
            end()
            assert hook.progress is None
        screen.seek(0)
        shown = screen.read()
    assert "3/10" in shown
    assert "loss 0.25" in shown
    assert "iteration" not in shown
