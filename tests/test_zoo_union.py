"""A union of zoos: where its networks come from, and what it can still do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from checkpoint_support import MLP, networks
from plugin_support import tiny
from pydantic import ValidationError
from torch import Tensor

import wflow_core
from wflow_core.errors import SpecError
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.task import Split
from wflow_core.interfaces.zoo import Covariate
from wflow_core.pipeline.keys import Fingerprints, stage_key
from wflow_core.specs.spec import spec_from_text
from wflow_core.testing.fixtures import SmallTask, seeded, small_network, small_task
from wflow_plugins.commands.export import write_networks
from wflow_plugins.tasks.breast_cancer import BreastCancer
from wflow_plugins.zoos.checkpoints import Checkpoints
from wflow_plugins.zoos.gaussian import GaussianZoo
from wflow_plugins.zoos.train import Train
from wflow_plugins.zoos.union import Union


class Flipped(SmallTask):
    """The small task with its classes exchanged."""

    def load(self) -> dict[str, Split]:
        return {name: Split(s.x, 1 - s.y) for name, s in super().load().items()}


def world() -> tuple[Any, Any]:
    return small_task(), small_network()


def trained(task: Any = None, **options: Any) -> Train:
    made = {"networks": 5, "epochs": 20, "optimizer": {"lr": 0.05}} | options
    return Train(task or small_task(), small_network(), **made)


def drawn(**options: Any) -> GaussianZoo:
    return GaussianZoo(*world(), **({"networks": 4} | options))


def union(**sources: Any) -> Union:
    return Union(*world(), zoos=sources)


def test_networks_know_their_source_and_runs_stay_apart() -> None:
    snapshots = trained(snapshots={"every": 20})
    zoo = union(long=snapshots, low=drawn(mean=-9.0)).collect(seeded())
    source = zoo.covariates["source"]
    assert zoo.categories == {"source": ("long", "low")}
    assert source.bincount().tolist() == [len(zoo) - 4, 4]
    assert len(zoo) > 9
    assert (zoo.weights[source == 1].mean(1) < -6).all()
    runs = [set(zoo.run[source == of].tolist()) for of in (0, 1)]
    assert [len(of) for of in runs] == [5, 4]
    assert not runs[0] & runs[1]


def test_what_all_sources_know_and_offer_is_kept() -> None:
    both, mixed = union(a=trained(), b=trained()), union(a=trained(), b=drawn())
    assert both.offers == {"initialisations", "retraining"}
    assert mixed.offers == {"retraining"}
    known = Covariate("loss"), Covariate("score")
    assert both.covariates == (Covariate("source", ("a", "b")), *known)
    assert mixed.covariates == (Covariate("source", ("a", "b")),)
    zoo = both.collect(seeded())
    assert zoo.initial is not None
    assert zoo.covariates["loss"].shape == (10,)
    assert mixed.collect(seeded()).initial is None


def test_each_is_trained_on_its_own_task() -> None:
    zoo = union(plain=trained(), flipped=trained(Flipped())).collect(seeded())
    assert zoo.covariates["score"].mean() > 0.8  # each on its own
    val = small_task().splits["val"]
    outputs = small_network().batched(zoo.weights, val.x)
    right = (outputs.argmax(-1) == val.y).float().mean(1)
    assert right[:5].mean() > 0.8
    assert right[5:].mean() < 0.2


def test_further_networks_are_shared_out() -> None:
    more = union(a=drawn(mean=9.0), b=drawn(mean=-9.0)).retrain(5, seeded())
    assert (more.weights.mean(1) > 0).tolist() == [True] * 3 + [False] * 2
    assert len(union(a=drawn(), b=drawn()).retrain(1, seeded())) == 1


def test_files_of_all_are_hashed_and_counted_through(tmp_path: Path) -> None:
    def of(folder: str) -> Checkpoints:
        return Checkpoints(BreastCancer(), MLP, folder=str(tmp_path / folder))

    for name, n in (("a", 2), ("b", 3)):
        write_networks(networks(n), tmp_path / name, separate=True)
    zoo = Union(BreastCancer(), MLP, zoos={"a": of("a"), "b": of("b")})
    zoo.collect(seeded())
    told = zoo.provenance()
    assert [p["source"] for p in told] == ["a"] * 2 + ["b"] * 3
    assert [p["rows"] for p in told] == [[i, i + 1] for i in range(5)]


def test_changed_files_of_a_source_are_another_zoo(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_networks(networks(3), tmp_path / name, separate=True)
    zoos = ", ".join(f"{n}: {{type: checkpoints, folder: {tmp_path / n}}}" for n in "ab")
    text = tiny(zoo=f"{{type: union, zoos: {{{zoos}}}}}", prior="gaussian", coupling="independent")
    text = text.replace("hidden: [4]", "hidden: [16, 16]")

    def keys() -> tuple[str, str]:
        components = wflow_core.assemble(spec_from_text(text))
        return key(components, "collect"), key(components, "train")

    before = keys()
    assert before == keys()
    next((tmp_path / "b").glob("*.safetensors")).unlink()
    assert keys()[0] != before[0]
    assert keys()[1] == before[1]  # what changes is its input


SPEC = tiny(
    task="iris",
    zoo="{type: union, zoos: {a: {type: train, networks: 6, epochs: 1}, "
    "b: {type: train, networks: 6, epochs: 1, task: {type: iris, split_seed: 1}}}}",
    condition="{type: covariates, names: [source, loss]}",
    sample="{networks: 4, condition: {source: b}}",
)


def assembled(*overrides: str) -> Components:
    return wflow_core.assemble(spec_from_text(SPEC, overrides=overrides))


def test_a_spec_names_sources_with_their_tasks(tmp_path: Path) -> None:
    a = assembled("zoo.zoos.a.epochs=2", "metrics=[task_score]", "hooks=[]")
    assert [of.config.epochs for of in a.zoo.sources.values()] == [2, 1]
    assert [of.task.config.split_seed for of in a.zoo.sources.values()] == [0, 1]
    again = wflow_core.assemble(spec_from_text(_dumped(a)))
    assert again.resolved == a.resolved
    wflow_core.run(a, tmp_path / "run")
    samples = wflow_core.load(tmp_path / "run").samples
    assert samples.covariates["source"].tolist() == [1] * 4
    assert samples.covariates["loss"].isfinite().all()


def _dumped(a: Components) -> str:
    import json

    return json.dumps(a.resolved)


def test_other_data_of_a_source_is_another_zoo() -> None:
    first, second = assembled(), assembled()
    second.built[("zoo", "zoos", "b", "task")].__dict__["fingerprint"] = "other"
    for stage in ("collect", "reference"):
        assert key(first, stage) == key(assembled(), stage)
        assert key(first, stage) != key(second, stage)


def key(components: Components, name: str) -> str:
    """Of a stage without inputs, but for what is read of them."""
    stage = components.stages[name]
    return stage_key(name, stage, components, {}, Fingerprints(components, {}))


def test_a_zoo_alone_may_have_a_task_of_its_own() -> None:
    zoo = "{type: train, networks: 6, task: {type: iris, split_seed: 2}}"
    c = assembled(f"zoo={zoo}", "condition=null", "sample.condition={}")
    assert (c.zoo.task.config.split_seed, c.task.config.split_seed) == (2, 0)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("zoo.zoos={}", r"zoo\.zoos: dictionary should have at least 1 item"),
        ("zoo.zoos.b.type=trane", r"zoo\.zoos\.b: unknown zoo 'trane'"),
        ("zoo.zoos.b.epoch=3", r"unknown option zoo\.zoos\.b\.epoch.*did you mean 'epochs'"),
        ("zoo.zoos.b.task=digits", r"zoo\.zoos\.b\.task: 'digits' has inputs"),
        ("zoo.zoos.b.task=gaussian", r"zoo\.zoos\.b"),
        ("zoo.zoos.b=3", r"zoo\.zoos\.b: "),
        ("condition={type: covariates, names: [sources]}", "did you mean 'source'"),
        ("sample.condition={source: c}", r"sample.condition.source: 'source' is one of a, b"),
        ("zoo={type: train, zoos: {a: {type: train}}}", r"unknown option zoo\.zoos"),
        ("zoo={type: train, task: digits}", r"zoo\.task: 'digits' has inputs"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(override: str, told: str) -> None:
    with pytest.raises(SpecError) as error:
        assembled(override)
    assert any(re.search(told, line) for line in error.value.problems), error.value.problems


def test_no_source_is_refused_from_python() -> None:
    for zoos in ({}, {"zoos": {}}):
        with pytest.raises(ValidationError, match="zoos"):
            Union(*world(), **zoos)


def test_progress_is_of_all_together() -> None:
    seen: list[Tensor] = []
    union(a=trained(), b=drawn()).collect(seeded(), lambda step, total: seen.append((step, total)))
    steps = [step for step, _ in seen]
    assert steps == sorted(steps)
    assert seen[-1] == (200, 200)
