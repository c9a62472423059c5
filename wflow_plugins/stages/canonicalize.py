"""Moves the zoo to one representative of each symmetry orbit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.component import ProgressCallback, no_progress
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Stage, StageContext, StageOutput
from wflow_core.storage.tensors import read_weight_set, weight_set_content
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat
from wflow_plugins.streaming.lazy_weights import name_requester
from wflow_plugins.streaming.spill import SpillDir


class Canonicalize(Stage):
    """The zoo through every canonicalizer, in the order of the spec."""

    output = "canonical"
    replaces = "zoo"
    fields = ("architecture", "canonicalizers")

    def is_active(self, components: Components) -> bool:
        return bool(components.canonicalizers)

    def inputs(self, components: Components) -> dict[str, str]:
        return {"zoo": "zoo"}

    def run(self, context: StageContext) -> StageOutput:
        zoo = read_weight_set(context.inputs["zoo"], context.device)
        steps, gather = context.components.canonicalizers, SpillDir.of(context).concat
        canonical = fit_transform_all(steps, zoo, context.progress, gather)
        return StageOutput(*weight_set_content(canonical))


def fit_transform_all(
    canonicalizers: Sequence[Canonicalizer],
    zoo: WeightSet,
    progress: ProgressCallback = no_progress,
    gather: Callable[[Iterable[WeightSet]], WeightSet] = concat,
) -> WeightSet:
    """A zoo through every canonicalizer in order, each fitted to the result of those before.

    Args:
        gather: makes one weight set of chunks; in memory by default.
    """
    for done, canonicalizer in enumerate(canonicalizers, start=1):
        with name_requester(repr(canonicalizer)):
            canonicalizer.fit(zoo)
            zoo = gather(canonicalizer.transform_chunks(zoo))
        progress(done, len(canonicalizers))
    return zoo
