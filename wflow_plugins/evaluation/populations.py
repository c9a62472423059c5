"""The networks that an evaluation measures and compares."""

from __future__ import annotations

from dataclasses import dataclass

from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import FinishedRun
from wflow_core.storage.tensors import read_weight_set
from wflow_core.weights import WeightSet
from wflow_plugins.stages.canonicalize import fit_transform_all


@dataclass(frozen=True)
class Populations:
    """Samples, and the zoo that they are compared with.

    Attributes:
        collected: the zoo before canonicalizers moved it, where they did.
    """

    samples: WeightSet
    zoo: WeightSet
    collected: WeightSet | None = None


def populations(run: FinishedRun, components: Components, samples: WeightSet) -> Populations:
    """Samples of the components' architecture beside a zoo of it."""
    canonicalizers = components.canonicalizers
    if components.architecture is not run.components.architecture:
        trained = read_weight_set(run.artefact("reference"), run.device)
        zoo = fit_transform_all(canonicalizers, trained)
        return Populations(samples, zoo, trained if canonicalizers else None)
    zoo = read_weight_set(run.artefact("zoo"), run.device)
    if not canonicalizers:
        return Populations(samples, zoo)
    return Populations(samples, zoo, read_weight_set(run.artefact("zoo@collect"), run.device))
