"""Whether what a spec says of conditions fits its zoo, velocity and coupling; nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wflow_core.conditions import Conditions, Record
from wflow_core.errors import DataError
from wflow_core.flows.classifier_free import refuse_scale
from wflow_core.interfaces.coupling import IndexedCoupling
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.registry import suggest
from wflow_core.specs.problems import Path, dotted
from wflow_core.specs.spec import SpecFile


def conditions_of(file: SpecFile, zoo: ZooSource) -> tuple[Conditions, list[str]]:
    """The records that the flow is conditioned on; what is wrong with them, a line each.

    Raises:
        DataError: the zoo cannot say what it records.
    """
    options = file.spec.condition
    offered = {record.name: record for record in zoo.records} if options.records else {}
    known = dict.fromkeys(name for name in options.records if name in offered)
    conditions = Conditions(tuple(offered[name] for name in known), options.drop)
    wrong = [*_records(file, list(offered.values())), *_parts(file)]
    if not wrong:  # else what is asked for may be wrong for that reason alone
        wrong += _sample(file, conditions)
    return conditions, [f"{file.source.place(path)}: {dotted(path)}: {why}" for path, why in wrong]


def _records(file: SpecFile, offered: list[Record]) -> Iterator[tuple[Path, str]]:
    """Records that the zoo does not have, or that are named twice."""
    names, wanted = [record.name for record in offered], file.spec.condition.records
    written = file.source.data.get("condition")
    start: Path = ("condition", "records") if isinstance(written, dict) else ("condition",)
    for i, name in enumerate(wanted):
        if name not in names:
            zoo = file.found[("zoo",)].name
            has = ", ".join(names) or "none"
            yield (*start, i), f"the zoo {zoo!r} has no record {name!r}{suggest(name, names)}; " \
                f"its records: {has}"  # fmt: skip
        elif name in wanted[:i]:
            yield (*start, i), f"the record {name!r} is named twice"


def _parts(file: SpecFile) -> Iterator[tuple[Path, str]]:
    """Components that cannot work under conditions."""
    if not file.spec.condition.records:
        return
    velocity, coupling = file.found[("velocity",)], file.found[("coupling",)]
    if "conditions" not in velocity.cls.offers:
        yield ("velocity",), f"{velocity.name!r} takes no conditions; take another, such as " \
            "`neuron_transformer` or `mlp`"  # fmt: skip
    if not issubclass(coupling.cls, IndexedCoupling):
        yield ("coupling",), f"{coupling.name!r} does not tell which networks its pairs end in, " \
            "as conditions need; take another, such as `independent`"  # fmt: skip


def _sample(file: SpecFile, conditions: Conditions) -> Iterator[tuple[Path, str]]:
    """What samples are asked for that they cannot be."""
    o = file.spec.sample
    for name, value in o.condition.items():
        if told := _refused(lambda n=name, v=value: conditions.numbers({n: v})):  # type: ignore[misc]
            yield ("sample", "condition", name), told
    if told := _refused(lambda: refuse_scale(conditions, o.guidance_scale)):
        yield ("sample", "guidance_scale"), told


def _refused(make: Callable[[], object]) -> str | None:
    try:
        make()
    except DataError as error:
        return str(error)
    return None
