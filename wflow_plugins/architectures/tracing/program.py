"""Traces a module: applies the rules to the program that torch.export captures."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from wflow_core.errors import UnsupportedError
from wflow_plugins.architectures.tracing import rules
from wflow_plugins.architectures.tracing.rules.contractions import unsupported
from wflow_plugins.architectures.tracing.rules.pointwise import pointwise
from wflow_plugins.architectures.tracing.tracer import RULES, Tracer
from wflow_plugins.architectures.tracing.values import Value

assert rules.__all__

MAX_CONSTANT_ENTRIES = 2**22
"""Larger constants are treated like inputs."""


def trace_module(module: nn.Module, inputs: Sequence[Tensor]) -> Tracer:
    """The trace of a module in evaluation mode.

    Raises:
        UnsupportedError: torch.export cannot capture the module.
    """
    program = _export(deepcopy(module).eval(), inputs)
    names = {id(p): n for n, p in [*module.named_parameters(), *module.named_buffers()]}
    tensors = dict(_all_names(module))
    first_names = {n: names.get(id(tensors[n]), n) for n in tensors}
    interpreter = _Interpreter(program, first_names)
    with torch.no_grad():
        return interpreter.run()


def _all_names(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers by all of their names."""
    return [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]


def _export(module: nn.Module, inputs: Sequence[Tensor]) -> ExportedProgram:
    try:
        program = torch.export.export(module, tuple(inputs), strict=False)
        calls = [n for n in program.graph.nodes if n.op == "call_function"]
        if any(getattr(getattr(n.target, "_schema", None), "is_mutable", False) for n in calls):
            return program.run_decompositions({})
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise UnsupportedError(
            f"traced: torch.export cannot capture {type(module).__name__}: "
            f"{type(error).__name__}: {first}; trace a module whose forward takes tensors and "
            "does not branch on their values"
        ) from error
    return program


class _Interpreter:
    """Computes the value of each node, in order.

    Args:
        first_names: name of a tensor -> its first name, where it has several.
    """

    def __init__(self, program: ExportedProgram, first_names: Mapping[str, str]):
        self.program, self.first_names = program, first_names
        self.tracer = Tracer()
        self.results: dict[Node, Any] = {}
        self.parameters: dict[str, int] = {}

    def run(self) -> Tracer:
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.results[node] = self._placeholder(node)
            elif node.op == "call_function":
                self.results[node] = self._call(node)
                self.tracer.note_conflicts()
            elif node.op == "output":
                for value in _values_in(self._resolve(node.args)):
                    for factor in value.factors:
                        self.tracer.fix(factor.atoms, None)
                    self.tracer.scales.forbid(value)
        return self.tracer

    def _placeholder(self, node: Node) -> Any:
        signature, t = self.program.graph_signature, self.tracer
        name = signature.inputs_to_parameters.get(node.name)
        name = name or signature.inputs_to_buffers.get(node.name)
        shape = _output_shape(node)
        if name is None:
            lifted = signature.inputs_to_lifted_tensor_constants.get(node.name)
            if lifted is not None:
                return t.new_constant(self.program.constants[lifted])
            return None if shape is None else t.new_value(shape)
        name = self.first_names.get(name, name)
        if name in self.parameters:
            return t.values[self.parameters[name]]
        value = self._stored(name, shape)
        self.parameters[name] = value.number
        return value

    def _stored(self, name: str, shape: Any) -> Value:
        """A parameter or buffer; a constant unless it is a floating-point state dict entry."""
        tensor = self.program.state_dict.get(name)
        if tensor is None:
            return self.tracer.new_constant(self.program.constants[name])
        if tensor.is_floating_point():
            return self.tracer.new_parameter(name, shape)
        return self.tracer.new_constant(tensor)

    def _call(self, node: Node) -> Any:
        t, shape = self.tracer, _output_shape(node)
        args, kwargs = self._resolve(node.args), self._resolve(node.kwargs)
        if node.target is operator.getitem:
            return args[0][args[1]]
        packet = getattr(node.target, "_overloadpacket", node.target)
        name = getattr(packet, "__name__", str(node.target))
        t.output_shape, t.operation = shape, f"aten.{name}"
        values = _values_in([args, kwargs])
        if all(v.constant is not None for v in values):
            folded = self._fold_constants(node)
            if folded is not None:
                return folded
        if name in RULES:
            return RULES[name](t, *args, **kwargs)
        if torch.Tag.pointwise in getattr(node.target, "tags", ()):
            return pointwise(t, *args, **kwargs)
        value = unsupported(t, *values)
        return [t.new_value(s) for s in shape] if isinstance(shape, list) else value

    def _fold_constants(self, node: Node) -> Any:
        """The result of an operation on constants; None where it is no constant."""
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return None

        def content(n: Node) -> Any:
            result = self.results[n]
            return result.constant if isinstance(result, Value) else result

        args, kwargs = map_arg(node.args, content), map_arg(node.kwargs, content)
        result = node.target(*args, **kwargs)  # type: ignore[operator]
        if isinstance(result, Tensor) and result.numel() <= MAX_CONSTANT_ENTRIES:
            return self.tracer.new_constant(result)
        return None

    def _resolve(self, tree: Any) -> Any:
        """Arguments with values in place of nodes; parameters as they are now."""

        def current(node: Node) -> Any:
            result = self.results[node]
            stored = isinstance(result, Value) and result.parameter is not None
            return self.tracer.values[result.number] if stored else result

        return map_arg(tree, current)


def _output_shape(node: Node) -> Any:
    """Shape of a node's output; a list for several outputs, None for none."""
    output = node.meta.get("val")
    if isinstance(output, list | tuple):
        return [tuple(x.shape) if isinstance(x, Tensor) else () for x in output]
    return tuple(output.shape) if isinstance(output, Tensor) else None


def _values_in(tree: Any) -> list[Value]:
    """All values in nested arguments."""
    if isinstance(tree, Value):
        return [tree]
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    return [v for x in tree for v in _values_in(x)] if isinstance(tree, list | tuple) else []
