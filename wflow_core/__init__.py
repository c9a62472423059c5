"""wflow: generative models of neural-network weights.

The public names; torch is imported at first use of one of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wflow_core.assembly.assemble import assemble
    from wflow_core.pipeline.driver import run
    from wflow_core.pipeline.finished_run import load
    from wflow_core.specs.spec import Spec, load_spec, spec_from_text

_MODULES = {
    "assemble": "wflow_core.assembly.assemble",
    "run": "wflow_core.pipeline.driver",
    "load": "wflow_core.pipeline.finished_run",
    "Spec": "wflow_core.specs.spec",
    "load_spec": "wflow_core.specs.spec",
    "spec_from_text": "wflow_core.specs.spec",
}

__all__ = ["Spec", "assemble", "load", "load_spec", "run", "spec_from_text"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
