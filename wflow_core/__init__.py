"""wflow: generative models of neural-network weights.

Everything that the command does, on the same objects; torch is imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wflow_core.assembly.assemble import assemble
    from wflow_core.runs.road import run
    from wflow_core.runs.trained import TrainedFlow, load
    from wflow_core.specs.spec import load_spec, spec_from_text

_HOMES = {
    "assemble": "wflow_core.assembly.assemble",
    "run": "wflow_core.runs.road",
    "load_spec": "wflow_core.specs.spec",
    "spec_from_text": "wflow_core.specs.spec",
    "TrainedFlow": "wflow_core.runs.trained",
    "load": "wflow_core.runs.trained",
}

__all__ = ["TrainedFlow", "assemble", "load", "load_spec", "run", "spec_from_text"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
