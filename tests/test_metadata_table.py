"""Tables of covariates beside checkpoints: their content, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from checkpoint_support import collect, networks, source

from wflow_core.errors import DataError
from wflow_core.interfaces.zoo import Covariate
from wflow_plugins.commands.export import write_networks

TABLE = """\
file,loss,data,class
network-0.safetensors,0.5,mnist,1
network-1.safetensors,,fashion,2
network-2.safetensors,1e-1,,1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_networks(networks(3), tmp_path / "networks", separate=True)
    return tmp_path / "networks"


def table(folder: Path, text: str, name: str = "metadata.csv") -> dict[str, str]:
    (folder / name).write_text(text)
    return {"metadata": name}


def test_columns_are_numbers_or_categories(folder: Path) -> None:
    options = table(folder, TABLE)
    found = source(folder, **options)
    assert found.covariates == (
        Covariate("loss"),
        Covariate("data", ("fashion", "mnist")),
        Covariate("class"),
    )
    zoo = collect(folder, **options)
    assert zoo.covariates["loss"].nan_to_num(9).tolist() == pytest.approx([0.5, 9, 0.1])
    assert zoo.covariates["data"].tolist() == [1, 0, -1]
    assert zoo.covariates["class"].tolist() == [1, 2, 1]
    assert zoo.categories == {"data": ("fashion", "mnist")}
    assert torch.equal(zoo.weights, collect(folder).weights)
    named = collect(folder, **options, categories=["class"])
    assert named.covariates["class"].tolist() == [0, 1, 0]
    assert named.categories["class"] == ("1", "2")


def test_json_says_the_same(folder: Path) -> None:
    rows = [
        {"file": f"network-{i}.safetensors", "loss": loss, "data": data}
        for i, (loss, data) in enumerate([(0.5, "mnist"), (None, "fashion"), (0.1, None)])
    ]
    zoo = collect(folder, **table(folder, json.dumps(rows), "metadata.json"))
    assert zoo.covariates["loss"].nan_to_num(9).tolist() == pytest.approx([0.5, 9, 0.1])
    assert zoo.covariates["data"].tolist() == [1, 0, -1]


def test_rows_of_a_file_of_several(tmp_path: Path) -> None:
    write_networks(networks(3), tmp_path / "networks")
    each = "file,row,loss\n" + "".join(f"weights.safetensors,{i},{i / 2}\n" for i in (2, 0, 1))
    zoo = collect(tmp_path / "networks", **table(tmp_path / "networks", each))
    assert zoo.covariates["loss"].tolist() == [0, 0.5, 1]
    whole = table(tmp_path / "networks", "file,data\nweights.safetensors,mnist\n")
    assert collect(tmp_path / "networks", **whole).covariates["data"].tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="no entry for row 2 \\(from 0\\)"):
        collect(tmp_path / "networks", **table(tmp_path / "networks", each.replace("s,2,", "s,7,")))


def test_the_table_is_part_of_what_the_zoo_is(folder: Path) -> None:
    before = source(folder).fingerprint
    first = source(folder, **table(folder, TABLE)).fingerprint
    second = source(folder, **table(folder, TABLE.replace("0.5", "0.6"))).fingerprint
    assert len({before, first, second}) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"no entry of this file"),
        (TABLE.replace("file,", "name,"), "line 1 has no 'file'"),
        (TABLE.replace("0.5,mnist,1", "0.5,mnist"), "line 1 after the header has more or fewer"),
        (
            TABLE.replace("0.5,mnist,1", "0.5,mnist,1,9"),
            "line 1 after the header has more or fewer",
        ),
        (TABLE.replace("0.5", "inf"), "'loss' contains a number that is not finite"),
        (TABLE.replace("loss", "the loss"), "'the loss' is not a valid name of a covariate"),
        (
            TABLE.replace("network-1", "network-7"),
            "lists 1 files that are not in the zoo.*network-7",
        ),
        (TABLE.replace("network-1", "network-0"), "line 2 repeats an earlier line of 'network-0"),
        (TABLE.rsplit("network-2", 1)[0], "network-2.safetensors: .*has no entry of this file"),
        (
            "file,row,loss\nnetwork-0.safetensors,-1,2\n",
            "'row' must be an integer from 0; got '-1'",
        ),
    ],
)
def test_what_is_wrong_is_told(folder: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=f"(?s){told}"):
        collect(folder, **table(folder, text))


def test_files_that_are_no_tables_are_told(folder: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv: cannot be read: No such file"):
        collect(folder, metadata="nothing.csv")
    with pytest.raises(DataError, match="is not JSON"):
        collect(folder, **table(folder, "[{", "metadata.json"))
    with pytest.raises(DataError, match="must be a list of objects"):
        collect(folder, **table(folder, '{"a": 1}', "metadata.json"))
    with pytest.raises(DataError, match="'loss' contains True; covariates are numbers or strings"):
        collect(folder, **table(folder, '[{"file": "a", "loss": true}]', "metadata.json"))
    with pytest.raises(DataError, match="has no column 'kind'; it has loss, data, class"):
        collect(folder, **table(folder, TABLE), categories=["kind"])
