from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator
from plugin_support import (
    TINY,
    Recorder,
    distribution,
    own_distribution,
    refused,
    results,
    tensors,
    tiny,
    wflow,
    write_spec,
)

import wflow_core
from wflow_core import registry
from wflow_core.assembly.assemble import assemble
from wflow_core.errors import PluginError, SpecError
from wflow_core.specs.spec import spec_from_text
from wflow_plugins.commands.spec_schema import spec_schema


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on the path, for distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def module(site: Path, name: str, text: str) -> str:
    (site / f"{name}.py").write_text(text)
    return name


def test_built_ins_come_through_the_same_door() -> None:
    found = registry.plugins()
    assert {p.distribution for p in found} >= {"weightspace-flow"}
    kinds = list(registry.KINDS)
    order = [(kinds.index(p.kind), p.name) for p in found]
    assert order == sorted(order)
    assert {"independent", "trajectory"} <= {p.name for p in registry.plugins("coupling")}


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError) as caught:
        registry.find("velocity", "neuron_transfomer")
    start = "unknown velocity 'neuron_transfomer' (did you mean 'neuron_transformer'?); installed: "
    listed = str(caught.value).removeprefix(start).split(", ")
    assert listed == sorted(p.name for p in registry.plugins("velocity"))
    assert {"mlp", "neuron_transformer"} <= set(listed)
    monkeypatch.setattr(registry, "plugins", lambda kind: [])
    with pytest.raises(PluginError, match=r"^unknown codec 'x'; no codec is installed$"):
        registry.find("codec", "x")


def test_one_name_from_two_distributions(site: Path, tmp_path: Path) -> None:
    distribution(site, "other-solvers", "0.3", solvers={"euler": "nowhere:Euler"})
    message = refused(wflow("check", write_spec(tmp_path)))
    assert message.startswith(
        f"wflow: {tmp_path / 'spec.yaml'}:10:16: solver: solver 'euler' is offered by "
    )
    assert message.endswith("; uninstall one of them")
    assert "other-solvers 0.3 and by weightspace-flow " in message
    listed = wflow("plugins", "solver").stdout
    assert len([line for line in listed.splitlines() if line.split()[1] == "euler"]) == 2
    # Specs that do not name it still run.
    assert wflow("check", write_spec(tmp_path, tiny(solver="heun"))).exit_code == 0


def test_a_distribution_twice_on_the_path_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, name in (("1.0", "my-Codecs"), ("2.0", "my_codecs")):
        folder = tmp_path / version
        distribution(folder, name, version, codecs={"mine": f"plugin_support{version[0]}:Rotation"})
        monkeypatch.syspath_prepend(folder)
    assert registry.find("codec", "mine").origin == "my_codecs 2.0"


def test_a_plugin_that_fails_to_import(site: Path, tmp_path: Path) -> None:
    broken = module(site, "breaks_on_import", "import a_package_that_is_not_there\n")
    distribution(site, "broken-plugins", "3.1.4", priors={"broken": f"{broken}:Prior"})
    message = refused(
        wflow("run", write_spec(tmp_path, tiny(prior="broken")), "--out", tmp_path / "o")
    )
    assert message == (
        f"wflow: {tmp_path / 'spec.yaml'}:6:8: prior: prior 'broken' of broken-plugins 3.1.4 fails "
        "to import from 'breaks_on_import:Prior': ModuleNotFoundError: No module named "
        "'a_package_that_is_not_there'; fix or reinstall broken-plugins"
    )
    assert not (tmp_path / "o").exists()
    # What does not name it does not see it.
    assert wflow("run", write_spec(tmp_path), "--out", tmp_path / "o").exit_code == 0
    assert "broken-plugins 3.1.4" in wflow("plugins", "prior").stdout
    schema = spec_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"name": "x", **wanted(), "prior": {"type": "broken", "x": 1}})


def wanted() -> dict[str, object]:
    """What a spec cannot do without."""
    names = {"task": "breast_cancer", "architecture": "mlp", "zoo": "train", "prior": "gaussian"}
    return names | {"coupling": "independent", "velocity": "mlp"}


CODEC = "from wflow_core.interfaces import codec\nclass Codec(codec.Codec):\n    x = 1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError: "),
        ("", "AttributeError: module 'half_broken_"),
        ("Codec = 3\n", " is 3, not a subclass of wflow_core.interfaces.codec.Codec"),
        (
            "Codec = dict\n",
            " is <class 'dict'>, not a subclass of wflow_core.interfaces.codec.Codec",
        ),
        (CODEC, "does not implement decode, dim, encode, fit, "),
        (
            CODEC + "    def __init__(self, a): ...\nCodec.__abstractmethods__ = frozenset()\n",
            "has an __init__(a) that cannot be called as (self, architecture, **options): ",
        ),
    ],
)
def test_plugins_broken_in_other_ways(site: Path, text: str, said: str) -> None:
    name = module(site, f"half_broken_{abs(hash(text))}", text)
    distribution(site, "half-broken", "0.1", codecs={"x": f"{name}:Codec"})
    with pytest.raises(SpecError) as caught:
        spec_from_text(TINY + "codec: x\n", "s.yaml")
    [line] = caught.value.problems
    assert line.startswith("s.yaml:14:8: codec: codec 'x' of half-broken 0.1")
    assert said in line


def test_a_plugin_is_imported_only_when_it_is_named(site: Path, tmp_path: Path) -> None:
    own_distribution(site)
    lazy = module(site, "never_imported", "raise SystemExit('imported')\n")
    distribution(site, "lazy", codecs={"lazy": f"{lazy}:X"}, hooks={"lazy": f"{lazy}:X"})
    for command in (["--help"], ["plugins"], ["check", write_spec(tmp_path)]):
        assert wflow(*command).exit_code == 0
    assert lazy not in sys.modules


COUNT = """
import importlib.metadata, sys
from unittest.mock import patch
from wflow_core import registry
with patch.object(registry, "distributions", wraps=importlib.metadata.distributions) as scan:
    from wflow_core.assembly.assemble import assemble
    from wflow_core.specs.spec import load_spec
    assemble(load_spec(sys.argv[1]))
    assemble(load_spec(sys.argv[1]))
    print(scan.call_count)
"""


def test_metadata_of_packages_is_scanned_once(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", COUNT, write_spec(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == "1\n"


def test_what_comes_and_goes_on_the_path_is_seen_without_a_restart(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> set[str]:
        return {p.name for p in registry.plugins("codec")} & {"first", "second", "elsewhere"}

    assert names() == set()
    distribution(site, "first", codecs={"first": "plugin_support:Rotation"})
    assert names() == {"first"}
    assert registry.load("codec", "first").__name__ == "Rotation"
    second = distribution(site, "second", codecs={"second": "plugin_support:Rotation"})
    assert names() == {"first", "second"}
    shutil.rmtree(second)
    assert names() == {"first"}
    # Another folder on the path, such as one that did not exist before.
    later = tmp_path / "later"
    monkeypatch.syspath_prepend(later)
    assert names() == {"first"}
    distribution(later, "elsewhere", codecs={"elsewhere": "plugin_support:Rotation"})
    assert names() == {"first", "elsewhere"}
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(site)])
    assert names() == {"elsewhere"}


def test_commands_of_plugins(site: Path) -> None:
    text = "import click\n\n@click.command()\ndef hello():\n    click.echo('hello there')\n"
    good = module(site, "good_command", text)
    bad = module(site, "bad_command", "import not_there_at_all\n")
    distribution(
        site, "more-commands", "0.9",
        commands={"hello": f"{good}:hello", "bad": f"{bad}:bad", "odd": f"{good}:__name__"},
    )  # fmt: skip
    shown = wflow("--help").stdout
    assert "hello" in shown
    assert wflow("hello").stdout == "hello there\n"
    assert "command 'bad' of more-commands 0.9 fails to import from 'bad_command:bad': " in refused(
        wflow("bad")
    )
    assert "command 'odd' of more-commands 0.9" in refused(wflow("odd"))
    assert "not a click command" in refused(wflow("odd"))


ROTATED = tiny(
    codec="{type: rotation, keep: 3}",
    coupling="independent",
    prior="gaussian",
    velocity="{type: mlp, width: 8}",
)


def test_a_codec_end_to_end(site: Path, tmp_path: Path) -> None:
    own_distribution(site)
    spec, out = write_spec(tmp_path, ROTATED), tmp_path / "out"
    result = wflow("run", spec, "--out", out)
    assert result.exit_code == 0, result.output
    code = tensors(out, "codec")
    assert code["basis"].shape == (3, 134)
    torch.testing.assert_close(code["basis"] @ code["basis"].T, torch.eye(3))
    # Samples, and where they came from, lie in the plane that the codec decodes to.
    samples = tensors(out, "samples")
    for name in ("weights", "initial"):
        centred = samples[name] - code["mean"]
        torch.testing.assert_close(centred @ code["basis"].T @ code["basis"], centred)
    assert tensors(out, "flow")["write.weight"].shape[0] == 3
    assert json.loads((out / "metrics.json").read_text())["novelty"]["spread_ratio"] > 0
    assert json.loads((out / "record.json").read_text())["plugins"]["codec"] == "wflow-tests 2.5"
    # Found again, and loaded by another object.
    before = results(out)
    shutil.rmtree(out / "samples")
    assert wflow("run", spec, "--out", out).exit_code == 0
    assert results(out) == before
    more, same = (wflow_core.load(out).sample(4, seed=1).weights - code["mean"] for _ in range(2))
    torch.testing.assert_close(more @ code["basis"].T @ code["basis"], more)
    assert torch.equal(more, same)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            {"velocity": "neuron_transformer"},
            "8:11: velocity: 'neuron_transformer' needs the symmetry",
        ),
        (
            {"prior": "initializer"},
            "6:8: prior: 'initializer' needs the architecture's initialiser",
        ),
    ],
)
def test_what_a_codec_hides(site: Path, lines: dict[str, str], said: str) -> None:
    own_distribution(site)
    text = ROTATED.replace("{type: rotation, keep: 3}", "rotation")
    for key, value in lines.items():
        text = re.sub(f"(?m)^{key}: .*$", f"{key}: {value}", text)
    with pytest.raises(SpecError) as caught:
        assemble(spec_from_text(text, "s.yaml"))
    assert caught.value.problems[0].startswith(f"s.yaml:{said}")
    assert len(caught.value.problems) == 1


def test_a_canonicalizer_end_to_end(site: Path, tmp_path: Path) -> None:
    own_distribution(site)
    spec, out = write_spec(tmp_path, tiny(canonicalizers="[by_norm, by_norm]")), tmp_path / "out"
    assert wflow("run", spec, "--out", out).exit_code == 0
    zoo, canonical = tensors(out, "zoo"), tensors(out, "canonical")
    flow = wflow_core.load(out)
    [by_norm, _] = flow.components.canonicalizers
    ordered = by_norm.norms(canonical["weights"])
    assert torch.equal(ordered, ordered.sort(1).values)
    assert not torch.equal(by_norm.norms(zoo["weights"]), ordered)
    # The function stays, initialisations move along, and the flow learns from what moved.
    x = flow.components.task.splits["test"].x
    outputs = [flow.components.architecture.batched(s["weights"], x) for s in (zoo, canonical)]
    torch.testing.assert_close(outputs[0], outputs[1])
    moved = [s["weights"] - s["initial"] for s in (zoo, canonical)]
    torch.testing.assert_close(moved[0].norm(dim=1), moved[1].norm(dim=1))
    assert torch.equal(flow.zoo.weights, canonical["weights"])
    metrics = json.loads((out / "metrics.json").read_text())
    plain = wflow("run", write_spec(tmp_path), "--out", tmp_path / "plain", "--json")
    loss = json.loads(plain.stdout)["zoo"]["loss"]["mean"]
    assert metrics["zoo"]["loss"]["mean"] == pytest.approx(loss)
    assert tensors(out, "flow").keys() == tensors(tmp_path / "plain", "flow").keys()
    assert any(
        not torch.equal(t, tensors(tmp_path / "plain", "flow")[n])
        for n, t in tensors(out, "flow").items()
    )


def test_guidance_end_to_end(site: Path, tmp_path: Path) -> None:
    own_distribution(site)
    found = {}
    for name, line in (("none", None), ("zero", "drift"), ("two", "{type: drift, strength: 2}")):
        spec, out = write_spec(tmp_path, tiny(guidance=line)), tmp_path / name
        assert wflow("run", spec, "--out", out).exit_code == 0
        found[name] = tensors(out, "samples")["weights"]
    assert torch.equal(found["zero"], found["none"])
    # A drift of 2 for a time of 1, beside what it changes of the field.
    assert (found["two"] - found["none"]).mean() > 1


def test_guidance_through_a_codec(site: Path, tmp_path: Path) -> None:
    own_distribution(site)
    spec = write_spec(tmp_path, ROTATED + "guidance: {type: drift, strength: 0.5}\n")
    result = wflow("run", spec, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_a_hook_of_a_plugin(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_distribution(site)
    monkeypatch.setattr(Recorder, "seen", [])
    spec = write_spec(tmp_path, tiny(hooks="[recorder]"))
    assert wflow("run", spec, "--out", tmp_path / "out").exit_code == 0
    assert Recorder.seen[0][0] == "run_start"


def test_another_version_of_a_plugin_is_not_the_same_run(site: Path, tmp_path: Path) -> None:
    info = own_distribution(site)
    spec, out = write_spec(tmp_path, ROTATED), tmp_path / "out"
    assert wflow("run", spec, "--out", out).exit_code == 0
    metadata = info / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.5", "2.6"))
    info.rename(info.with_name(info.name.replace("2.5", "2.6")))  # as an installer does
    result = wflow("run", spec, "--out", out)
    assert result.exit_code == 0
    assert "collect  found finished" in result.stderr
    assert "encode  found finished" not in result.stderr
    assert json.loads((out / "record.json").read_text())["plugins"]["codec"] == "wflow-tests 2.6"


def test_the_schema_keeps_options_of_one_name_apart(site: Path) -> None:
    text = (
        "from wflow_core.interfaces.codec import Codec\n"
        "from wflow_core.interfaces.component import Options\n"
        "class Optimizer(Options):\n    turns: int\n"
        "class Mine(Codec):\n    class Config(Options):\n        optimizer: Optimizer\n"
        "Mine.__abstractmethods__ = frozenset()\n"
    )
    distribution(site, "mine", codecs={"mine": f"{module(site, 'has_an_optimizer', text)}:Mine"})
    validator = Draft202012Validator(spec_schema())

    def valid(codec: dict[str, object], zoo: dict[str, object]) -> bool:
        return validator.is_valid({"name": "x", **wanted(), "zoo": zoo, "codec": codec})

    zoo = {"type": "train", "optimizer": {"lr": 0.1}}
    codec = {"type": "mine", "optimizer": {"turns": 3}}
    assert valid(codec, zoo)
    assert not valid(codec, zoo | {"optimizer": {"turns": 3}})
    assert not valid(codec | {"optimizer": {"lr": 0.1}}, zoo)
