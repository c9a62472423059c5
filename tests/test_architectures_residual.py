"""Convolutional and residual architectures: their symmetry, their names, a real checkpoint."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, GroupElement, Part
from wflow_core.testing.fixtures import SmallTask, seeded
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.architectures.cnn import Cnn
from wflow_plugins.architectures.resnet18 import Resnet18
from wflow_plugins.architectures.resnet20 import Resnet20
from wflow_plugins.canonicalizers.relu_sphere import ReluSphere
from wflow_plugins.manifolds.unit_spheres import unit_spheres
from wflow_plugins.matching.matching import align
from wflow_plugins.zoos.checkpoints import Checkpoints

IMAGE = Signature((3, 9, 8), 5)
ARCHITECTURES: dict[str, Architecture] = {
    "cnn": Cnn(IMAGE, channels=[4, 6]),
    "cnn batch_norm": Cnn(IMAGE, channels=[4, 6], batch_norm=True, pooling="average"),
    "cnn flatten": Cnn(IMAGE, channels=[4, 3], head="flatten", hidden=[7]),
    "cnn tanh": Cnn(IMAGE, channels=[4, 3], activation="tanh", head="flatten", hidden=[7]),
    "cnn tanh average": Cnn(IMAGE, channels=[4], activation="tanh", pooling="average"),
    "cnn strided": Cnn(IMAGE, channels=[4, 3, 5], stride=2, kernel=2, pooling="none"),
    "cnn gelu": Cnn(IMAGE, channels=[5], activation="gelu", batch_norm=True, window=3),
    "resnet20": Resnet20(IMAGE, depth=14, width=3),
    "resnet20 even": Resnet20(IMAGE, depth=8, width=4),
    "resnet20 one": Resnet20(IMAGE, depth=8, width=1),
    "resnet20 projected": Resnet20(IMAGE, depth=14, width=3, shortcut="projected"),
    "resnet18": Resnet18(IMAGE, width=2),
    "resnet18 small": Resnet18(IMAGE, width=2, stem="small"),
}
every = pytest.mark.parametrize("name", ARCHITECTURES)
DATA = Path(os.environ.get("WFLOW_DATA", "absent"))
CHECKPOINT = DATA / "checkpoints/resnet20-12fca82f.th"
needs_checkpoint = pytest.mark.skipif(
    not CHECKPOINT.exists(), reason="WFLOW_DATA has no checkpoints/resnet20-12fca82f.th"
)


def drawn(symmetry: Symmetry, n: int) -> tuple[Tensor, Tensor]:
    """Weights and statistics of no special form, under which most units live."""
    options: dict[str, Any] = {"generator": seeded(1), "dtype": torch.float64}
    weights = torch.randn(n, symmetry.layout.size, **options)
    buffers = 0.1 + torch.rand(n, symmetry.buffer_layout.size, **options)
    for name, slot in symmetry.buffer_layout.by_name.items():
        if name.endswith("running_mean"):
            mean = torch.randn(n, slot.size, **options)
            buffers[:, slot.offset : slot.offset + slot.size] = mean
    return weights, buffers


def outputs(a: Architecture, weights: Tensor, buffers: Tensor, x: Tensor | None = None) -> Tensor:
    x = a.signature.draw(2, seeded(3)).double() if x is None else x
    a.batched.module.to(x.dtype)
    with torch.no_grad():
        return a.batched(weights, x, buffers)


def far(after: Tensor, before: Tensor) -> float:
    """The largest change of an output, relative to the outputs of its network."""
    size = before.abs().flatten(1).amax(1)
    return float(((after - before).abs().flatten(1).amax(1) / size).max())


@every
def test_random_elements_of_every_group_keep_the_function(name: str) -> None:
    a = ARCHITECTURES[name]
    symmetry = a.symmetry
    (w, b), e = drawn(symmetry, 20), symmetry.random(20, seeded(2), torch.float64)
    before = outputs(a, w, b)
    moved = symmetry.act(w, e), symmetry.act_buffers(b, e)
    assert not torch.equal(moved[0], w)
    assert far(outputs(a, *moved), before) < 1e-12
    other_input = (before[:, 0] - before[:, 1]).abs().amax(1)
    assert (other_input > 1e-6 * before.abs().flatten(1).amax(1)).all()  # they are alive


@every
def test_each_group_alone_keeps_the_function(name: str) -> None:
    """A network a group: network i is moved by its permutation or scale of group i only."""
    a = ARCHITECTURES[name]
    symmetry = a.symmetry
    kinds = [(kind, g) for g, of in symmetry.permutable.items() for kind in ("perm", "scale")
             if kind == "perm" or of.scaling != "none"]  # fmt: skip
    w, b = (t[:1].expand(len(kinds), -1) for t in drawn(symmetry, 1))
    e, still = symmetry.random(len(kinds), seeded(8), torch.float64), symmetry.identity(len(kinds))
    only: dict[str, dict[str, Tensor]] = {"perm": dict(still.perm), "scale": {}}
    for i, (kind, group) in enumerate(kinds):
        drawn_one = getattr(e, kind)[group]
        own = only[kind].setdefault(group, torch.ones_like(drawn_one)).clone()
        own[i] = drawn_one[i]
        only[kind][group] = own
    element = GroupElement(**only)
    moved = symmetry.act(w, element), symmetry.act_buffers(b, element)
    assert far(outputs(a, *moved), outputs(a, w, b)) < 1e-12


@every
def test_every_group_between_input_and_output_is_free(name: str) -> None:
    groups = ARCHITECTURES[name].symmetry.groups
    assert [g for g, group in groups.items() if not group.permutable] == ["input", "output"]


def test_what_scalings_go_through() -> None:
    scaling = {
        name: {g.scaling for g in ARCHITECTURES[name].symmetry.permutable.values()}
        for name in ARCHITECTURES
    }
    assert scaling.pop("cnn gelu") == {"none"}
    assert scaling.pop("cnn tanh average") == {"sign"}
    assert scaling.pop("cnn tanh") == {"none", "sign"}  # max pooling lets no sign through
    assert set(map(frozenset, scaling.values())) == {frozenset({"positive"})}


@every
def test_a_wrong_group_is_found_out(name: str) -> None:
    """The law above can fail: outputs that are declared permutable, or a stream cut in two."""
    a = ARCHITECTURES[name]
    s = a.symmetry
    groups = dict(s.groups) | {"output": Group(a.signature.outputs)}
    wrong = Symmetry(groups, tuple(p.part for p in s.parts), s.layout, s.buffer_layout)
    (w, b), e = drawn(s, 3), wrong.random(3, seeded(2))
    moved = GroupElement(perm={"output": e.perm["output"]})
    assert far(outputs(a, wrong.act(w, moved), b), outputs(a, w, b)) > 1e-3


@every
def test_permuted_networks_are_matched(name: str) -> None:
    symmetry = ARCHITECTURES[name].symmetry
    w, _ = drawn(symmetry, 3)
    moved = symmetry.act(w, GroupElement(symmetry.random(3, seeded(4)).perm))
    assert torch.equal(align(symmetry, moved, w), w)


@pytest.mark.parametrize("name", ["cnn batch_norm", "cnn flatten", "resnet20 one"])
def test_all_networks_are_drawn_like_the_module(name: str) -> None:
    """The spread of each tensor, over many networks, is that of torch's own modules."""
    a = ARCHITECTURES[name]
    layout, n = a.symmetry.layout, 60
    many = layout.unflatten(a.initialize(n, seeded(5)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = [layout.flatten(dict(a.build().named_parameters())) for _ in range(n)]
    own = layout.unflatten(torch.stack(rows).detach())
    for tensor, of_module in own.items():
        count = of_module.numel()
        assert many[tensor].mean() == pytest.approx(
            of_module.mean().item(), abs=5 * of_module.std().item() * (2 / count) ** 0.5
        )
        error = 5 * (1 / count) ** 0.5
        assert many[tensor].std() == pytest.approx(of_module.std().item(), rel=error)


def test_the_density_of_fresh_networks() -> None:
    a = Cnn(Signature((1, 4, 4), 2), channels=[1], kernel=1, pooling="none")
    w = a.initialize(3, seeded())
    bound = torch.ones(2 + 4)  # one input channel and one tap; one channel read
    torch.testing.assert_close(a.initial_log_prob(w), -(2 * bound).log().sum().expand(3))
    assert a.initial_log_prob(2.5 * torch.ones(1, 6)).item() == -torch.inf
    with pytest.raises(UnsupportedError, match="density"):
        ARCHITECTURES["cnn batch_norm"].initial_log_prob(w)


def test_what_is_no_image_or_leaves_none_is_refused() -> None:
    for make in (Cnn, Resnet18, Resnet20):
        with pytest.raises(UnsupportedError, match=r"needs images .* \[64\]"):
            make(Signature((64,), 10))
    with pytest.raises(
        UnsupportedError, match=r"output of block 3 is empty for inputs \[1, 6, 6\]"
    ):
        Cnn(Signature((1, 6, 6), 2), channels=[2, 2, 2])
    with pytest.raises(ValidationError, match="8, 14, 20, 32"):
        Resnet20(IMAGE, depth=18)


def published(a: Architecture) -> WeightLayout:
    """The layout of a module without memory for its weights."""
    with torch.device("meta"):
        return WeightLayout.of_parameters(a.build())


def test_names_and_sizes_of_the_published_networks() -> None:
    image = Signature((3, 32, 32), 10)
    large = published(Resnet18(Signature((3, 224, 224), 1000)))
    assert large.size == 11_689_512  # torchvision's
    assert large.by_name["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert large.by_name["conv1.weight"].shape == (64, 3, 7, 7)
    assert published(Resnet18(image, stem="small")).size == 11_173_962
    # He et al., table 6: 0.27 M and 0.85 M.
    assert published(Resnet20(image)).size == 269_722
    assert published(Resnet20(image, depth=56)).size == 853_018


def test_units_of_zero_padded_streams_nest() -> None:
    symmetry = Resnet20(Signature((3, 8, 8), 10)).symmetry
    (part,) = (p for p in symmetry.parts if p.part.tensor == "linear.weight")
    assert part.axes[1] == (
        ("stream3", 0, 16), ("stream2", 0, 8), ("stream1", 0, 16), ("stream2", 8, 16),
        ("stream3", 16, 32),
    )  # fmt: skip
    assert sum(g.size for g in symmetry.permutable.values()) == 64 + 3 * (16 + 32 + 64)


@pytest.mark.parametrize("name", ["cnn batch_norm", "cnn flatten", "resnet20", "resnet18"])
def test_all_units_are_brought_to_their_spheres(name: str) -> None:
    """Streams too: the sphere of a unit is over the BatchNorms of all the blocks that write it."""
    a = ARCHITECTURES[name]
    symmetry, to = a.symmetry, ReluSphere(a)
    (w, b), e = drawn(symmetry, 3), symmetry.random(3, seeded(6), torch.float64)
    before = outputs(a, w, b)
    canonical = to.act(w, to.group_element(w))
    assert far(outputs(a, canonical, b), before) < 1e-12
    spheres = unit_spheres(symmetry)
    assert spheres.keys() == symmetry.permutable.keys()
    for places in spheres.values():
        norm = canonical[:, places.flatten()].unflatten(1, places.shape).norm(dim=2)
        torch.testing.assert_close(norm, torch.ones_like(norm))
    other = symmetry.act(w, GroupElement(scale=e.scale))
    torch.testing.assert_close(to.act(other, to.group_element(other)), canonical)
    assert a.__class__ is Cnn or spheres["stream1"].shape[1] > 2


def test_residual_scales_without_batch_norm_are_refused() -> None:
    """x + W2 relu(W1 x): what reads the stream also writes it; each scale needs the other."""
    layers = nn.ModuleDict({n: nn.Linear(4, 4, bias=False) for n in ("first", "one", "two")})
    groups = {
        "input": Group(4, "fixed"),
        "stream": Group(4, scaling="positive"),
        "h": Group(4, scaling="positive"),
    }
    parts = (
        Part(
            "first.weight", ("stream", "input"), scale_exponent={"stream": 1}, in_unit_sphere=True
        ),
        Part(
            "one.weight",
            ("h", "stream"),
            scale_exponent={"h": 1, "stream": -1},
            in_unit_sphere=True,
        ),
        Part(
            "two.weight",
            ("stream", "h"),
            scale_exponent={"stream": 1, "h": -1},
            in_unit_sphere=True,
        ),
    )
    symmetry = Symmetry(groups, parts, WeightLayout.of_parameters(layers))
    with pytest.raises(UnsupportedError, match=r"scales of \['h', 'stream'\] depend .* in a cycle"):
        unit_spheres(symmetry)


@cache
def real() -> tuple[Resnet20, WeightSet]:
    """The published ResNet-20, read as a zoo is, in float64."""
    a = Resnet20(Signature((3, 32, 32), 10))
    folder, pattern = str(CHECKPOINT.parent), CHECKPOINT.name
    zoo = Checkpoints(SmallTask(), a, folder=folder, pattern=pattern).collect(seeded())
    return a, WeightSet.from_module(a.template, zoo.weights.double(), zoo.buffers.double())


def reference(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Option A written out, without any module of ours."""

    def norm(name: str, x: Tensor) -> Tensor:
        kinds = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{name}.{k}"] for k in kinds))

    x = F.relu(norm("bn1", F.conv2d(x, state["conv1.weight"], padding=1)))
    for block in (f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range(3)):
        down = block in ("layer2.0", "layer3.0")
        y = F.conv2d(x, state[f"{block}.conv1.weight"], stride=1 + down, padding=1)
        y = F.conv2d(F.relu(norm(f"{block}.bn1", y)), state[f"{block}.conv2.weight"], padding=1)
        if down:
            around = x.shape[1] // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, around, around))
        x = F.relu(norm(f"{block}.bn2", y) + x)
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


def cifar(rows: int) -> tuple[Tensor, Tensor]:
    """Test images as the checkpoint wants them; a record is a label byte, then 3072 of pixels."""
    file = DATA / "cifar10_subset/test_batch_first1000.bin"
    if not file.exists():
        pytest.skip("WFLOW_DATA has no cifar10_subset")
    records = torch.from_numpy(np.fromfile(file, np.uint8)).reshape(-1, 3073)[:rows]
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    x = records[:, 1:].reshape(-1, 3, 32, 32) / 255
    return (x - mean) / std, records[:, 0].long()


@needs_checkpoint
def test_the_real_network_computes_what_its_authors_did() -> None:
    a, zoo = real()
    x = a.signature.draw(2, seeded(1)).double()
    state = {n: t[0] for n, t in a.batched.tensors(zoo.weights, zoo.buffers).items()}
    found = outputs(a, zoo.weights, zoo.buffers, x)[0]
    torch.testing.assert_close(found, reference(state, x), rtol=1e-12, atol=1e-12)


@needs_checkpoint
def test_the_real_network_keeps_its_accuracy_when_moved_and_is_found_again() -> None:
    a, zoo = real()
    symmetry, (x, y) = a.symmetry, cifar(50)
    perm = GroupElement(symmetry.random(1, seeded(1)).perm)
    moved = symmetry.act(zoo.weights, perm), symmetry.act_buffers(zoo.buffers, perm)
    before = outputs(a, zoo.weights.float(), zoo.buffers.float(), x)
    after = outputs(a, *(t.float() for t in moved), x)
    assert (before[0].argmax(-1) == y).double().mean() > 0.85
    assert torch.equal(before.argmax(-1), after.argmax(-1))
    assert torch.equal(align(symmetry, moved[0], zoo.weights), zoo.weights)


@needs_checkpoint
def test_random_elements_keep_the_real_function() -> None:
    a, zoo = real()
    x, symmetry = a.signature.draw(1, seeded(1)).double(), a.symmetry
    e = symmetry.random(2, seeded(2), torch.float64)
    w, b = zoo.weights.expand(2, -1), zoo.buffers.expand(2, -1)
    moved = symmetry.act(w, e), symmetry.act_buffers(b, e)
    assert far(outputs(a, *moved, x), outputs(a, w, b, x)) < 1e-12


@pytest.mark.skipif(
    not (DATA / "checkpoints/botorch_mnist_cnn.pt").exists(),
    reason="WFLOW_DATA has no checkpoints/botorch_mnist_cnn.pt",
)
def test_a_real_convolutional_network_is_read_and_keeps_its_function() -> None:
    options: dict[str, Any] = {"channels": [20, 50], "kernel": 5, "padding": 0}
    a = Cnn(Signature((1, 28, 28), 10), head="flatten", hidden=[500], **options)
    folder, pattern = str(DATA / "checkpoints"), "botorch_mnist_cnn.pt"
    zoo = Checkpoints(SmallTask(), a, folder=folder, pattern=pattern).collect(seeded())
    symmetry, w = a.symmetry, zoo.weights.double()
    moved = symmetry.act(w, symmetry.random(1, seeded(1), torch.float64))
    none = w.new_zeros(1, 0)
    assert far(outputs(a, moved, none), outputs(a, w, none)) < 1e-12
    perm = GroupElement(symmetry.random(1, seeded(2)).perm)
    assert torch.equal(align(symmetry, symmetry.act(w, perm), w), w)
