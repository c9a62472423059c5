"""Symmetries that `traced` finds, beside hand-written ones, and checks of every group.

    python benchmarks/tracing.py --out benchmarks/results/tracing.json

Modules are those of the tests: architectures with a hand-written symmetry, and modules with known
permutable groups. Each symmetry is checked with random elements of all groups at once, on random
weights and inputs in float64; differences are relative to the largest output. Coverage is the
fraction of the units along all axes of all parameters that belong to permutable groups; a fixed
parameter has no such axis.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from runs import machine
from torch import Tensor, nn

from wflow_core import Architecture, Symmetry
from wflow_plugins.architectures.tracing import TracedSymmetry, trace_symmetry

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from symmetry_prints import fingerprint
from test_traced import BY_HAND, outputs
from traced_modules import CASES, Case

TOLERANCE = 1e-9
"""Relative difference above which a symmetry is wrong."""


@dataclass(frozen=True)
class Subject:
    """A module, its inputs, and its hand-written symmetry or its known permutable groups."""

    name: str
    module: nn.Module
    x: Tensor
    known: Architecture | Case

    def agrees(self, symmetry: Symmetry) -> bool:
        if isinstance(self.known, Architecture):
            return fingerprint(symmetry) == fingerprint(self.known.symmetry)
        found = [
            (g.size, g.scaling, *self._parent(symmetry, g.parent))
            for g in permutable_groups(symmetry)
        ]
        return Counter(found) == Counter(self.known.permutable)

    def _parent(self, symmetry: Symmetry, name: str | None) -> list[int]:
        return [] if name is None else [symmetry.groups[name].size]


def subjects() -> Iterator[Subject]:
    for of in BY_HAND:
        default = {name: field.default for name, field in type(of.config).model_fields.items()}
        set_here = [f"{name} {value}" for name, value in of.config if value != default[name]]
        name = " ".join([type(of).__name__.lower(), *[f"({', '.join(set_here)})"] * bool(set_here)])
        yield Subject(name, of.template, of.signature.draw(2, seeded(0)), of)
    for case in CASES:
        yield Subject(case.name, case.module(), case.inputs(), case)


def permutable_groups(symmetry: Symmetry) -> list:
    return [symmetry.groups[name] for name in symmetry.permutable]


def row(of: Subject, elements: int) -> dict:
    start = time.perf_counter()
    found = trace_symmetry(of.module, of.x)
    seconds = time.perf_counter() - start
    symmetry = found.bind(of.module)
    units = sum(prod(symmetry.units(name)) for name in symmetry.permutable)
    return {
        "module": of.name,
        "reference": "hand-written" if isinstance(of.known, Architecture) else "group sizes",
        "parameters": symmetry.layout.size,
        "permutable groups": len(symmetry.permutable),
        "units": units,
        "coverage": round(found.coverage, 4),
        "fixed parameters": symmetry.layout.size - covered(symmetry),
        "agrees": of.agrees(symmetry),
        "largest difference": difference(of, symmetry, elements),
        "notes": "; ".join(notes(found)),
        "seconds": round(seconds, 2),
    }


def covered(symmetry: Symmetry) -> int:
    """The number of parameters with an axis over a permutable group."""
    places = (place for *_, units, _ in fingerprint(symmetry) for unit in units for place in unit)
    return len({entry for is_buffer, entries in places if not is_buffer for entry in entries})


def notes(found: TracedSymmetry) -> list[str]:
    return [str(note) for note in found.notes]


def difference(of: Subject, symmetry: Symmetry, elements: int) -> float:
    """The largest relative difference of outputs before and after random elements."""
    x = of.x.double() if of.x.is_floating_point() else of.x
    options = {"generator": seeded(1), "dtype": torch.float64}
    w = torch.randn(elements, symmetry.layout.size, **options)
    b = torch.rand(elements, symmetry.buffer_layout.size, **options) + 0.5
    element = symmetry.random(elements, seeded(2), torch.float64)
    moved, moved_b = symmetry.act(w, element), symmetry.act_buffers(b, element)
    torch.set_default_dtype(torch.float64)  # for tensors that modules create
    try:
        pairs = [
            pair
            for i in range(elements)
            for pair in zip(
                outputs(of.module, symmetry, x, w[i], b[i]),
                outputs(of.module, symmetry, x, moved[i], moved_b[i]),
                strict=True,
            )
        ]
    finally:
        torch.set_default_dtype(torch.float32)
    return max(((p - q).abs().max() / (1 + p.abs().max())).item() for p, q in pairs)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def format_row(of: dict) -> str:
    return (
        f"{of['module'][:58]:<58} {of['parameters']:>7} "
        f"{of['permutable groups']:>3} {of['units']:>5} {of['coverage']:>7.1%} "
        f"{of['fixed parameters']:>6} {of['agrees']!s:>6} "
        f"{of['largest difference']:>8.0e} {of['seconds']:>6.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=20, help="random elements per module")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows, (first, *_) = [], subjects()
    trace_symmetry(first.module, first.x)  # not timed: first use of torch.export
    print(f"{'module':<58} weights  gr units covered  fixed agrees  differs seconds")
    for subject in subjects():
        rows.append(row(subject, options.elements))
        print(format_row(rows[-1]), flush=True)
    wrong = [of["module"] for of in rows if of["largest difference"] > TOLERANCE]
    summary = {
        "modules": len(rows),
        "agree": sum(of["agrees"] for of in rows),
        "wrong": wrong,
        "elements": options.elements,
        "largest difference": max(of["largest difference"] for of in rows),
    }
    found = {"machine": machine(), "summary": summary, "rows": rows}
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
