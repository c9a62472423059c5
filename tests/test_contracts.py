"""Every registered component passes the contract of its kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract_support import contract_of
from idx_files import write_images
from record_files import write_records

from wflow_core import registry
from wflow_core.testing import CONTRACTS
from wflow_core.testing.fixtures import small_zoo
from wflow_plugins.commands.export import write_networks


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the options above name, in the working folder."""
    folder = tmp_path_factory.mktemp("files")
    write_networks(small_zoo(), folder / "networks", separate=True)
    write_images(folder / "images")
    write_records(folder / "records")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


for _plugin in registry.plugins():
    _cls = contract_of(_plugin)
    globals()[_cls.__name__] = _cls


def test_every_kind_has_a_contract() -> None:
    assert CONTRACTS.keys() == registry.KINDS.keys()
