"""The blocks of ``blocks.py`` as architectures, and copies of networks that compute the same."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from blocks import BLOCKS, Block
from torch import Tensor, nn

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_core.symmetry import GroupElement, Symmetry
from wflow_plugins.objectives import Classification


class OfBlock(Architecture):
    """An architecture whose module and symmetry are those of a block."""

    def __init__(self, name: str) -> None:
        self.block: Block = next(b for b in BLOCKS if b.name == name)
        inputs = tuple(self.block.x.shape[1:])
        super().__init__(Signature(inputs, self.block.outputs(*self._some()).shape[-1]))

    def _some(self) -> tuple[Tensor, Tensor]:
        return self.block.weights(1), self.block.buffers(1)

    def build(self) -> nn.Module:
        return copy.deepcopy(self.block.module)

    def define_symmetry(self) -> Symmetry:
        return self.block.symmetry


class TrainingOnly(Task):
    """Random rows; to look at any other split than that for training is an error."""

    objective = Classification()

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.of = architecture.signature

    @property
    def signature(self) -> Signature:
        return self.of

    def load(self) -> Mapping[str, Split]:
        g = torch.Generator().manual_seed(7)
        x = torch.randn(40, *self.of.inputs, generator=g)
        return {"train": Split(x, torch.randint(self.of.outputs, (40,), generator=g))}


def copied(symmetry: Symmetry, w: Tensor, seed: int, signs: bool = True) -> Tensor:
    """Networks with their units permuted, and of other signs where the function lets them."""
    element = symmetry.random(len(w), torch.Generator().manual_seed(seed), w.dtype)
    flips = {
        name: scale.sign()
        for name, scale in element.scale.items()
        if symmetry.groups[name].scaling in ("sign", "nonzero")
    }
    return symmetry.act(w, GroupElement(element.perm, flips if signs else {}))
