"""Every registered component passes the contract of its kind."""

from __future__ import annotations

from wflow_core import registry
from wflow_core.testing import CONTRACTS

# Small, where the defaults would take long.
OPTIONS = {
    ("zoo", "train"): {"networks": 6, "epochs": 2},
    ("zoo", "gaussian"): {"networks": 8},
    ("velocity", "neuron_transformer"): {"width": 16, "heads": 2, "layers": 2},
    ("velocity", "mlp"): {"width": 16, "layers": 1},
}


def _contract(plugin: registry.Plugin) -> type:
    contract = CONTRACTS[plugin.kind]
    options = OPTIONS.get((plugin.kind, plugin.name), contract.options)
    component = registry.load(plugin.kind, plugin.name)
    return type(
        f"Test_{plugin.kind}_{plugin.name}",
        (contract,),
        {"component": component, "options": options},
    )


for _plugin in registry.plugins():
    _cls = _contract(_plugin)
    globals()[_cls.__name__] = _cls


def test_every_kind_has_a_contract() -> None:
    assert CONTRACTS.keys() == registry.KINDS.keys()
