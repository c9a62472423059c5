"""Outputs that cannot be written, as on a full disk: one message, exit code 2, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_support import RUN, TINY, refused, wflow, write_spec

import wflow_core
from wflow_core.errors import WflowError

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")


def run(*args: str, stdout: int, stderr: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *args]
    return subprocess.run(command, stdout=stdout, stderr=stderr, text=True, check=False)


@needs_full
@pytest.mark.parametrize(
    "command", [["--help"], ["--version"], ["plugins"], ["plugins", "--help"], ["check", "SPEC"]]
)
def test_a_full_output(command: list[str], tmp_path: Path) -> None:
    spec = str(write_spec(tmp_path, TINY))
    with FULL.open("w") as full:
        command = [spec if word == "SPEC" else word for word in command]
        found = run(*command, stdout=full.fileno(), stderr=subprocess.PIPE)
    assert found.returncode == 2
    assert found.stderr == "wflow: the output cannot be written: No space left on device\n"


@needs_full
def test_nowhere_to_complain() -> None:
    with FULL.open("w") as full:
        assert run("plugins", stdout=full.fileno(), stderr=full.fileno()).returncode == 2
        found = run("check", "nowhere.yaml", stdout=subprocess.PIPE, stderr=full.fileno())
    assert (found.returncode, found.stdout) == (2, "")


def test_a_reader_that_goes_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    found = run("plugins", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert found.returncode == 1
    assert found.stderr == ""


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device", "a-file-of-ours")

    monkeypatch.setattr("wflow_core.registry.plugins", fails)
    assert isinstance(wflow("plugins").exception, OSError)


def test_devices_from_python(tmp_path: Path) -> None:
    components = wflow_core.assemble(wflow_core.spec_from_text(TINY))
    with pytest.raises(WflowError, match=r"^device 'foo': not available; try cpu"):
        wflow_core.run(components, tmp_path / "run", device="foo")
    with pytest.raises(WflowError, match=r"^device 'cuda:77': not available"):
        wflow_core.load(tmp_path / "run", device="cuda:77")
    assert list(tmp_path.iterdir()) == []
    assert "is no run folder" in refused(wflow("evaluate", tmp_path / "run"))
