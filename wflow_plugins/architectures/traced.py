"""Any torch module, with a symmetry traced from its program."""

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
from wflow_plugins.architectures.tracing import TracedSymmetry, trace_symmetry
from wflow_plugins.code.code_name import CodeName
from wflow_plugins.code.named_code import code_hash, load_code


class Traced(Architecture):
    """A user's module, whose groups and parts are traced from its program.

    The trace follows the operations that torch.export captures; units without a proof stay fixed,
    with a note in ``traced_symmetry.notes``. Groups are named after the layers that write them. A
    spec names a class, or a function that returns a module; its code is only imported with
    `--allow-code`.

    Args:
        module: `package.module:Class` or `file.py:Class`; from Python also a module, or a class or
            function that returns a new one.
        arguments: keyword arguments of the class or function.

    Raises:
        UnsupportedError: the module is missing, does not fit the task, or cannot be captured by
            torch.export.
        PluginError: the named code cannot be imported.
    """

    class Config(Options):
        module: CodeName | None = Field(
            None,
            description="class, or function that returns a module: `package.module:Class`, or "
            "`file.py:Class` with a path relative to the working directory",
        )
        arguments: dict[str, Any] = Field({}, description="its keyword arguments")

    def __init__(
        self,
        signature: Signature,
        module: nn.Module | Callable[..., nn.Module] | str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ):
        path = module if isinstance(module, str) else None
        super().__init__(signature, module=path, arguments=dict(arguments or {}))
        if module is None:
            raise UnsupportedError(
                "traced needs a module: set architecture.module to `package.module:Class` or "
                "`file.py:Class`; from Python, pass a module, its class, or a function"
            )
        self._source: Any = module if path is None else load_code(path)
        self._code_hash = None if path is None else code_hash(path)
        if isinstance(self._source, nn.Module) and arguments:
            raise UnsupportedError("traced: a module instance takes no arguments; pass its class")

    @property
    def fingerprint(self) -> str | None:
        """A hash of the source file of the code; None for a module passed from Python."""
        return self._code_hash

    def build(self) -> nn.Module:
        """A new module with initial weights.

        Raises:
            UnsupportedError: a module instance has parameters that no ``reset_parameters``
                initialises.
        """
        if not isinstance(self._source, nn.Module):
            return self._instantiate()
        module: nn.Module = deepcopy(self._source)
        _reset_parameters(module)
        return module

    def _instantiate(self) -> nn.Module:
        name = self.config.module or getattr(self._source, "__name__", "the function")
        try:
            module = self._source(**self.config.arguments)
        except Exception as error:  # code of the user may raise anything
            raise UnsupportedError(
                f"traced: {name} fails with the arguments {self.config.arguments}: "
                f"{type(error).__name__}: {one_line(str(error))}"
            ) from error
        if not isinstance(module, nn.Module):
            kind = type(module).__name__
            raise UnsupportedError(f"traced: {name} returns a {kind}, not a module")
        return module

    @cached_property
    def template(self) -> nn.Module:
        """A module with the structure of all networks; its own weights are never used."""
        if isinstance(self._source, nn.Module):
            return deepcopy(self._source).eval()
        with torch.random.fork_rng(devices=[]):
            return self.build().eval()

    @cached_property
    def traced_symmetry(self) -> TracedSymmetry:
        """Groups, parts, notes on fixed units, and coverage."""
        x = self.signature.draw(2, torch.Generator().manual_seed(0))
        dtypes = [p.dtype for p in self.template.parameters() if p.is_floating_point()]
        x = x.to(dtypes[0]) if dtypes and x.is_floating_point() else x
        self._check_fits(x)
        return trace_symmetry(self.template, x)

    def define_symmetry(self) -> Symmetry:
        return self.traced_symmetry.bind(self.template)

    @torch.no_grad()
    def _check_fits(self, x: Tensor) -> None:
        """
        Raises:
            UnsupportedError: the module does not fit the signature of the task.
        """
        inputs, expected = list(x.shape), [len(x), self.signature.outputs]
        try:
            outputs = self.template(x)
        except Exception as error:  # code of the user may raise anything
            raise UnsupportedError(
                f"traced: the module fails on inputs {inputs} of this task: "
                f"{type(error).__name__}: {one_line(str(error))}"
            ) from error
        got = list(outputs.shape) if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        if got != expected:
            raise UnsupportedError(
                f"traced: for inputs {inputs} the module returns {got}; this task needs {expected}"
            )


def _reset_parameters(module: nn.Module) -> None:
    without_reset = {name for name, _ in module.named_parameters()}
    for name, layer in module.named_modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
            prefix = f"{name}." if name else ""
            own = layer.named_parameters(recurse=False)
            without_reset -= {prefix + parameter for parameter, _ in own}
    if without_reset:
        raise UnsupportedError(
            f"traced: parameters {sorted(without_reset)} belong to no layer with reset_parameters, "
            "so they cannot be initialised; pass a function that returns the module"
        )
