"""The Python code of the concepts and of the quickstart runs, and its symmetries are exact.

Symmetries are checked on modules in float64: acting on weights, inputs and outputs together
changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

import wflow_core
from wflow_core.symmetry import Part, Symmetry
from wflow_core.weights import WeightLayout

ROOT = Path(__file__).parents[1]
N = 4


def python(page: str) -> list[dict[str, Any]]:
    """The names that each Python block of a page defines."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    found = []
    for code in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        names: dict[str, Any] = {}
        exec(compile(code, page, "exec"), names)
        found.append(names)
    return found


class Padded(nn.Module):
    """The block of the page, between ReLUs and with its zero-padded shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(32), nn.BatchNorm2d(32)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


class SelfAttention(nn.Module):
    def __init__(self, heads: int = 4, width: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.qkv(x).chunk(3, -1)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in pieces)
        weight = (q @ k.transpose(-1, -2)).softmax(-1)
        return self.proj((weight @ v).transpose(1, 2).flatten(2))


def assert_symmetric(
    module: nn.Module, names: dict[str, Any], ends: tuple[Part, Part], shapes: Mapping[str, Any]
) -> None:
    """``f(g w, g x) = g f(w, x)`` for random weights, inputs x and elements g."""
    module, g = module.double().eval(), torch.Generator().manual_seed(0)
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    symmetry = Symmetry(names["groups"], tuple(names["parts"]), *layouts)
    outside = Symmetry(
        names["groups"], ends, WeightLayout.of((n, torch.empty(s)) for n, s in shapes.items())
    )
    w = torch.randn(N, layouts[0].size, generator=g, dtype=torch.float64)
    b = torch.rand(N, layouts[1].size, generator=g, dtype=torch.float64) + 0.5
    x = torch.randn(N, *shapes["x"], generator=g, dtype=torch.float64)

    def ends_of(w: Tensor, b: Tensor, x: Tensor) -> Tensor:
        state = layouts[0].unflatten(w) | layouts[1].unflatten(b)
        y = vmap(lambda s, x: functional_call(module, s, (x.unsqueeze(0),))[0])(state, x)
        return outside.layout.flatten({"x": x, "y": y})

    element = symmetry.random(N, g, torch.float64)
    before = ends_of(w, b, x)
    wanted = outside.act(before, element)
    x = outside.layout.unflatten(wanted)["x"]
    after = ends_of(symmetry.act(w, element), symmetry.act_buffers(b, element), x)
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, wanted, rtol=1e-12, atol=1e-12)


def test_the_symmetries_of_the_concepts_are_exact() -> None:
    mlp, padded, attention = python("concepts.md")
    ends = Part("x", ("input",)), Part("y", ("class",))
    assert_symmetric(mlp["module"], mlp, ends, {"x": (30,), "y": (2,)})
    assert mlp["same_function"].shape == mlp["weights"].shape

    out, both = padded["out"], padded["both"]
    ends = (
        Part("x", ("s1", None, None), scale_exponent={"s1": 1}),
        Part("y", (out, None, None), scale_exponent=both),
    )
    assert_symmetric(Padded(), padded, ends, {"x": (16, 6, 6), "y": (32, 3, 3)})

    ends = Part("x", (None, "stream")), Part("y", (None, "stream"))
    assert_symmetric(SelfAttention(), attention, ends, {"x": (5, 32), "y": (5, 32)})


@pytest.fixture
def one_thread() -> Iterator[None]:
    """More threads slow down work of this size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_the_quickstart_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    small = ["zoo.networks=20", "zoo.epochs=2", "train.iterations=2", "velocity.layers=1"]
    small += ["sample.networks=2"]
    file = wflow_core.load_spec(Path("examples/breast_cancer.yaml"), small)
    folder = Path("runs/breast_cancer-0")
    wflow_core.run(wflow_core.assemble(file), folder)
    trained, scripted = python("quickstart.md")
    assert trained["probabilities"].shape == (114, 2)
    assert 0 <= trained["accuracy"] <= 1
    assert scripted["metrics"]["samples"]["accuracy"]["mean"] > 0

    table = (ROOT / "docs/quickstart.md").read_text("utf-8")
    files = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    shown = {name.strip("/") for cell in files for name in re.findall(r"`([^`]+)`", cell)}
    made = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert made <= shown
    assert shown - made == {"canonical", "codec", "reference"}
