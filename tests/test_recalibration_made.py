"""Which networks are recalibrated, and on which rows."""

from __future__ import annotations

from dataclasses import replace

import torch
from plugin_support import tiny
from torch import Tensor

from wflow_core.assembly.assemble import assemble
from wflow_core.interfaces.architecture import Architecture
from wflow_core.specs.spec import spec_from_text
from wflow_core.testing.fixtures import seeded, small_network, small_task, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.cnn import Cnn
from wflow_plugins.batchnorm.recalibration import RecalibrateOptions, Recalibration, recalibrate
from wflow_plugins.defaults import DEFAULTS
from wflow_plugins.evaluation.baselines import make_baselines
from wflow_plugins.metrics.loss_barrier import LossBarrier
from wflow_plugins.tasks.digits import Digits
from wflow_plugins.tasks.gaussian import GaussianToy
from wflow_plugins.zoos.train import Train

# The same as a spec.
FEW = {
    "task": "{type: digits, flat: false, test: 0.8}",
    "architecture": "{type: cnn, channels: [2], batch_norm: true}",
    "zoo": "{type: train, networks: 4, epochs: 1, batch_size: 64}",
}


def few() -> tuple[Digits, Architecture]:
    """A task of few training rows, and networks with BatchNorm for it."""
    task = Digits(flat=False, test=0.8)
    return task, Cnn(task.signature, channels=[2], batch_norm=True)


def test_no_data_is_read_for_networks_that_have_no_statistics() -> None:
    unread, zoo = small_task(), small_zoo()
    unread.splits = {}
    plain = Recalibration(unread, small_network())
    assert not plain.acts
    assert plain(zoo) is zoo
    task, with_norm = few()
    networks = WeightSet.from_module(with_norm.template, with_norm.initialize(2, seeded()))
    for without in (
        Recalibration(GaussianToy(), with_norm),
        Recalibration(task, with_norm, None),
    ):
        assert not without.acts
        assert without(networks) is networks


def test_rows_are_all_where_there_are_few_and_decided_by_the_seed() -> None:
    task, a = few()
    first, again, other = (Recalibration(task, a, seed=seed).rows for seed in (0, 0, 1))
    assert len(first) == len(task.splits["train"])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first.sort(0).values, other.sort(0).values)
    some = Recalibration(task, a, RecalibrateOptions(rows=10)).rows
    assert torch.equal(some, first[:10])


def test_every_baseline_but_training_is_recalibrated() -> None:
    components = assemble(spec_from_text(tiny(**FEW)))
    zoo = components.zoo.collect(seeded())
    marked: list[Tensor] = []

    def mark(networks: WeightSet) -> WeightSet:
        marked.append(networks.weights)
        networks.buffers.fill_(7.0)
        return networks

    marking = replace(components, scope={**components.scope, "recalibrate": mark})
    made = {name: of for name, of, _ in make_baselines(marking, zoo[:3], zoo, seeded(1))}
    assert list(made) == DEFAULTS["baselines"]
    for name, networks in made.items():
        assert bool((networks.buffers == 7).all()) == (name != "retrained")
        assert any(torch.equal(networks.weights, of) for of in marked) == (name != "retrained")
    assert not (zoo.buffers == 7).any()


def test_the_barrier_is_of_a_recalibrated_midpoint_over_ends_as_they_are() -> None:
    task, a = few()
    networks = Train(task, a, networks=2, epochs=1, batch_size=64).collect(seeded())
    metric = LossBarrier(task, a)
    found = metric.measure(networks, networks)["loss_barrier"]["as_is"]
    middle = WeightSet.from_module(a.template, networks.weights.mean(0, keepdim=True))
    middle = recalibrate(a, middle, Recalibration(task, a).rows)
    test = task.splits["test"]

    def loss(of: WeightSet) -> Tensor:
        outputs = a.batched(of.weights, test.x, of.buffers)
        return task.objective.score(outputs, test.y)["loss"]

    torch.testing.assert_close(found, loss(middle) - loss(networks).mean())
