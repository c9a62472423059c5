"""Trains networks of the samples' architecture, where it differs from the zoo's."""

from __future__ import annotations

from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Stage, StageContext, StageOutput
from wflow_core.storage.tensors import weight_set_content
from wflow_plugins.stages.collect import check_finite


class Reference(Stage):
    """As many networks of the samples' architecture, trained as the zoo was, to compare with."""

    output = "reference"
    fields = ("task", "zoo", "sample")

    def is_active(self, components: Components) -> bool:
        return components.stages["sample"].config.architecture is not None

    def run(self, context: StageContext) -> StageOutput:
        sample = context.components.stages["sample"]
        source = sample.components(context.components).zoo
        networks = source.retrain(sample.config.networks, context.generator)
        check_finite(networks)
        return StageOutput(*weight_set_content(networks))
