"""Principal components of networks as large as BERT-base: seconds and memory.

    python benchmarks/gram.py --scratch FOLDER --out benchmarks/results/gram.json

Writes a zoo of 40 weight vectors of 108 M parameters, rank 20 plus noise, as sharded safetensors;
fits the codec ``pca`` to it, decodes 10 networks to further shards, and encodes these again; trains
a flow on the coordinates of the zoo, samples 10 networks from it and writes them, too. The first
pass over the zoo starts with its files out of the system's cache, as does reading them once, which
it is compared with. Wants 35 GB of disk for the whole; ``--size`` makes it smaller.
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
from runs import machine, tell
from torch import nn

from wflow_core.flows.flow import Flow
from wflow_core.flows.sampling import draw_points
from wflow_core.flows.training import Trainer
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.space import PointSet, Space
from wflow_core.specs.options import TrainOptions
from wflow_plugins.streaming.column_files import stacked_columns
from wflow_plugins.streaming.column_writing import write_columns
from wflow_core.symmetry import Group, Part, Symmetry
from wflow_core.weights import WeightLayout
from wflow_plugins.streaming.columns import Block
from wflow_plugins.codecs.pca import Pca
from wflow_plugins.couplings.independent import Independent
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.velocities.mlp import MlpVelocity

WIDTH, READ = 2**18, 2**22


class Vector(Architecture):
    """As many weights as asked for, in one tensor that takes no room."""

    def build(self) -> nn.Module:
        return nn.Linear(*self.signature.inputs, 1, bias=False, device="meta")

    def define_symmetry(self) -> Symmetry:
        groups = {"out": Group(1, "anchored")}
        layout = WeightLayout.of_parameters(self.module)
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


def forget(folder: Path) -> None:
    """Have the system drop the folder's files from its cache."""
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
    """Seconds, those of the processor, and the most memory that the process has had so far."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": round(seconds, 3), "cpu": round(cpu, 3), "peak, GB": round(peak / 1e9, 3)}


def measure(o: argparse.Namespace) -> dict:
    """The steps in their order, and what else is to be said of them."""
    zoo, made = o.scratch / "zoo", o.scratch / "decoded"
    shutil.rmtree(made, ignore_errors=True)
    codec = Pca(Vector(Signature((o.size,), 1)), components=o.rank)
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(o.decoded, o.rank, generator=generator)
    found: dict = {"start": timed(lambda: None)}
    for name in ("reading once, cold", "reading once, warm"):
        if name.endswith("cold"):
            forget(zoo)
        found[name] = timed(lambda: read_once(zoo))
    forget(zoo)
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
    """A flow of the zoo's coordinates: trained, sampled, its networks written; and the standard
    deviation of what it sampled."""
    generator, place = torch.Generator().manual_seed(2), o.scratch / "sampled"
    shutil.rmtree(place, ignore_errors=True)
    space = Space(Euclidean(codec.dim, None))
    prior = Gaussian(space, codec.architecture)
    options = TrainOptions(iterations=o.iterations, batch_size=8, evaluate_every=o.iterations)
    of, velocity = Flow(space.manifold, options), MlpVelocity(space, width=128, layers=2)
    ends: list[torch.Tensor] = []
    found = {}

    def train() -> None:
        x = codec.encode_columns(stacked_columns(zoo))
        points = PointSet(x, torch.arange(len(x)))
        Trainer(of, velocity, Independent(space, prior), points, options, generator).run()

    found["flow: encode and train"] = timed(train)
    draw = (of, velocity, Euler(steps=32), prior, o.decoded, generator)
    found["flow: sample"] = timed(lambda: ends.append(draw_points(*draw)[1]))
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
    parser.add_argument("--keep", action="store_true", help="leave the files where they are")
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    # In a process of its own, whose memory does not count.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        zoo = (o.scratch / "zoo", o.networks, o.size, o.rank, o.noise)
        seconds = time.perf_counter()
        other.submit(write_zoo, *zoo).result()
        seconds = time.perf_counter() - seconds
    results = {
        "machine": machine(),
        "options": {
            "networks": o.networks,
            "weights each": o.size,
            "rank": o.rank,
            "noise": o.noise,
            "decoded": o.decoded,
            "iterations": o.iterations,
            "seconds of writing": round(seconds),
        },
        **measure(o),
    }
    if not o.keep:
        for name in ("zoo", "decoded", "sampled"):
            shutil.rmtree(o.scratch / name)
    tell(results, o.out)


if __name__ == "__main__":
    main()
