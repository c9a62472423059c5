"""What contracts of registered components are told: options, and worlds of their own."""

from __future__ import annotations

from typing import Any

import torch
from metric_support import ClassTask
from plugin_support import tiny
from torch import nn

from wflow_core import registry
from wflow_core.interfaces.task import Signature
from wflow_core.testing import CONTRACTS, ArchitectureContract, MetricContract, ZooContract
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import small_task
from wflow_core.testing.worlds import SEGMENTED, SMALL
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.vit import Vit
from wflow_plugins.likelihood.log_prob import LogProb
from wflow_plugins.matching.graph_action import act_on_blocks
from wflow_plugins.stages.trained_flow import NetworkFlow
from wflow_plugins.zoos.gaussian import GaussianZoo
from wflow_plugins.zoos.train import Train

# Small, where the defaults would take long.
OPTIONS = {
    ("task", "mnist"): {"data_dir": "images"},
    ("task", "fashion_mnist"): {"data_dir": "images", "flat": False},
    ("task", "cifar10"): {"data_dir": "records"},
    ("condition", "covariates"): {"names": ["loss", "kind"]},
    ("canonicalizer", "sinkhorn_rebasin"): {"iterations": 20},
    ("zoo", "checkpoints"): {"folder": "networks"},
    ("zoo", "train"): {"networks": 6, "epochs": 2},
    ("zoo", "gaussian"): {"networks": 8},
    ("velocity", "neuron_transformer"): {"width": 16, "heads": 2, "layers": 2},
    ("velocity", "mlp"): {"width": 16, "layers": 1},
    ("velocity", "bottleneck_mlp"): {"width": 16},
    ("velocity", "pna"): {"width": 16, "layers": 2},
    ("velocity", "relational_transformer"): {"width": 16, "heads": 2, "layers": 2},
    ("architecture", "bert"): {"width": 8, "heads": 2, "intermediate": 6, "positions": 7},
    ("architecture", "resnet18"): {"width": 2},
    ("architecture", "resnet20"): {"width": 2, "depth": 8},
    ("architecture", "traced"): {"module": nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))},
    ("architecture", "vit"): {"width": 8, "heads": 2, "depth": 2},
}
STAGES = {
    "collect": {"stages": "[collect]"},
    "canonicalize": {"stages": "[collect, canonicalize]", "canonicalizers": "[weight_matching]"},
    "encode": {
        "stages": "[collect, encode]",
        "codec": "{type: pca, components: 4}",
        "prior": "gaussian",
        "coupling": "independent",
        "velocity": "{type: mlp, width: 16}",
    },
    "train": {"stages": "[collect, train]"},
    "sample": {"stages": "[collect, train, sample]"},
    "reference": {
        "stages": "[collect, train, sample, reference]",
        "sample": "{networks: 8, architecture: {type: mlp, hidden: [6]}}",
    },
    "evaluate": {
        "stages": "[collect, canonicalize, train, sample, evaluate]",
        "canonicalizers": "[weight_matching]",
        "metrics": "[task_score, likelihood]",
        "solver": "{type: euler, steps: 2}",
    },
}
"""The spec that a built-in stage is tried in."""


def stage_spec(name: str) -> str:
    """The tiny spec up to a stage."""
    lines: dict[str, str | None] = dict(STAGES[name])
    sections = ("train", "sample")
    absent = dict.fromkeys(s for s in sections if s not in lines["stages"])  # type: ignore[operator]
    needs_flow = {} if name == "evaluate" else {"metrics": "[]"}
    return tiny(**{**needs_flow, "hooks": None, **absent, **lines})


class GraphContract(ArchitectureContract):
    """The action on weights is that on the nodes of their graph, too."""

    def test_acting_on_weights_is_acting_on_nodes(self) -> None:
        weights, _, element = self._moved()
        symmetry = self.architecture().symmetry
        by_nodes = act_on_blocks(symmetry, symmetry.graph.split(weights), element)
        for name, block in symmetry.graph.split(symmetry.act(weights, element)).items():
            torch.testing.assert_close(block, by_nodes[name])


class UnionContract(ZooContract):
    """Two zoos, which the options hold."""

    def make(self) -> Any:
        context = small_task(), self.network()
        trained, drawn = Train(*context, networks=4, epochs=1), GaussianZoo(*context, networks=5)
        return self.component(*context, zoos={"trained": trained, "drawn": drawn})


class NormalFlow(NetworkFlow):
    """Stands for a trained flow: its density is that of independent standard Gaussian weights."""

    dim = 1

    def __init__(self) -> None:
        pass

    def density_of(self, networks: WeightSet | torch.Tensor) -> Any:
        return self

    def __call__(self, networks: WeightSet, **options: Any) -> LogProb:
        return LogProb(torch.distributions.Normal(0, 1).log_prob(networks.weights).sum(-1))


class ClassMetricContract(MetricContract):
    """On a task whose objective metrics of classes know."""

    def task(self) -> ClassTask:
        return ClassTask()

    def flow(self) -> NormalFlow:
        return NormalFlow()


def _attention(_: object, width: int = 1) -> Vit:
    return Vit(Signature((2, 4, 4), 2), patch=2, width=6 * width, heads=3, depth=1)


# What else the contract is told, where its own small world will not do.
WORLDS: dict[tuple[str, str], dict[str, Any]] = {
    ("zoo", "checkpoints"): {"worlds": (SMALL,)},
    ("architecture", "bert"): {"signature": Signature((5,), 3, vocabulary=9)},
    ("architecture", "cnn"): {"signature": Signature((2, 8, 8), 3)},
    ("architecture", "resnet18"): {"signature": Signature((2, 8, 8), 3)},
    ("architecture", "resnet20"): {"signature": Signature((2, 8, 8), 3)},
    ("architecture", "vit"): {"signature": Signature((2, 8, 8), 3)},
    ("canonicalizer", "attention_gauge"): {"network": _attention, "worlds": (SMALL,)},
    ("canonicalizer", "transfusion"): {"network": _attention, "worlds": (SMALL,)},
    ("condition", "covariates"): {"wanted": {"kind": "b"}},
    ("manifold", "relu_sphere"): {"worlds": (SMALL, SEGMENTED)},  # whose units have spheres
    ("metric", "task_score"): {"absent_columns": ("r2", "spearman", "rmse", "mae")},
    ("metric", "model_average"): {"absent_columns": ("average r2", "average spearman")},
    **{("stage", name): {"spec": stage_spec(name)} for name in STAGES},
}
WORLDS["stage", "sample"]["unread"] = {"zoo"}  # without a condition


def contract_of(plugin: registry.Plugin) -> type[Contract]:
    """The contract of its kind, for one plugin."""
    key = plugin.kind, plugin.name
    classes = CONTRACTS | {"architecture": GraphContract, "metric": ClassMetricContract}
    contract = UnionContract if key == ("zoo", "union") else classes[plugin.kind]
    options = OPTIONS.get(key, contract.options)
    component = registry.load(plugin.kind, plugin.name)
    own = {"component": component, "options": options} | WORLDS.get(key, {})
    return type(f"Test_{plugin.kind}_{plugin.name}", (contract,), own)
