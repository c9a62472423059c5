"""Collects the zoo."""

from __future__ import annotations

from wflow_core.errors import DataError
from wflow_core.interfaces.stage import Stage, StageContext, StageOutput
from wflow_core.storage.tensors import weight_set_content
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import iter_chunks
from wflow_plugins.streaming.spill import SpillDir
from wflow_plugins.streaming.zoo import StreamedZoo


class Collect(Stage):
    """The networks that the flow is trained on, from the zoo's source; all of them finite."""

    output = "zoo"
    fields = ("task", "architecture", "zoo")

    def run(self, context: StageContext) -> StageOutput:
        source, spill = context.components.zoo, SpillDir.of(context)
        if spill.budget and isinstance(source, StreamedZoo):
            limit = 2 * spill.budget.per_set_limit
            chunks = source.iter_chunks(context.generator, context.progress, limit)
            zoo = spill.concat(chunks)
        else:
            zoo = spill.spill(source.collect(context.generator, context.progress))
        check_finite(zoo)
        tensors, data = weight_set_content(zoo)
        provenance = source.provenance()
        return StageOutput(tensors, data | ({"sources": provenance} if provenance else {}))


def check_finite(zoo: WeightSet) -> None:
    """
    Raises:
        DataError: weights of some networks are not finite.
    """
    broken = sum(int((~w.isfinite().all(1)).sum()) for w in iter_chunks(zoo.weights, len(zoo)))
    if broken:
        raise DataError(
            f"{broken} of {len(zoo)} networks of the zoo have weights that are not finite; lower "
            "the learning rate that the zoo is trained with, or remove those networks"
        )
