"""Running the rules over a module's program, as torch.export finds it."""

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

LARGEST = 2**22
"""Constants of more entries are not looked into."""


def trace_module(module: nn.Module, inputs: Sequence[Tensor]) -> Tracer:
    """The trace of a module in evaluation mode.

    Raises:
        UnsupportedError: torch.export cannot capture the module.
    """
    program = _export(deepcopy(module).eval(), inputs)
    names = {id(p): n for n, p in [*module.named_parameters(), *module.named_buffers()]}
    owned = dict(_all_named(module))
    known = {n: names.get(id(owned[n]), n) for n in owned}
    interpreter = _Interpreter(program, known)
    with torch.no_grad():
        return interpreter.run()


def _all_named(module: nn.Module) -> list[tuple[str, Tensor]]:
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
            "does not branch on what they hold"
        ) from error
    return program


class _Interpreter:
    """Values of all nodes, in order."""

    def __init__(self, program: ExportedProgram, known: Mapping[str, str]):
        self.program, self.known = program, known
        self.tracer = Tracer()
        self.made: dict[Node, Any] = {}
        self.parameters: dict[str, int] = {}

    def run(self) -> Tracer:
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.made[node] = self._placeholder(node)
            elif node.op == "call_function":
                self.made[node] = self._call(node)
                self.tracer.note_conflicts()
            elif node.op == "output":
                for value in _flat(self._resolved(node.args)):
                    for factor in value.factors:
                        self.tracer.fix(factor.atoms, None)
                    self.tracer.scales.forbid(value)
        return self.tracer

    def _placeholder(self, node: Node) -> Any:
        signature, t = self.program.graph_signature, self.tracer
        name = signature.inputs_to_parameters.get(node.name)
        name = name or signature.inputs_to_buffers.get(node.name)
        shape = _shape(node)
        if name is None:
            held = signature.inputs_to_lifted_tensor_constants.get(node.name)
            if held is not None:
                return t.new_constant(self.program.constant_labels[held])
            return None if shape is None else t.new_value(shape)
        name = self.known.get(name, name)
        if name in self.parameters:
            return t.values[self.parameters[name]]
        value = self._held(name, shape)
        self.parameters[name] = value.number
        return value

    def _held(self, name: str, shape: Any) -> Value:
        """A parameter, or a buffer; those that are no weights are constants."""
        held = self.program.state_dict.get(name)
        if held is None:
            return self.tracer.new_constant(self.program.constant_labels[name])
        if held.is_floating_point():
            return self.tracer.new_parameter(name, shape)
        return self.tracer.new_constant(held)

    def _call(self, node: Node) -> Any:
        t, shape = self.tracer, _shape(node)
        args, kwargs = self._resolved(node.args), self._resolved(node.kwargs)
        if node.target is operator.getitem:
            return args[0][args[1]]
        packet = getattr(node.target, "_overloadpacket", node.target)
        name = getattr(packet, "__name__", str(node.target))
        t.output_shape, t.operation = shape, f"aten.{name}"
        values = _flat([args, kwargs])
        if all(v.constant is not None for v in values) and (made := self._folded(node)) is not None:
            return made
        if name in RULES:
            return RULES[name](t, *args, **kwargs)
        if torch.Tag.pointwise in getattr(node.target, "tags", ()):
            return pointwise(t, *args, **kwargs)
        made = unsupported(t, *values)
        return [t.new_value(s) for s in shape] if isinstance(shape, list) else made

    def _folded(self, node: Node) -> Any:
        """What the operation makes of constants."""
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return None

        def held(n: Node) -> Any:
            made = self.made[n]
            return made.constant if isinstance(made, Value) else made

        made = node.target(*map_arg(node.args, held), **map_arg(node.kwargs, held))  # type: ignore[operator]
        if isinstance(made, Tensor) and made.numel() <= LARGEST:
            return self.tracer.new_constant(made)
        return None

    def _resolved(self, tree: Any) -> Any:
        def current(node: Node) -> Any:
            made = self.made[node]
            held = isinstance(made, Value) and made.parameter is not None
            return self.tracer.values[made.number] if held else made

        return map_arg(tree, current)


def _shape(node: Node) -> Any:
    """Shape of what a node gives; a list where it gives several."""
    made = node.meta.get("val")
    if isinstance(made, list | tuple):
        return [tuple(m.shape) if isinstance(m, Tensor) else () for m in made]
    return tuple(made.shape) if isinstance(made, Tensor) else None


def _flat(tree: Any) -> list[Value]:
    """All values in nested arguments."""
    if isinstance(tree, Value):
        return [tree]
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    return [v for x in tree for v in _flat(x)] if isinstance(tree, list | tuple) else []
