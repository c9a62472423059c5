"""Principal components of networks as large as BERT-base: seconds and memory.

    python benchmarks/gram.py --scratch FOLDER --out benchmarks/results/gram.json

Writes a zoo of 40 weight vectors of 108 M parameters (rank 20 plus noise) as sharded safetensors.
Fits the codec ``pca``, decodes 10 networks to further shards and encodes them again. Trains a flow
on the coordinates of the zoo, samples 10 networks and writes them. The cold Gram pass starts with
the files out of the system's cache, and is compared with a single cold read of the files. Needs 35
GB of disk; ``--size`` reduces it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from runs import machine, write_results
from torch import nn

from wflow_core import (
    Architecture,
    Flow,
    Group,
    Part,
    PointSet,
    Signature,
    Space,
    Symmetry,
    Trainer,
    TrainingOptions,
    WeightLayout,
)
from wflow_core.flows.sampling import sample_points
from wflow_plugins.codecs.pca import Pca
from wflow_plugins.couplings.independent import Independent
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.optimizers.adamw import AdamW
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.stages.points import split_by_run
from wflow_plugins.stages.validation import Validation
from wflow_plugins.streaming.column_files import stacked_columns
from wflow_plugins.streaming.column_writing import write_columns
from wflow_plugins.streaming.columns import Block
from wflow_plugins.times.uniform import Uniform
from wflow_plugins.velocities.mlp import MlpVelocity

WIDTH, READ = 2**18, 2**22


class Vector(Architecture):
    """A given number of weights in one tensor, on the meta device."""

    def build(self) -> nn.Module:
        return nn.Linear(*self.signature.inputs, 1, bias=False, device="meta")

    def define_symmetry(self) -> Symmetry:
        groups = {"out": Group(1, "fixed")}
        layout = WeightLayout.of_parameters(self.template)
        return Symmetry(groups, (Part("weight", ("out", None)),), layout)


def zoo_blocks(n: int, size: int, rank: int, noise: float) -> Iterator[Block]:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(n, rank, generator=generator)
    for start in range(0, size, WIDTH):
        b = min(WIDTH, size - start)
        mean = torch.randn(b, generator=generator)
        x = codes @ torch.randn(rank, b, generator=generator)
        yield start, 0.05 * (mean + 0.1 * x + noise * torch.randn(n, b, generator=generator))


def write_zoo(folder: Path, n: int, size: int, rank: int, noise: float) -> None:
    write_columns(folder, n, size, zoo_blocks(n, size, rank, noise), file_bytes=4 * size)


def evict(folder: Path) -> None:
    """Drop the files of a folder from the system's cache."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_once(folder: Path) -> None:
    buffer = bytearray(READ)
    for path in sorted(folder.iterdir()):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Wall-clock seconds, CPU seconds, and the peak memory of the process so far."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": round(seconds, 3), "cpu": round(cpu, 3), "peak, GB": round(peak / 1e9, 3)}


def measure(o: argparse.Namespace) -> dict:
    """A row for each step, in their order, and notes."""
    zoo, made = o.scratch / "zoo", o.scratch / "decoded"
    shutil.rmtree(made, ignore_errors=True)
    codec = Pca(Vector(Signature((o.size,), 1)), components=o.rank)
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(o.decoded, o.rank, generator=generator)
    found: dict = {"start": timed(lambda: None)}
    for name in ("reading once, cold", "reading once, warm"):
        if name.endswith("cold"):
            evict(zoo)
        found[name] = timed(lambda: read_once(zoo))
    evict(zoo)
    found["gram pass, cold"] = timed(lambda: codec.fit_columns(stacked_columns(zoo)))
    found["gram pass, warm"] = timed(lambda: codec.fit_columns(stacked_columns(zoo)))
    found["decode"] = timed(lambda: write_columns(made, o.decoded, o.size, codec.decode_columns(z)))
    again: list[torch.Tensor] = []
    found["encode"] = timed(lambda: again.append(codec.encode_columns(stacked_columns(made))))
    steps, spread = flow(codec, zoo, o)
    found |= steps
    ratio = found["gram pass, cold"]["seconds"] / found["reading once, cold"]["seconds"]
    error, held = (again[0] - z).abs().max().item(), codec.explained_variance_ratio.sum().item()
    notes = [
        f"the cold Gram pass takes {ratio:.2f} times as long as reading the files once",
        f"largest error of encode(decode(z)): {error:.1e}",
        f"{o.rank} components hold {held:.4f} of the variance",
        f"sampled coordinates have a standard deviation of {spread:.3f}, those of the zoo of 1",
    ]
    return {"notes": notes, "rows": [{"step": step} | row for step, row in found.items()]}


def flow(codec: Pca, zoo: Path, o: argparse.Namespace) -> tuple[dict, float]:
    """Rows of training, sampling and writing; and the standard deviation of sampled coordinates."""
    generator, place = torch.Generator().manual_seed(2), o.scratch / "sampled"
    shutil.rmtree(place, ignore_errors=True)
    space = Space(Euclidean(codec.dim, None))
    prior = Gaussian(space, codec.architecture)
    options = TrainingOptions(iterations=o.iterations, batch_size=8, evaluate_every=o.iterations)
    of, velocity = Flow(space.manifold), MlpVelocity(space, width=128, layers=2)
    ends: list[torch.Tensor] = []
    found = {}

    def train() -> None:
        x = codec.encode_columns(stacked_columns(zoo))
        points = PointSet(x, torch.arange(len(x)))
        kept, held_out = split_by_run(points, options.val_fraction, generator)
        coupling = Independent(space, prior)
        trainer = Trainer(of, velocity, coupling, kept, options, AdamW(), Uniform(), generator)
        trainer.run(Validation(trainer, held_out, Euler(steps=8)).measure)

    found["flow: encode and train"] = timed(train)
    field = of.field(velocity)
    draw = (of, lambda index: field, Euler(steps=32), prior, o.decoded, generator)
    found["flow: sample"] = timed(lambda: ends.append(sample_points(*draw)[1]))
    blocks = codec.decode_columns(ends[0])
    found["flow: decode and write"] = timed(lambda: write_columns(place, o.decoded, o.size, blocks))
    return found, ends[0].std(0).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="folder for the files")
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--size", type=int, default=108_000_000)
    parser.add_argument("--rank", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--decoded", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=1000, help="of training the flow")
    parser.add_argument("--keep", action="store_true", help="do not delete the files")
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    # In a process of its own, so that its memory is not counted.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        zoo = (o.scratch / "zoo", o.networks, o.size, o.rank, o.noise)
        seconds = time.perf_counter()
        other.submit(write_zoo, *zoo).result()
        seconds = time.perf_counter() - seconds
    names = ("networks", "size", "rank", "noise", "decoded", "iterations")
    labels = {"size": "weights each"}
    options = {labels.get(name, name): getattr(o, name) for name in names}
    options["seconds of writing"] = round(seconds)
    results = {"machine": machine(), "options": options, **measure(o)}
    if not o.keep:
        for name in ("zoo", "decoded", "sampled"):
            shutil.rmtree(o.scratch / name)
    write_results(results, o.out)


if __name__ == "__main__":
    main()
