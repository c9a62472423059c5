"""`wflow doctor` examines the installation, and never raises."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_support import distribution, wflow

from wflow_core import registry
from wflow_core.errors import DataError
from wflow_core.interfaces.task import Task
from wflow_plugins.commands import examination


@pytest.fixture(scope="module")
def found() -> Any:
    result = wflow("doctor", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_versions(found: Any) -> None:
    assert found["versions"]["wflow"] == version("weightspace-flow")
    assert found["versions"]["torch"] == torch.__version__
    assert {"python", "scipy", "safetensors"} <= found["versions"].keys()
    assert "pytest" not in found["versions"]
    assert None not in found["versions"].values()


def test_devices(found: Any) -> None:
    assert found["devices"]["cores"] >= 1
    assert found["devices"]["threads"] >= 1
    assert len(found["devices"]["cuda"]) == torch.cuda.device_count()


def test_plugins(found: Any) -> None:
    names = {p.name for p in registry.plugins("coupling")}
    assert set(found["plugins"]["kinds"]["coupling"]) == names
    assert found["plugins"]["kinds"].keys() == registry.KINDS.keys()
    assert found["plugins"]["broken"] == []


def test_data(found: Any) -> None:
    assert found["data"].keys() == {p.name for p in registry.plugins("task")}
    assert found["data"]["breast_cancer"] == {"found": True, "where": "comes with its package"}
    assert found["data"]["gaussian"] == {"found": True, "where": "needs none"}


@pytest.mark.parametrize("task", ["mnist", "fashion_mnist"])
def test_data_in_a_folder(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFLOW_DATA", str(tmp_path))
    monkeypatch.setattr("wflow_plugins.tasks.data_files.find_spec", lambda _: None)  # no cache
    made = registry.load("task", task)(download=False)
    with pytest.raises(DataError, match="are not available"):
        made.locate()
    folder = tmp_path / task
    folder.mkdir()
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        folder.joinpath(f"{part}-ubyte.gz").touch()
    assert made.locate() == f"in {folder}"


def test_the_table_says_the_same(found: Any) -> None:
    shown = wflow("doctor").stdout
    for word in ("versions", "safetensors", "breast_cancer", "comes with its package", "fix"):
        assert word in shown


class Absent(Task):
    """Its data is not there."""

    signature = property(lambda self: None)

    def load(self) -> Any:
        raise AssertionError("the doctor reads no data")

    def locate(self) -> str:
        raise DataError("sought in [bold]nowhere[/bold]")


def test_advice_names_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    distribution(tmp_path, "gone-codecs", codecs={"gone": "not_there_at_all:X"})
    distribution(tmp_path, "of-tests", tasks={"absent": "test_doctor:Absent"})
    monkeypatch.setenv("WFLOW_DATA", str(tmp_path / "nowhere"))
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr(
        examination, "requires", lambda _: ["not-there-at-all>=3", "x; extra == 'y'"]
    )
    monkeypatch.setattr("tempfile.TemporaryFile", _refuses)
    found = examination.examine()
    assert found["data"]["absent"] == {"found": False, "where": "sought in [bold]nowhere[/bold]"}
    advice = "\n".join(found["advice"])
    for words in (
        "not-there-at-all is not installed",
        "codec 'gone' of gone-codecs 1.0 fails to import",
        f"WFLOW_DATA is {tmp_path / 'nowhere'}, which is not a folder",
        "cannot be written to",
        "set OMP_WAIT_POLICY=PASSIVE, or give --threads 1",
    ):
        assert words in advice
    assert "sought in [bold]nowhere[/bold]" in wflow("doctor").stdout


def _refuses(**_: object) -> None:
    raise PermissionError("read-only")


def test_an_error_in_a_section_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise RuntimeError("a driver's own trouble\nand more of it")

    for name in examination.SECTIONS:
        monkeypatch.setitem(examination.SECTIONS, name, fails)
    result = wflow("doctor")
    assert result.exit_code == 0, result.exception
    assert result.stdout.count("RuntimeError: a driver's own trouble") == 2 * len(
        examination.SECTIONS
    )
    assert "and more of it" not in result.stdout
