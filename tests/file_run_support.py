"""Runs whose task and zoo read files, which tests change."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from idx_files import write_images
from plugin_support import log_lines, tiny, wflow, write_spec
from safetensors.torch import save_file

from wflow_core.interfaces.task import Signature
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp

NETWORKS = 6


class FileRun:
    """A folder with images, checkpoints, a spec of them, and the run of this spec.

    Args:
        lines: of the spec, in place of its own.
    """

    def __init__(self, folder: Path, **lines: str | None):
        self.folder, self.lines, self.out = folder, lines, folder / "out"
        self.images = write_images(folder / "images", zipped=False)
        self.zoo = write_checkpoints(folder / "zoo")

    @property
    def spec(self) -> Path:
        lines: dict[str, str | None] = {
            "task": f"{{type: mnist, data_dir: {self.images}}}",
            "zoo": f"{{type: checkpoints, folder: {self.zoo}}}",
            "prior": "gaussian",
            "coupling": "independent",
            "velocity": "{type: mlp, width: 8, layers: 1}",
            "train": "{iterations: 4, evaluate_every: 2, batch_size: 4}",
            "sample": "{networks: 4}",
            "metrics": "[task_score]",
            "baselines": "[interpolation]",
            "hooks": "[log]",
        }
        return write_spec(self.folder, tiny(**lines | self.lines))

    def run(self, *args: object) -> dict[str, bool]:
        """Run it; whether each stage was found finished."""
        (self.out / "log.jsonl").unlink(missing_ok=True)
        result = wflow("run", self.spec, "--out", self.out, *args)
        assert result.exit_code == 0, result.output
        lines = log_lines(self.out)
        return {x["stage"]: x["reused"] for x in lines if x["event"] == "stage_end"}


def write_checkpoints(folder: Path, n: int = NETWORKS) -> Path:
    """Networks for the images, a safetensors file each."""
    network = Mlp(Signature((784,), 10), hidden=[4])
    weights = network.initialize(n, torch.Generator().manual_seed(0))
    folder.mkdir()
    for i, state in enumerate(WeightSet.from_module(network.template, weights).state_dicts()):
        save_file(state, folder / f"{i}.safetensors")
    return folder


def change_last_byte(path: Path) -> None:
    """Other content of the same size, at another time."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    touch(path)


def touch(path: Path) -> None:
    """Another time of the last change, whatever the clock of the file system resolves."""
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
