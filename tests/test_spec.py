from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from plugin_support import TINY, refused, tiny, wflow, write_spec

from wflow_core import registry
from wflow_core.assembly.assemble import assemble
from wflow_core.errors import SpecError
from wflow_core.specs.located_yaml import dump, read_text
from wflow_core.specs.spec import load_spec, spec_from_text, spec_model


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        assemble(spec_from_text(text, "s.yaml", overrides))
    return list(caught.value.problems)


def installed(kind: str) -> str:
    return f"installed: {', '.join(plugin.name for plugin in registry.plugins(kind))}"


FIELDS = list(spec_model(registry.defaults()["stages"]).model_fields)
ZOO = "{type: train, networks: 24, epochs: 2, optimizer: {lr: %s}}"
LAUGHS = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 9)
)

# One wrong thing each: the spec, and the whole of what is said of it.
WRONG = {
    "wrong type": (tiny(seed="zero"), "2:7: seed: input should be a valid integer; got 'zero'"),
    "text is no number": (tiny(seed="'1'"), "2:7: seed: input should be a valid integer; got '1'"),
    "out of range": (
        tiny(sample="{networks: 1}"),
        "11:20: sample.networks: input should be greater than or equal to 2; got 1",
    ),
    "nothing": (tiny(seed=""), "2:1: seed: input should be a valid integer; got None"),
    "nothing, last": (tiny(hooks=""), "13:1: hooks: input should be a list; got None"),
    "no list": (tiny(metrics="novelty"), "12:10: metrics: input should be a list; got 'novelty'"),
    "no mapping": (
        tiny(task="[x]"),
        "3:7: task: input should be the name of a component, or a mapping with a `type`; got ['x']",
    ),
    "missing": (tiny(prior=None), "1:1: prior is missing"),
    "missing, explained": (tiny(name=None), "1:1: name is missing (names the run folder)"),
    "missing type": (tiny(zoo="{networks: 24}"), "5:6: zoo.type is missing"),
    "unknown key": (
        tiny(metrics=None, metric="[novelty]"),
        f"13:1: unknown option metric (did you mean 'metrics'?); options: {', '.join(FIELDS)}",
    ),
    "unknown option": (
        tiny(architecture="{type: mlp, hiden: [4]}"),
        "4:27: unknown option architecture.hiden (did you mean 'hidden'?); "
        "options: hidden, activation, init",
    ),
    "unknown option, nested": (
        tiny(zoo="{type: train, optimizer: {rl: 1}}"),
        "5:32: unknown option zoo.optimizer.rl; "
        "options: type, lr, weight_decay, momentum, schedule",
    ),
    "unknown name": (
        tiny(zoo="{type: trian}"),
        "5:13: zoo: unknown zoo 'trian' (did you mean 'train'?); " + installed("zoo"),
    ),
    "unknown bare name": (
        tiny(prior="initialiser"),
        "6:8: prior: unknown prior 'initialiser' (did you mean 'initializer'?); "
        + installed("prior"),
    ),
    "unknown name in a list": (
        tiny(metrics="[task_score, novlety]"),
        "12:23: metrics.1: unknown metric 'novlety' (did you mean 'novelty'?); "
        + installed("metric"),
    ),
    "unknown name like no other": (
        tiny(solver="zzz"),
        "10:9: solver: unknown solver 'zzz'; " + installed("solver"),
    ),
    "unknown choice": (
        tiny(architecture="{type: mlp, activation: rleu}"),
        "4:39: architecture.activation: input should be 'relu', 'tanh', 'gelu' or 'sigmoid'; "
        "got 'rleu' (did you mean 'relu'?)",
    ),
    "in a list of options": (
        tiny(architecture="{type: mlp, hidden: [4, 0]}"),
        "4:39: architecture.hidden.1: input should be greater than or equal to 1; got 0",
    ),
    "options that contradict": (
        tiny(velocity="{type: neuron_transformer, width: 16, heads: 3}"),
        "8:11: velocity: width 16 is not a multiple of heads 3; got {'width': 16, 'heads': 3}",
    ),
    "a choice's own option": (
        tiny(train="{time: {type: beta, a: -1}}"),
        "9:31: train.time.a: input should be greater than 0; got -1",
    ),
    "unknown option of a choice": (
        tiny(train="{time: {type: beta, c: 1}}"),
        "9:28: unknown option train.time.c; options: a, b",
    ),
    "choice without type": (tiny(train="{time: {a: 1}}"), "9:15: train.time.type is missing"),
    "nan": (
        tiny(zoo=ZOO % ".nan"),
        "5:61: zoo.optimizer.lr: input should be a finite number; got nan",
    ),
    "infinite": (
        tiny(train="{grad_clip_norm: .inf}"),
        "9:25: train.grad_clip_norm: input should be a finite number; got inf",
    ),
    "a name that is a path": (
        tiny(name="../x"),
        "1:7: name: string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'; got '../x'",
    ),
    "duplicate key": (
        TINY + "seed: 1\n",
        "14:1: key 'seed' is given twice, first at s.yaml:2:1",
    ),
    "duplicate key, nested": (
        tiny(architecture="{type: mlp, hidden: [4], hidden: [5]}"),
        "4:40: key 'hidden' is given twice, first at s.yaml:4:27",
    ),
    "alias cycle": (
        tiny(architecture="&a {type: mlp, hidden: *a}"),
        "4:15: an alias contains itself; write the value out",
    ),
    "unknown alias": (tiny(seed="*a"), "2:7: not valid YAML: found undefined alias 'a'"),
    "tagged scalar": (
        tiny(seed="!!python/name:os.system ''"),
        "2:7: cannot be read as os.system: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/name:os.system'",
    ),
    "tagged list": (
        tiny(seed="!!python/object/apply:os.system ['true']"),
        "2:7: tag 'tag:yaml.org,2002:python/object/apply:os.system' means nothing here; "
        "leave it out",
    ),
    "tagged mapping": (
        tiny(zoo="!x {type: train}"),
        "5:6: tag '!x' means nothing here; leave it out",
    ),
    "wrong tag": (tiny(seed="!!bool maybe"), "2:7: cannot be read as bool: 'maybe'"),
    "merge key": (TINY + "<<: {seed: 1}\n", "14:1: keys must be plain names"),
    "list as a key": (TINY + "? [a]\n: 1\n", "14:3: keys must be plain names"),
    "deep": (tiny(seed="[" * 100 + "]" * 100), "2:71: nested more than 64 levels deep"),
    "half a character": (
        tiny(name='"\\ud800"'),
        "1:7: cannot be read as str: 'utf-8' codec can't encode character '\\ud800' in position 0: "
        "surrogates not allowed",
    ),
    "two documents": (
        TINY + "---\n" + TINY,
        "14:1: not valid YAML: expected a single document in the stream, but found another "
        "document (it starts on line 1)",
    ),
    "open quote": (
        tiny(hooks="['log]"),
        "14:1: not valid YAML: while scanning a quoted scalar, found unexpected end of stream "
        "(it starts on line 13)",
    ),
    "tab": (
        "name: x\n\tseed: 0\n",
        "2:1: not valid YAML: while scanning for the next token, "
        "found character '\\t' that cannot start any token",
    ),
    "control character": (TINY + "x\x07", "14:2: not text: character 0x07"),
    "no mapping at all": ("- 1\n", "1:1: a spec must be a mapping of names"),
    "unknown stage": (
        tiny(train=None, sample=None, stages="[collect, trian]"),
        "12:19: stages.1: unknown stage 'trian' (did you mean 'train'?); " + installed("stage"),
    ),
    "stage twice": (
        tiny(train=None, sample=None, stages="[collect, collect]"),
        "12:19: stages.1: stage 'collect' is given twice",
    ),
    "stage that is no name": (
        tiny(train=None, sample=None, stages="[collect, [x]]"),
        "12:19: stages.1: input should be a valid string; got ['x']",
    ),
    "stages that are no list": (
        tiny(stages="collect"),
        "14:9: stages: input should be a list; got 'collect'",
    ),
    "a type of a stage": (
        tiny(sample="{type: sample}"),
        "11:10: unknown option sample.type; options: networks, batch_size, architecture, "
        "recalibrate, condition, guidance_scale",
    ),
    "options of a stage that are no mapping": (
        tiny(sample="8"),
        "11:9: sample: input should be a mapping; got 8",
    ),
    "unknown option of a stage without options": (
        tiny(collect="{networks: 3}"),
        "14:11: unknown option collect.networks",
    ),
    "unknown baseline": (
        tiny(baselines="[soup, soop]"),
        "14:19: baselines.1: unknown baseline 'soop' (did you mean 'soup'?); "
        + installed("baseline"),
    ),
    "option of an optimizer": (
        tiny(train="{optimizer: {type: muon, lr: x}}"),
        "9:37: train.optimizer.lr: input should be a valid number; got 'x'",
    ),
    "need: of a component of a stage": (
        tiny(
            task="gaussian",
            zoo="gaussian",
            prior="gaussian",
            coupling="independent",
            metrics="[]",
            train="{losses: [function]}",
        ),
        "9:18: train.losses.0: 'function' needs a task with data; this task has none",
    ),
    "need: a prior": (
        tiny(prior="gaussian"),
        "7:11: coupling: 'trajectory' needs the prior `initializer`, since pairs start at "
        "initialisations",
    ),
    "need: initialisations": (
        tiny(zoo="gaussian"),
        "7:11: coupling: 'trajectory' needs a zoo that knows the initialisation of each network",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_wrong_thing_is_one_line_at_its_place(case: str) -> None:
    text, said = WRONG[case]
    assert problems(text) == [f"s.yaml:{said}"]


def test_the_spec_that_the_cases_start_from_is_right() -> None:
    assert assemble(spec_from_text(TINY)).name == "tiny"
    assert tiny() == TINY


def test_all_problems_at_once_in_the_order_of_the_file() -> None:
    text = tiny(
        seed="-1",
        zoo="{type: trian}",
        velocity="{type: neuron_transformer, width: 15, heads: 2}",
        train="{iteration: 30, ema_decay: .nan}",
        metrics="[novlety, novelty, {type: moments, x: 1}]",
        extra="{x: 1, x: 2}",
    )
    places = [line.split(": ")[0] for line in problems(text)]
    expected = ["2:7", "5:13", "8:11", "9:9", "9:35", "12:11", "12:45", "14:1", "14:15"]
    assert places == [f"s.yaml:{place}" for place in expected]


def test_problems_of_components_that_others_hold_are_told_beside_those_of_the_others() -> None:
    zoos = "{a: {type: train, epochs: 0}, b: {type: trane}, c: 3, d: {type: train, task: irsi}}"
    found = problems(
        tiny(
            zoo=f"{{type: union, zoos: {zoos}, nope: 1}}",
            train="{iteration: 1, time: betta, losses: [3, fnction, {type: function, weight: -1}]}",
            sample="{networks: 1, architecture: {type: mpl}}",
        )
    )
    told = [line.split(" ", 1)[1].removeprefix("unknown option ") for line in found]
    assert [re.split("[:; ]", line)[0] for line in told] == [
        "zoo.zoos.a.epochs", "zoo.zoos.b", "zoo.zoos.c", "zoo.zoos.d.task", "zoo.nope",
        "train.iteration", "train.time", "train.losses.0", "train.losses.1",
        "train.losses.2.weight", "sample.networks", "sample.architecture",
    ]  # fmt: skip
    assert all(line.startswith("s.yaml:") for line in found)


def test_components_that_do_not_fit_are_told_together() -> None:
    """Those that look at the others when all are built."""
    text = tiny(
        sample="{networks: 8, guidance_scale: 2}",
        metrics="[likelihood]",
        solver="{type: guided_euler, noise: 1}",
    )
    places = [line.split(": ")[0] for line in problems(text)]
    assert places == ["s.yaml:11:39", "s.yaml:12:11"]


def test_needs_that_are_not_met_are_told_together() -> None:
    found = problems(tiny(task="gaussian", metrics="[task_score, novelty, model_average]"))
    data = "needs a task with data; this task has none"
    assert found == [
        f"s.yaml:5:6: zoo: 'train' {data}",
        f"s.yaml:12:11: metrics.0: 'task_score' {data}",
        f"s.yaml:12:32: metrics.2: 'model_average' {data}",
    ]


def test_aliases_that_explode_are_refused_before_they_do() -> None:
    [line] = problems(LAUGHS + TINY)
    assert line.endswith("more than 100000 values, counting aliases")


@pytest.mark.parametrize("levels", [65, 200, 1000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ("{a: ", "}")])
def test_depth_never_overflows(levels: int, start: str, end: str) -> None:
    [line] = problems(tiny(seed=start * levels + "1" + end * levels))
    assert "nested" in line
    [line] = problems(TINY, f"seed={start * levels}1{end * levels}")
    assert line.startswith("--set seed: ")
    assert "nested" in line


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000])
def test_numbers_without_end_are_refused(digits: str) -> None:
    [line] = problems(tiny(seed=digits))
    assert line.startswith("s.yaml:2:7: cannot be read as int")


def test_aliases_and_dates_are_plain_values() -> None:
    text = tiny(architecture="{type: mlp, hidden: &h [4, 4]}", name="2020-01-01")
    spec = spec_from_text(text.replace("batch_size: 8", "batch_size: &n 8") + "codec:\n")
    assert spec.name == "2020-01-01"
    assert ("codec",) not in spec.components
    shared = spec_from_text(tiny(sample="{networks: &n 9, batch_size: *n}"))
    assert shared.components[("sample",)].options.batch_size == 9


SETS = {
    "no value": ("seed", "--set seed: must look like zoo.networks=100"),
    "no name": ("=1", "--set =1: must look like zoo.networks=100"),
    "empty name": ("a..b=1", "--set a..b=1: must look like zoo.networks=100"),
    "wrong type": ("seed=x", "--set seed: seed: input should be a valid integer; got 'x'"),
    "nothing": ("seed=", "--set seed: seed: input should be a valid integer; got None"),
    "unknown": (
        "zoo.nets=3",
        "--set zoo.nets: unknown option zoo.nets (did you mean 'networks'?); options: networks, "
        "epochs, batch_size, optimizer, shared_batches, snapshots, task",
    ),
    "into a number": ("seed.x=1", "--set seed.x=1: there is nothing to set at 'x'"),
    "past a list": ("metrics.9=x", "--set metrics.9=x: there is nothing to set at '9'"),
    "no index": ("metrics.²=x", "--set metrics.²=x: there is nothing to set at '²'"),
    "no YAML": (
        "seed=[",
        "--set seed:1:2: not valid YAML: while parsing a flow node, expected the node content, "
        "but found '<stream end>' (it starts on line 1)",
    ),
    "what depends on it": (
        "zoo=gaussian",
        "s.yaml:7:11: coupling: 'trajectory' needs a zoo that knows the initialisation of each "
        "network",
    ),
    "unknown name": (
        "codec.type=zzz",
        "--set codec.type: codec: unknown codec 'zzz'; " + installed("codec"),
    ),
}


@pytest.mark.parametrize("case", SETS)
def test_wrong_overrides(case: str) -> None:
    override, said = SETS[case]
    assert problems(TINY, override) == [said]


def test_an_override_is_what_is_wrong_though_the_file_was_too() -> None:
    for key, said in (("nets", "unknown option zoo.nets"), ("networks", "zoo.networks: input")):
        [line] = problems(tiny(zoo=f"{{type: train, {key}: x}}"), f"zoo={{type: train, {key}: x}}")
        assert line.startswith(f"--set zoo: {said}")


def test_an_override_of_too_many_levels() -> None:
    [line] = problems(TINY, "a" + ".a" * 3000 + "=1")
    assert line.endswith("must look like zoo.networks=100")
    assert len(line) < 200


def test_overrides() -> None:
    spec = spec_from_text(
        tiny(train="", metrics="[novelty, task_score]"),
        overrides=[
            "prior.type=gaussian",
            "prior.std=2",
            "train.sigma=0.5",
            "train.time.type=beta",
            "metrics.0=moments",
            "zoo.optimizer={type: sgd, lr: 0.1}",
            "architecture.hidden=[3, 2]",
            "seed=1",
            "seed=2",
        ],
    )
    options = {path: of.options for path, of in spec.components.items()}
    names = {path: of.name for path, of in spec.components.items()}
    assert (names[("prior",)], options[("prior",)].std) == ("gaussian", 2)
    assert (options[("train",)].sigma, names[("train", "time")]) == (0.5, "beta")
    assert [names[("metrics", i)] for i in (0, 1)] == ["moments", "task_score"]
    zoo = options[("zoo",)]
    assert (zoo.optimizer.type, zoo.optimizer.lr, zoo.networks) == ("sgd", 0.1, 24)
    assert options[("architecture",)].hidden == (3, 2)
    assert spec.seed == 2


def test_an_override_mends_the_file() -> None:
    assert spec_from_text(
        tiny(seed="x", zoo="{type: trian}"), overrides=["seed=1", "zoo.type=train"]
    )


UNREADABLE = {
    "binary": (bytes(range(256)), ": is not text in UTF-8 (byte 128)"),
    "utf16": (TINY.encode("utf-16"), ": is not text in UTF-8 (byte 0)"),
    "zeros": (b"\0" * 10, ":1:1: not text: character 0x00"),
    "empty": (b"", ": a spec must be a mapping of names"),
    "prose": (b"Dear reader, this is no spec", ":1:1: a spec must be a mapping of names"),
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("command", ["check", "run"])
def test_files_that_are_no_specs(tmp_path: Path, case: str, command: str) -> None:
    content, said = UNREADABLE[case]
    path = tmp_path / case
    path.write_bytes(content)
    out = ["--out", tmp_path / "out"] if command == "run" else []
    assert refused(wflow(command, path, *out)) == f"wflow: {path}{said}"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "No such file or directory"),
        (".", "Is a directory"),
        ("file/x", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_paths_that_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    path = tmp_path / name
    assert refused(wflow("check", path)) == f"wflow: {path}: cannot be read: {reason}"


@pytest.mark.parametrize("case", ["unknown name", "nan", "duplicate key", "need: a prior", "deep"])
def test_a_wrong_spec_leaves_nothing_behind(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]
    spec = write_spec(tmp_path, text)
    message = refused(wflow("run", spec, "--out", tmp_path / "deep" / "out"))
    assert message == f"wflow: {spec}:{said}".replace("s.yaml", str(spec))
    assert list(tmp_path.iterdir()) == [spec]


def test_several_problems_are_a_line_each(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, tiny(seed="x", prior="y"))
    lines = refused(wflow("check", spec)).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{spec}:2:7", f"{spec}:6:8"]


def test_other_newlines_and_a_byte_order_mark(tmp_path: Path) -> None:
    for text in (TINY.replace("\n", "\r\n"), "\ufeff" + TINY):
        assert load_spec(write_spec(tmp_path, text)).components[("sample",)].options.networks == 8
        wrong = write_spec(tmp_path, text.replace("seed: 0", "seed: x"))
        assert refused(wflow("check", wrong)).startswith(f"wflow: {wrong}:2:7: seed")


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True), st.floats(1e-300, 1e300))
def test_the_resolved_spec_reads_back_as_it_was(name: str, lr: float) -> None:
    data = {"name": name, "lr": lr, "none": None, "flag": True, "seed": 2**63 - 1, "list": [[], {}]}
    assert read_text(dump(data), "dumped").data == data


def test_the_resolved_spec_is_a_spec_and_says_the_same(tmp_path: Path) -> None:
    resolved = assemble(spec_from_text(tiny(train="{sigma: 1e-5, time: {type: beta}}"))).resolved
    again = assemble(load_spec(write_spec(tmp_path, dump(resolved)))).resolved
    assert again == resolved
    assert resolved["zoo"]["optimizer"]["lr"] == 1e-3
    assert resolved["train"]["time"] == {"type": "beta", "a": 1.0, "b": 2.0}
    json.dumps(resolved, allow_nan=False)
