"""A few small networks, and the zoo that reads them from the files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.task import Signature
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.tasks.breast_cancer import BreastCancer
from wflow_plugins.zoos.checkpoints import Checkpoints

MLP = Mlp(Signature((30,), 2), hidden=[5, 4])
State = dict[str, Tensor]


def networks(n: int = 3) -> WeightSet:
    return WeightSet.from_module(MLP.template, MLP.initialize(n, torch.Generator().manual_seed(0)))


def source(folder: Path, **options: Any) -> Checkpoints:
    return Checkpoints(BreastCancer(), MLP, folder=str(folder), **options)


def collect(folder: Path, **options: Any) -> WeightSet:
    return source(folder, **options).collect(torch.Generator())
