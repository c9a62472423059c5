"""Third-party plugins for tests, distributions that offer them, and the smallest spec that runs."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from torch import Tensor

from wflow_core.cli.main import main
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.hook import Hook, hookimpl
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.symmetry import GroupElement
from wflow_core.weights import WeightSet

TINY = """\
name: tiny
seed: 0
task: breast_cancer
architecture: {type: mlp, hidden: [4]}
zoo: {type: train, networks: 24, epochs: 2}
prior: initializer
coupling: trajectory
velocity: {type: neuron_transformer, width: 16, layers: 1, heads: 2}
train: {iterations: 30, evaluate_every: 10, checkpoint_every: 10, batch_size: 8}
solver: {type: euler, steps: 4}
sample: {networks: 8}
metrics: [task_score, model_average, novelty]
hooks: [progress, log]
"""


# A process that was started in the background may have been told to ignore interrupts.
RUN = """
import signal
from wflow_core.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


def tiny(**lines: str | None) -> str:
    """The spec with the lines of some keys replaced, left out (None) or added."""
    old = dict(line.split(": ", 1) for line in TINY.splitlines())
    new = {key: value for key, value in (old | lines).items() if value is not None}
    return "".join(f"{key}: {value}\n" for key, value in new.items())


def write_spec(folder: Path, text: str = TINY) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def wflow(*args: object) -> Result:
    """The command, in this process and on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return CliRunner().invoke(main, [str(a) for a in args])
    finally:
        torch.set_num_threads(threads)


def refused(result: Result) -> str:
    """The one clear message of a command that the user can mend: exit code 2, no traceback."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert result.stdout == ""
    return result.stderr.strip()


def wflow_process(*args: object, path: Path | None = None, **env: str) -> subprocess.Popen[str]:
    """The command, in a process of its own, with a folder of plugins on its path."""
    paths = [str(path)] * bool(path) + [str(Path(__file__).parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, args)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def distribution(folder: Path, name: str, version: str = "1.0", **plugins: dict[str, str]) -> Path:
    """A distribution in ``folder``: ``codecs={"rotation": "module:Class"}``."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    lines = []
    for group, offered in plugins.items():
        lines += [f"[wflow.{group}]", *(f"{key} = {value}" for key, value in offered.items())]
    info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")
    importlib.invalidate_caches()
    return info


def own_distribution(folder: Path) -> Path:
    """The distribution of the plugins of this file."""
    return distribution(
        folder,
        "wflow-tests",
        "2.5",
        codecs={"rotation": "plugin_support:Rotation"},
        canonicalizers={"by_norm": "plugin_support:ByNorm"},
        guidances={"drift": "plugin_support:Drift"},
        hooks={
            "recorder": "plugin_support:Recorder",
            "raiser": "plugin_support:Raiser",
            "killer": "plugin_support:Killer",
        },
    )


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond ``size`` bytes fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def content(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def without_seconds(value: Any) -> Any:
    """Metrics but for what the clock decides."""
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k != "seconds"}
    return value


def results(run: Path) -> tuple[bytes, dict[str, Any]]:
    """What a run came to: the bytes of its samples, and its metrics without seconds."""
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["seconds"].keys() >= {"collect", "train", "sample", "evaluate"}
    return tensor_file(run, "samples").read_bytes(), without_seconds(metrics)


def tensor_file(run: Path, name: str) -> Path:
    return run / name / "tensors.safetensors"


def tensors(run: Path, name: str) -> dict[str, Tensor]:
    return load_file(tensor_file(run, name))


def log_lines(run: Path) -> list[dict[str, Any]]:
    """``log.jsonl``, strictly: each line a JSON object without NaN."""

    def constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    lines = (run / "log.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=constant) for line in lines]


class Rotation(Codec):
    """The first ``keep`` coordinates after a rotation that fitting draws around the mean."""

    class Config(Options):
        keep: int = 5

    @property
    def dim(self) -> int:
        return int(self.config.keep)

    def fit(self, zoo: WeightSet) -> None:
        self.mean = zoo.weights.mean(0)
        self.basis = torch.linalg.svd(zoo.weights - self.mean, full_matrices=False).Vh[: self.dim]

    def encode(self, weights: Tensor) -> Tensor:
        return (weights - self.mean) @ self.basis.T

    def decode(self, coordinates: Tensor) -> Tensor:
        return self.mean + coordinates @ self.basis

    def state(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "basis": self.basis}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.mean, self.basis = state["mean"], state["basis"]


class ByNorm(Canonicalizer):
    """Hidden units in the order of the norm of their incoming weights: the function stays."""

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: Tensor) -> GroupElement:
        return GroupElement({"h1": self.norms(weights).argsort(1)})

    def norms(self, weights: Tensor) -> Tensor:
        layout = self.architecture.symmetry.layout
        return layout.unflatten(weights)["fc1.weight"].norm(dim=-1)


class Drift(Guidance):
    """A constant drift in every coordinate; none at strength 0."""

    class Config(Options):
        strength: float = 0.0

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        assert self.decode(x).shape == (len(x), self.architecture.symmetry.layout.size)
        return torch.full_like(x, self.config.strength)


class LargestWeight(Metric):
    """The largest weight of each network, with a heading of its own in tables."""

    columns = {"loudest": "largest_weight.of_all"}

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        return {"largest_weight": {"of_all": samples.weights.abs().amax(1)}}


class Recorder(Hook):
    """Keeps every moment, in order, where a test can look."""

    seen: list[tuple[Any, ...]] = []

    @hookimpl
    def wflow_run_start(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.seen.append(("run_start", spec["name"], Path(folder).name))

    @hookimpl
    def wflow_stage_start(self, stage: str) -> None:
        self.seen.append(("stage_start", stage))

    @hookimpl
    def wflow_step(self, stage: str, step: int, total: int) -> None:
        self.seen.append(("step", stage, step, total))

    @hookimpl
    def wflow_stage_end(self, stage: str, reused: bool) -> None:
        self.seen.append(("stage_end", stage, reused))

    @hookimpl
    def wflow_run_end(self, metrics: Mapping[str, Any]) -> None:
        self.seen.append(("run_end", sorted(metrics)))

    @hookimpl
    def wflow_run_failed(self, error: BaseException) -> None:
        self.seen.append(("run_failed", type(error).__name__))


class Raiser(Hook):
    """Raises at one moment of one stage."""

    class Config(Options):
        moment: str
        stage: str = ""

    def _raise(self, moment: str, stage: str = "") -> None:
        if (moment, stage) == (self.config.moment, self.config.stage):
            raise LookupError("the hook's own trouble")

    @hookimpl
    def wflow_run_start(self) -> None:
        self._raise("run_start")

    @hookimpl
    def wflow_step(self, stage: str) -> None:
        self._raise("step", stage)

    @hookimpl
    def wflow_run_end(self) -> None:
        self._raise("run_end")

    @hookimpl
    def wflow_run_failed(self) -> None:
        self._raise("run_failed")


class Killer(Hook):
    """Kills the process at ``WFLOW_TEST_KILL``, such as ``train 20``: nothing can be tidied up."""

    @hookimpl
    def wflow_step(self, stage: str, step: int) -> None:
        if os.environ.get("WFLOW_TEST_KILL") == f"{stage} {step}":
            os.kill(os.getpid(), signal.SIGKILL)
