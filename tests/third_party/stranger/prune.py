"""A stage between built-in ones."""

from __future__ import annotations

from pydantic import Field

from wflow_core import Components, Options, Stage, StageContext, StageOutput
from wflow_core.storage.tensors import read_weight_set, weight_set_content


class Prune(Stage):
    """Keeps the networks of the zoo with the smallest losses, in their order."""

    class Config(Options):
        fraction: float = Field(0.5, gt=0, le=1, description="of the networks")

    output = "pruned"
    replaces = "zoo"

    def inputs(self, components: Components) -> dict[str, str]:
        return {"zoo": "zoo"}

    def run(self, context: StageContext) -> StageOutput:
        zoo = read_weight_set(context.inputs["zoo"], context.device)
        count = max(1, round(self.config.fraction * len(zoo)))
        best = zoo.covariates["loss"].argsort(stable=True)[:count].sort().values
        return StageOutput(*weight_set_content(zoo[best]), metrics={"pruned": len(zoo) - count})
