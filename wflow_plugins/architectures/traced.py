"""Any torch module, its symmetry found by itself."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_plugins.architectures.tracing import Found, find


class Traced(Architecture):
    """A module of your own, in Python: ``Traced(signature, module=my_module)``.

    Groups and parts are found in what torch.export captures of the module; what cannot be proved
    stays anchored, and ``found.notes`` says so. Groups are called after the layers that write them.
    A spec cannot give a module, since it names no code to import.

    Args:
        module: a module, or a function that makes a fresh one each time it is called.

    Raises:
        UnsupportedError: no module is given, or torch.export cannot capture it.
    """

    class Config(Options):
        pass

    def __init__(
        self,
        signature: Signature,
        module: nn.Module | Callable[[], nn.Module] | None = None,
        **options: Any,
    ):
        super().__init__(signature, **options)
        if module is None:
            raise UnsupportedError(
                "traced needs a module, which a spec cannot give: a spec names no code to import; "
                "use Traced(signature, module=...) from Python, or register an architecture of "
                "your own"
            )
        self._given = module

    def build(self) -> nn.Module:
        """A fresh module.

        Raises:
            UnsupportedError: a module was given, not a function, and it has parameters that no
                ``reset_parameters`` draws anew.
        """
        if not isinstance(self._given, nn.Module):
            return self._given()
        module = deepcopy(self._given)
        _draw_anew(module)
        return module

    @cached_property
    def module(self) -> nn.Module:
        """One module whose structure all networks share."""
        if isinstance(self._given, nn.Module):
            return deepcopy(self._given).eval()
        with torch.random.fork_rng(devices=[]):
            return self.build().eval()

    @cached_property
    def found(self) -> Found:
        """Groups, parts, notes on what stayed anchored, and coverage."""
        x = self.signature.draw(2, torch.Generator().manual_seed(0))
        known = [p.dtype for p in self.module.parameters() if p.is_floating_point()]
        return find(self.module, x.to(known[0]) if known and x.is_floating_point() else x)

    def symmetry(self) -> Symmetry:
        return self.found.symmetry(self.module)


def _draw_anew(module: nn.Module) -> None:
    left = {name for name, _ in module.named_parameters()}
    for name, layer in module.named_modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
            prefix = f"{name}." if name else ""
            left -= {prefix + own for own, _ in layer.named_parameters(recurse=False)}
    if left:
        raise UnsupportedError(
            f"traced: parameters {sorted(left)} belong to no layer with reset_parameters, so that "
            "a fresh module cannot be drawn; give a function that makes the module"
        )
