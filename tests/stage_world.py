"""A small run with every built-in stage: what each of them is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from plugin_support import tiny

from wflow_core.assembly.assemble import assemble
from wflow_core.devices import resolve_device
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact, Stage
from wflow_core.pipeline.driver import Pipeline
from wflow_core.pipeline.keys import Fingerprints
from wflow_core.specs.spec import spec_from_text
from wflow_core.storage.store import Store

SPEC = tiny(
    canonicalizers="[weight_matching]",
    codec="{type: pca, components: 4}",
    prior="{type: gaussian}",
    coupling="independent",
    velocity="{type: mlp, width: 8, layers: 1}",
    train="{iterations: 4, evaluate_every: 2, batch_size: 4, "
    "losses: [{type: function, num_inputs: 8}]}",
    metrics="[task_score, novelty, {type: fine_tuning, networks: 2, epochs: 1}]",
    hooks="[]",
)


class RecordingPipeline(Pipeline):
    """Keeps what each stage finds: the components, and the artefacts by name."""

    def _run_stage(self, name: str, stage: Stage) -> Artefact:
        self.seen = {**getattr(self, "seen", {}), name: (self.components, dict(self.artefacts))}
        return super()._run_stage(name, stage)


@cache
def stage_inputs() -> Mapping[str, tuple[Components, dict[str, Artefact]]]:
    """By the name of the stage, from one run."""
    components = assemble(spec_from_text(SPEC))
    with Store(Path(mkdtemp())).locked() as store:
        fingerprints = Fingerprints(components, {})
        pipeline = RecordingPipeline(components, store, resolve_device("cpu"), fingerprints)
        pipeline.run()
    return pipeline.seen


def stage_world(name: str) -> dict[str, Any]:
    """What the contract of a stage is given instead of its own world."""
    return {
        "make": lambda _: stage_inputs()[name][0].stages[name],
        "components": lambda _, stage: stage_inputs()[name][0],
        "artefacts": lambda _: stage_inputs()[name][1],
    }
