"""Any torch module, its symmetry found by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_core.pipeline.error_origin import one_line
from wflow_core.symmetry import Symmetry
from wflow_plugins.architectures.tracing import Found, find
from wflow_plugins.code.code_name import CodeName
from wflow_plugins.code.named_code import code_hash, load_code


class Traced(Architecture):
    """A module of your own: its groups and parts are found in its program.

    What torch.export captures of the module is followed; what cannot be proved stays fixed, and
    ``found.notes`` says so. Groups are called after the layers that write them. A spec names the
    class, or a function that makes a module, and the code is imported with `--allow-code` alone.

    Args:
        module: from Python, also a module, or a class or function that makes a fresh one.
        arguments: what the class or function is called with.

    Raises:
        UnsupportedError: no module is given, it does not fit the task, or torch.export cannot
            capture it.
        PluginError: what is named cannot be imported.
    """

    class Config(Options):
        module: CodeName | None = Field(
            None,
            description="class, or function that returns a module: `package.module:Class`, or "
            "`file.py:Class` with a path from where wflow is started",
        )
        arguments: dict[str, Any] = Field({}, description="what it is called with")

    def __init__(
        self,
        signature: Signature,
        module: nn.Module | Callable[..., nn.Module] | str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ):
        named = module if isinstance(module, str) else None
        super().__init__(signature, module=named, arguments=dict(arguments or {}))
        if module is None:
            raise UnsupportedError(
                "traced needs a module: set architecture.module to `package.module:Class` or "
                "`file.py:Class`; from Python, give a module, or a class or function that makes one"
            )
        self._given: Any = module if named is None else load_code(named)
        self._code_hash = None if named is None else code_hash(named)
        if isinstance(self._given, nn.Module) and arguments:
            raise UnsupportedError("traced: a module instance takes no arguments; give its class")

    @property
    def fingerprint(self) -> str | None:
        """A hash of the file that the code is in; None for a module given from Python."""
        return self._code_hash

    def build(self) -> nn.Module:
        """A fresh module.

        Raises:
            UnsupportedError: a module was given, not a function, and it has parameters that no
                ``reset_parameters`` draws anew.
        """
        if not isinstance(self._given, nn.Module):
            return self._made()
        module: nn.Module = deepcopy(self._given)
        _draw_anew(module)
        return module

    def _made(self) -> nn.Module:
        name = self.config.module or getattr(self._given, "__name__", "the function")
        try:
            made = self._given(**self.config.arguments)
        except Exception as error:  # code of the user may raise anything
            raise UnsupportedError(
                f"traced: {name} makes no module of {self.config.arguments}: "
                f"{type(error).__name__}: {one_line(str(error))}"
            ) from error
        if not isinstance(made, nn.Module):
            raise UnsupportedError(f"traced: {name} makes a {type(made).__name__}, not a module")
        return made

    @cached_property
    def template(self) -> nn.Module:
        """A module whose structure all networks share; its own weights are never used."""
        if isinstance(self._given, nn.Module):
            return deepcopy(self._given).eval()
        with torch.random.fork_rng(devices=[]):
            return self.build().eval()

    @cached_property
    def found(self) -> Found:
        """Groups, parts, notes on what stayed fixed, and coverage."""
        x = self.signature.draw(2, torch.Generator().manual_seed(0))
        known = [p.dtype for p in self.template.parameters() if p.is_floating_point()]
        x = x.to(known[0]) if known and x.is_floating_point() else x
        self._check_fits(x)
        return find(self.template, x)

    def define_symmetry(self) -> Symmetry:
        return self.found.symmetry(self.template)

    @torch.no_grad()
    def _check_fits(self, x: Tensor) -> None:
        """
        Raises:
            UnsupportedError: the module does not fit the signature of the task.
        """
        inputs, wanted = list(x.shape), [len(x), self.signature.outputs]
        try:
            made = self.template(x)
        except Exception as error:  # code of the user may raise anything
            raise UnsupportedError(
                f"traced: the module fails on inputs {inputs} of this task: "
                f"{type(error).__name__}: {one_line(str(error))}"
            ) from error
        got = list(made.shape) if isinstance(made, Tensor) else f"a {type(made).__name__}"
        if got != wanted:
            raise UnsupportedError(
                f"traced: of inputs {inputs} the module makes {got}; this task needs {wanted}"
            )


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
