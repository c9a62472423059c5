"""Which networks are recalibrated, and on which rows."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_plugins.matching.distances import Distances
from wflow_core.interfaces.baseline import NullContext, NullMakers
from wflow_plugins.baselines.making import NULLS, make_nulls
from wflow_plugins.batchnorm.recalibration import Recalibration, recalibrate
from wflow_core.specs.options import RecalibrateOptions
from wflow_core.testing.world import seeded, small_network, small_task, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.cnn import Cnn
from wflow_plugins.metrics.loss_barrier import LossBarrier
from wflow_plugins.tasks.digits import Digits
from wflow_plugins.tasks.gaussian import GaussianToy
from wflow_plugins.zoos.train import Train


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
    networks = WeightSet.from_module(with_norm.module, with_norm.initialize(2, seeded()))
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


def test_every_null_but_training_is_recalibrated() -> None:
    task, a = few()
    source = Train(task, a, networks=4, epochs=1, batch_size=64)
    zoo = source.collect(seeded())
    marked: list[Tensor] = []

    def mark(networks: WeightSet) -> WeightSet:
        marked.append(networks.weights)
        networks.buffers.fill_(7.0)
        return networks

    distances = Distances(a.symmetry, zoo)
    context = NullContext(
        NullMakers(a, source, recalibrate=mark), zoo, zoo[:3], distances, seeded(1)
    )
    made = {name: networks for name, (networks, _) in make_nulls(context).items()}
    assert made.keys() == NULLS.keys()
    for name, networks in made.items():
        assert bool((networks.buffers == 7).all()) == (name != "retrained")
        assert any(torch.equal(networks.weights, of) for of in marked) == (name != "retrained")
    assert not (zoo.buffers == 7).any()


def test_the_barrier_is_of_a_recalibrated_midpoint_over_ends_as_they_are() -> None:
    task, a = few()
    networks = Train(task, a, networks=2, epochs=1, batch_size=64).collect(seeded())
    metric = LossBarrier(task, a)
    found = metric.measure(networks, networks)["loss_barrier"]["as_is"]
    middle = WeightSet.from_module(a.module, networks.weights.mean(0, keepdim=True))
    middle = recalibrate(a, middle, Recalibration(task, a).rows)
    test = task.splits["test"]

    def loss(of: WeightSet) -> Tensor:
        outputs = a.networks(of.weights, test.x, of.buffers)
        return task.objective.score(outputs, test.y)["loss"]

    torch.testing.assert_close(found, loss(middle) - loss(networks).mean())
