"""What contracts of registered components are told: options, and worlds of their own."""

from __future__ import annotations

from typing import Any

from stage_world import stage_world
from torch import nn

from wflow_core import registry
from wflow_core.interfaces.task import Signature
from wflow_core.testing import CONTRACTS
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import small_network, small_task
from wflow_plugins.architectures.vit import Vit
from wflow_plugins.zoos.gaussian import GaussianZoo
from wflow_plugins.zoos.train import Train

# Small, where the defaults would take long.
OPTIONS = {
    ("task", "mnist"): {"data_dir": "images"},
    ("task", "fashion_mnist"): {"data_dir": "images", "flat": False},
    ("task", "cifar10"): {"data_dir": "records"},
    ("condition", "covariates"): {"names": ["loss", "kind"]},
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


def _two_zoos() -> tuple[Any, ...]:
    task, network = small_task(), small_network()
    trained = Train(task, network, networks=4, epochs=1)
    return task, network, {"trained": trained, "drawn": GaussianZoo(task, network, networks=5)}


def _attention(_: object) -> Vit:
    return Vit(Signature((2, 4, 4), 2), patch=2, width=6, heads=3, depth=1)


# What else the contract is told, where its own small world will not do.
WORLDS: dict[tuple[str, str], dict[str, Any]] = {
    ("zoo", "union"): {"context": lambda _: _two_zoos()},
    ("architecture", "bert"): {"signature": Signature((5,), 3, vocabulary=9)},
    ("architecture", "cnn"): {"signature": Signature((2, 8, 8), 3)},
    ("architecture", "resnet18"): {"signature": Signature((2, 8, 8), 3)},
    ("architecture", "resnet20"): {"signature": Signature((2, 8, 8), 3)},
    ("architecture", "vit"): {"signature": Signature((2, 8, 8), 3)},
    ("canonicalizer", "attention_gauge"): {"network": _attention},
    ("canonicalizer", "transfusion"): {"network": _attention},
    ("condition", "covariates"): {"wanted": {"kind": "b"}},
    **{("stage", p.name): stage_world(p.name) for p in registry.plugins("stage")},
}


def contract_of(plugin: registry.Plugin) -> type[Contract]:
    """The contract of its kind, for one plugin."""
    contract = CONTRACTS[plugin.kind]
    options = OPTIONS.get((plugin.kind, plugin.name), contract.options)
    component = registry.load(plugin.kind, plugin.name)
    return type(
        f"Test_{plugin.kind}_{plugin.name}",
        (contract,),
        {"component": component, "options": options} | WORLDS.get((plugin.kind, plugin.name), {}),
    )
