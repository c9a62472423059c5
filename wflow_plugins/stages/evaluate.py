"""Measures the samples beside the zoo and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import FinishedRun, Stage, StageContext, StageOutput
from wflow_core.storage.tensors import read_weight_set
from wflow_plugins.evaluation.evaluation import evaluate
from wflow_plugins.evaluation.populations import populations
from wflow_plugins.evaluation.table import results_table
from wflow_plugins.evaluation.test_output_cache import TestOutputCache


class Evaluate(Stage):
    """Numbers of the samples, the zoo and each baseline, for ``metrics.json``."""

    output = "evaluation"
    fields = (
        "task", "architecture", "zoo", "canonicalizers", "sample", "metrics", "baselines",
        "codec", "manifold", "condition", "prior", "velocity", "train", "solver", "guidance",
    )  # fmt: skip

    def inputs(self, components: Components) -> dict[str, str]:
        names = ("zoo", "zoo@collect", "samples", "reference", "codec", "flow")
        return {name: name for name in names}

    def context(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        return {"test_outputs": TestOutputCache()}

    def check(self, components: Components) -> None:
        metrics = [repr(of) for of in components.resolved["metrics"]]
        baselines = [of["type"] for of in components.resolved["baselines"]]
        for field, given in (("metrics", metrics), ("baselines", baselines)):
            if twice := next((i for i, of in enumerate(given) if of in given[:i]), None):
                name = components.resolved[field][twice]["type"]
                raise UnsupportedError(f"{field}.{twice}: {name!r} is given twice; remove one")

    def run(self, context: StageContext) -> StageOutput:
        c, inputs = context.components, context.inputs
        run = FinishedRun(c, inputs.__getitem__, context.device, context.storage, context.scratch)
        sampled = c.stages["sample"].components(c)
        samples = read_weight_set(inputs["samples"], context.device)
        looks_at_flow = any(metric.needs_flow for metric in sampled.metrics)
        flow = c.stages["train"].open(run) if looks_at_flow else None
        found = evaluate(
            sampled, sampled.metrics, populations(run, sampled, samples), context.generator,
            context.progress, flow,
        )  # fmt: skip
        return StageOutput(found.values, {}, found.numbers)

    def summary(self, components: Components, metrics: Mapping[str, Any]) -> Any:
        return results_table(components.metrics, metrics)
