"""Contract tests that plugin authors subclass, one a kind.

A test module of a plugin package is as short as this::

    from wflow_core.testing import ManifoldContract
    from my_package import Torus

    class TestTorus(ManifoldContract):
        component = Torus
        options = {"radius": 2.0}

pytest finds the tests of the contract by inheritance.
"""

from wflow_core.testing.architecture import ArchitectureContract
from wflow_core.testing.baseline import BaselineContract
from wflow_core.testing.canonicalizer import CanonicalizerContract
from wflow_core.testing.codec import CodecContract
from wflow_core.testing.condition import ConditionContract
from wflow_core.testing.contract import Contract
from wflow_core.testing.coupling import CouplingContract
from wflow_core.testing.guidance import GuidanceContract
from wflow_core.testing.hook import HookContract
from wflow_core.testing.loss import LossContract
from wflow_core.testing.manifold import ManifoldContract
from wflow_core.testing.metric import MetricContract
from wflow_core.testing.optimizer import OptimizerContract
from wflow_core.testing.prior import PriorContract
from wflow_core.testing.solver import SolverContract
from wflow_core.testing.stage import StageContract
from wflow_core.testing.task import TaskContract
from wflow_core.testing.time import TimeSamplerContract
from wflow_core.testing.velocity import VelocityContract
from wflow_core.testing.zoo import ZooContract

CONTRACTS: dict[str, type[Contract]] = {
    "task": TaskContract,
    "architecture": ArchitectureContract,
    "zoo": ZooContract,
    "canonicalizer": CanonicalizerContract,
    "codec": CodecContract,
    "manifold": ManifoldContract,
    "condition": ConditionContract,
    "prior": PriorContract,
    "coupling": CouplingContract,
    "velocity": VelocityContract,
    "time": TimeSamplerContract,
    "loss": LossContract,
    "optimizer": OptimizerContract,
    "solver": SolverContract,
    "guidance": GuidanceContract,
    "metric": MetricContract,
    "baseline": BaselineContract,
    "stage": StageContract,
    "hook": HookContract,
}
"""The contract of each kind."""

__all__ = ["CONTRACTS", *(contract.__name__ for contract in CONTRACTS.values())]
