"""The contracts of the stranger's components, as its author would test them."""

from __future__ import annotations

from stranger.measuring import Shrunk, Sparsity
from stranger.narrow import Cautious, Narrow
from stranger.prune import Prune
from stranger.training import EarlyTimes, NormLoss, Sgd

from wflow_core.testing import (
    BaselineContract,
    CouplingContract,
    LossContract,
    MetricContract,
    OptimizerContract,
    PriorContract,
    StageContract,
    TimeSamplerContract,
)


class TestPrune(StageContract):
    component = Prune


class TestShrunk(BaselineContract):
    component = Shrunk


class TestNormLoss(LossContract):
    component = NormLoss


class TestSgd(OptimizerContract):
    component = Sgd


class TestEarlyTimes(TimeSamplerContract):
    component = EarlyTimes


class TestNarrow(PriorContract):
    component = Narrow


class TestCautious(CouplingContract):
    component = Cautious


class TestSparsity(MetricContract):
    component = Sparsity
