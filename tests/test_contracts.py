"""Every registered component passes the contract of its kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from idx_files import write_images

from wflow_core import registry
from wflow_core.export import write_networks
from wflow_core.testing import CONTRACTS
from wflow_core.testing.world import small_zoo

# Small, where the defaults would take long.
OPTIONS = {
    ("task", "mnist"): {"data_dir": "images"},
    ("task", "fashion_mnist"): {"data_dir": "images", "flat": False},
    ("zoo", "checkpoints"): {"folder": "networks"},
    ("zoo", "train"): {"networks": 6, "epochs": 2},
    ("zoo", "gaussian"): {"networks": 8},
    ("velocity", "neuron_transformer"): {"width": 16, "heads": 2, "layers": 2},
    ("velocity", "mlp"): {"width": 16, "layers": 1},
    ("velocity", "pna"): {"width": 16, "layers": 2},
    ("velocity", "relational_transformer"): {"width": 16, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the options above name, in the working folder."""
    folder = tmp_path_factory.mktemp("files")
    write_networks(small_zoo(), folder / "networks", separate=True)
    write_images(folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


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
