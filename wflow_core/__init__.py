"""wflow: generative models of neural-network weights.

The public names; each is imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# fmt: off
_MODULES = {
    "assembly.assemble": "assemble", "flows.flow": "Flow", "flows.sampling": "integrate",
    "flows.training": "Trainer", "flows.training_options": "TrainingOptions",
    "interfaces.architecture": "Architecture", "interfaces.baseline": "Baseline BaselineContext",
    "interfaces.canonicalizer": "Canonicalizer", "interfaces.codec": "Codec",
    "interfaces.component": "Component Need Options Slot", "interfaces.components": "Components",
    "interfaces.condition": "Condition", "interfaces.coupling": "Coupling",
    "interfaces.guidance": "Guidance", "interfaces.hook": "Hook hookimpl",
    "interfaces.loss": "Loss", "interfaces.manifold": "Manifold", "interfaces.metric": "Metric",
    "interfaces.objective": "Objective", "interfaces.optimizer": "Optimizer",
    "interfaces.prior": "Prior", "interfaces.solver": "Solver",
    "interfaces.stage": "Artefact Stage StageContext StageOutput",
    "interfaces.task": "Signature Split Task", "interfaces.time": "TimeSampler",
    "interfaces.trained_flow": "TrainedFlow", "interfaces.velocity": "Velocity",
    "interfaces.zoo": "Covariate ZooSource", "pipeline.driver": "run",
    "pipeline.finished_run": "load", "space": "PointSet Space",
    "specs.spec": "Spec load_spec spec_from_text", "symmetry": "Group GroupElement Part Symmetry",
    "weights": "WeightLayout WeightSet",
}
# fmt: on
_NAMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
