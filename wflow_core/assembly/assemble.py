"""From a validated spec to components that fit together, at the architectures that it names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from wflow_core.assembly.assembler import Assembler
from wflow_core.assembly.assembly import Assembly
from wflow_core.assembly.density import refuse_flow
from wflow_core.assembly.transfer import refuse_other, refuse_sizes
from wflow_core.errors import SpecError, UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.space import reason
from wflow_core.specs.problems import Path, dotted
from wflow_core.specs.spec import SAMPLED, SpecFile


def assemble(file: SpecFile) -> Assembly:
    """Load, check and build every component of a spec.

    Raises:
        SpecError: with every problem, each at its place.
    """
    maker = Assembler(file)
    parts = maker.parts()
    assembly = Assembly(file, file.spec, maker.resolved(), maker.origins(), **parts)
    if SAMPLED in file.found:
        architecture = maker.build(SAMPLED, assembly.task.signature)
        derived = maker.at("sample", partial(_sampled, assembly, architecture), SAMPLED)
        assembly = replace(assembly, derived=derived)
    for path in maker.paths("metrics"):
        if maker.built[path].density:
            maker.at("metrics", partial(refuse_flow, assembly.sampled), path)
    return assembly


def at(assembly: Assembly, architecture: Architecture) -> Assembly:
    """The same at another architecture: all that is built from the architecture is built for it.

    Its velocity has the parameters of the assembly's, and can be given their trained values. Spec,
    origins, tasks and hooks are the assembly's.

    Raises:
        UnsupportedError: the flow serves one size alone, or the architectures differ in more than
            the sizes of free groups.
    """
    refuse_other(assembly, architecture)
    try:
        parts = _parts(assembly, {("architecture",): architecture})
    except SpecError as error:
        told = "; ".join(error.problems)
        raise UnsupportedError(
            f"{architecture!r} does not fit the rest of the spec: {told}"
        ) from error
    refuse_sizes(assembly.velocity, parts["velocity"])
    return replace(assembly, **parts, derived=None)


def settled(assembly: Assembly) -> Assembly:
    """The same where fitting its codec told how many coordinates there are: what is built for them
    is built anew.

    Raises:
        SpecError: it does not fit as many coordinates.
    """
    codec = assembly.codec
    if codec is None or codec.dim == assembly.space.dim:
        return assembly
    stays: dict[Path, Any] = {("architecture",): assembly.architecture}
    stays |= {("zoo",): assembly.zoo, ("codec",): codec}
    return replace(assembly, **_parts(assembly, stays))


def _parts(assembly: Assembly, given: dict[Path, Any]) -> dict[str, Any]:
    """All components anew, but for hooks, tasks and what is given."""
    tasks = {p: of for p in assembly.file.found if (of := assembly.tasks.get(dotted(p)))}
    stays = tasks | {("task",): assembly.task} | given
    return Assembler(assembly.file, stays).parts(assembly.hooks)


def _sampled(assembly: Assembly, architecture: Architecture) -> Assembly:
    """The same at the architecture of samples, which a zoo of it is trained to compare with."""
    derived = at(assembly, architecture)
    if "retraining" not in derived.zoo.offers:
        raise UnsupportedError(
            "samples of another architecture are compared with networks of it that are trained as "
            f"the zoo was; that needs {reason('retraining')}"
        )
    return derived
