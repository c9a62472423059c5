"""Data and files that change between runs: which stages run again, and what is read to find out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from file_run_support import FileRun, change_last_byte, touch
from plugin_support import distribution, refused, tiny, wflow
from record_files import write_records
from torch import Tensor

from wflow_core import registry
from wflow_core.assembly.assemble import assemble
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.component import Component, Options
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.needs import DATA
from wflow_core.pipeline.keys import Fingerprints, stage_key
from wflow_core.specs.spec import spec_from_text
from wflow_core.symmetry import GroupElement
from wflow_core.weights import WeightSet
from wflow_plugins.tasks.cifar10 import Cifar10
from wflow_plugins.tasks.fashion_mnist import FashionMnist
from wflow_plugins.tasks.mnist import Mnist
from wflow_plugins.zoos import checkpoints

IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
ALL_AGAIN = dict.fromkeys(["collect", "train", "sample", "evaluate"], False)
FUNCTION_LOSS = "{iterations: 4, batch_size: 4, losses: [function]}"


@pytest.mark.parametrize(
    ("lines", "reused"),
    [
        ({}, ALL_AGAIN | {"train": True}),
        ({"train": FUNCTION_LOSS}, ALL_AGAIN),
        ({"canonicalizers": "[activation_matching]"}, ALL_AGAIN | {"canonicalize": False}),
    ],
    ids=["no component on data", "function loss", "activation_matching"],
)
def test_stages_that_use_changed_data_run_again(
    tmp_path: Path, lines: dict[str, str], reused: dict[str, bool]
) -> None:
    files = FileRun(tmp_path, **lines)
    first = files.run()
    assert files.run() == dict.fromkeys(first, True)
    path = files.images / IMAGES
    path.write_bytes(path.read_bytes()[:16] + path.read_bytes()[:15:-1])
    touch(path)
    assert refused(wflow("run", files.spec, "--out", files.out)) == (
        f"wflow: {files.out}: holds a run of other data: what task reads has changed since; give "
        "another --out, or --overwrite to replace what differs"
    )
    assert files.run("--overwrite") == reused


# How a spec names a component of a kind; of the components, those with the need DATA are tried.
WITH_NEED: dict[str, Callable[[str], dict[str, str]]] = {
    "zoo": lambda name: {"zoo": name},
    "canonicalizer": lambda name: {"canonicalizers": f"[{name}]"},
    "codec": lambda name: {"codec": name},
    "condition": lambda name: {"condition": name},
    "prior": lambda name: {"prior": name},
    "coupling": lambda name: {"coupling": name},
    "velocity": lambda name: {"velocity": name},
    "solver": lambda name: {"solver": name},
    "guidance": lambda name: {"guidance": name, "solver": "guided_euler"},
    "metric": lambda name: {"metrics": f"[{name}]"},
    "baseline": lambda name: {"baselines": f"[{name}]"},
    "loss": lambda name: {"train": f"{{losses: [{name}]}}"},
    "time": lambda name: {"train": f"{{time: {name}}}"},
    "optimizer": lambda name: {"train": f"{{optimizer: {name}}}"},
}
ON_DATA = [
    (plugin.kind, plugin.name)
    for plugin in registry.plugins()
    if plugin.distribution == "weightspace-flow" and DATA in registry.load_plugin(plugin).needs
]


def built(**lines: str) -> Components:
    """Components of a spec whose zoo is no stage's reason to depend on the data."""
    plain = {"zoo": "{type: gaussian, networks: 4}", "prior": "gaussian", "metrics": "[]"}
    plain |= {"coupling": "independent", "baselines": "[]", "velocity": "mlp"}
    return assemble(spec_from_text(tiny(**plain | lines)))


def keys(components: Components) -> dict[str, str]:
    """The key of every stage, without inputs."""
    prints = Fingerprints(components, {})
    stages = components.stages.items()
    return {name: stage_key(name, stage, components, {}, prints) for name, stage in stages}


def keys_with(components: Components, component: Component, fingerprint: str) -> dict[str, str]:
    """The same with another fingerprint of a component."""
    cls = type(component)
    own = {"fingerprint": property(lambda self: fingerprint)}
    component.__class__ = type(cls.__name__, (cls,), own)
    return keys(components)


def test_components_on_data_are_known() -> None:
    assert {kind for kind, _ in ON_DATA} >= {"zoo", "canonicalizer", "loss", "guidance", "metric"}


@pytest.mark.parametrize(("kind", "name"), ON_DATA, ids=lambda of: of)
def test_the_need_for_data_makes_keys_depend_on_it(kind: str, name: str) -> None:
    components = built(**WITH_NEED[kind](name))
    cls = registry.load(kind, name)
    (path,) = [path for path, of in components.built.items() if type(of) is cls]
    before, after = (keys_with(components, components.task, of) for of in ("before", "after"))
    stages = components.stages.items()
    using = {stage for stage, of in stages if path[0] in (stage, *of.fields)}
    assert using
    assert [stage for stage in using if before[stage] == after[stage]] == []


def test_stages_without_components_on_data_do_not_depend_on_it() -> None:
    components = built(canonicalizers="[weight_matching]", codec="pca")
    before, after = (keys_with(components, components.task, of) for of in ("before", "after"))
    same = {stage for stage in before if before[stage] == after[stage]}
    assert same == {"canonicalize", "encode", "train"}


def test_the_fingerprint_of_every_component_is_in_keys() -> None:
    lines = {
        "canonicalizers": "[weight_matching]", "codec": "pca", "guidance": "task_loss",
        "solver": "guided_euler", "baselines": "[interpolation]",
        "metrics": "[task_score, {type: calibration, task: {type: breast_cancer, val: 0.3}}]",
        "zoo": "{type: union, zoos: {a: {type: gaussian, networks: 4}, b: {type: train}}}",
        "condition": "{type: covariates, names: [source]}",
        "train": "{losses: [function], time: beta, optimizer: muon}",
    }  # fmt: skip
    components = built(**lines)
    assert {path[0] for path in components.built} >= lines.keys()
    for path, component in components.built.items():
        before, after = (keys_with(components, component, of) for of in ("before", "after"))
        stages = components.stages.items()
        using = {stage for stage, of in stages if path[0] in (stage, *of.fields)}
        assert bool(using) == (path[0] != "hooks"), path
        assert [stage for stage in using if before[stage] == after[stage]] == [], path


class InOrderOf(Canonicalizer):
    """Hidden units in the order that a file lists."""

    class Config(Options):
        file: str

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(Path(self.config.file).read_bytes()).hexdigest()

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: Tensor) -> GroupElement:
        order = [int(unit) for unit in Path(self.config.file).read_text().split()]
        return GroupElement({"h1": torch.tensor(order).expand(len(weights), -1)})


def test_a_changed_file_of_another_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, order = tmp_path / "site", tmp_path / "order.txt"
    distribution(site, "own", canonicalizers={"in_order_of": "test_changed_data:InOrderOf"})
    monkeypatch.syspath_prepend(site)
    order.write_text("2 0 1 3")
    files = FileRun(tmp_path, canonicalizers=f"[{{type: in_order_of, file: {order}}}]")
    first = files.run()
    order.write_text("3 0 1 2")
    message = refused(wflow("run", files.spec, "--out", files.out))
    assert "other data: what canonicalizers.0 reads has changed since" in message
    # What is sampled is encoded by canonicalizers of each network alone: they are in its key, too.
    assert files.run("--overwrite") == dict.fromkeys(first, False) | {"collect": True}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the data of a task is loaded, and files of a zoo are hashed or read."""
    counted: Counter[str] = Counter()

    def count(place: Any, name: str) -> None:
        real = getattr(place, name)

        def call(*args: Any, **options: Any) -> Any:
            counted[name] += 1
            return real(*args, **options)

        monkeypatch.setattr(place, name, call)

    for task in (Mnist, FashionMnist, Cifar10):
        count(task, "load")
    count(checkpoints, "hash_file")
    count(checkpoints, "read_checkpoint")
    return counted


def test_unchanged_files_are_not_read_again(tmp_path: Path, reads: Counter[str]) -> None:
    files = FileRun(tmp_path, train=FUNCTION_LOSS, canonicalizers="[activation_matching]")
    first = files.run()
    assert reads == {"load": 1, "hash_file": 6, "read_checkpoint": 6}
    reads.clear()
    for _ in range(2):
        assert files.run() == dict.fromkeys(first, True)
        assert reads == {}
    # Another result of the same data: what needs it reads it, and nobody hashes it.
    files.lines["sample"] = "{networks: 5}"
    assert files.run("--overwrite") == dict.fromkeys(first, True) | {
        "sample": False, "evaluate": False,
    }  # fmt: skip
    assert reads == {"load": 1}


@pytest.mark.parametrize("name", ["images", "zoo"])
def test_another_time_of_the_same_content(tmp_path: Path, reads: Counter[str], name: str) -> None:
    files = FileRun(tmp_path)
    first = files.run()
    reads.clear()
    touch(next(p for p in sorted((files.folder / name).iterdir())))
    assert files.run() == dict.fromkeys(first, True)
    assert reads == ({"load": 1} if name == "images" else {"hash_file": 6})
    reads.clear()
    assert files.run() == dict.fromkeys(first, True)
    assert reads == {}


@pytest.mark.parametrize(("name", "reader"), [("images", "task"), ("zoo", "zoo")])
def test_other_content_of_the_same_size(tmp_path: Path, name: str, reader: str) -> None:
    files = FileRun(tmp_path)
    files.run()
    path = files.images / LABELS if name == "images" else files.zoo / "0.safetensors"
    size = path.stat().st_size
    change_last_byte(path)
    assert path.stat().st_size == size
    message = refused(wflow("run", files.spec, "--out", files.out))
    assert f"other data: what {reader} reads has changed since" in message
    assert not files.run("--overwrite")["collect"]


def test_files_that_are_gone_are_told(tmp_path: Path) -> None:
    files = FileRun(tmp_path)
    files.run()
    (files.zoo / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    message = refused(wflow("run", files.spec, "--out", files.out))
    assert "gone.safetensors: is not a file" in message


@pytest.mark.parametrize("task", [Mnist, FashionMnist, Cifar10])
def test_tasks_of_files_name_them(task: type[Any], tmp_path: Path) -> None:
    folder = write_records(tmp_path / "cifar10")
    for path in FileRun(tmp_path).images.iterdir():
        path.rename(folder / path.name)
    files = task(data_dir=str(folder)).files
    assert len(files) == (6 if task is Cifar10 else 4)
    assert {path.parent for path in files} == {folder}
    before = task(data_dir=str(folder)).fingerprint
    for path in files:
        change_last_byte(path)
        after = task(data_dir=str(folder)).fingerprint
        assert after != before
        before = after


class Fetched(Mnist):
    """Images that loading fetches."""

    def __init__(self, folder: Path, source: Path):
        super().__init__(data_dir=str(folder))
        self.folder, self.source = folder, source

    def load(self) -> Any:
        if not self.folder.exists():
            self.source.rename(self.folder)
        return super().load()


def test_files_that_loading_fetches_are_known_at_once(tmp_path: Path) -> None:
    source = FileRun(tmp_path).images
    first, again = (Fetched(tmp_path / "fetched", source) for _ in range(2))
    components = built()
    taken: dict[str, Any] = {}
    for task in (first, again):
        now = replace(components, built={**components.built, ("task",): task})
        prints = Fingerprints(now, taken)
        assert prints.of([("task",)])
        taken = prints.taken
    assert "splits" in vars(first)
    assert "splits" not in vars(again)
