"""The networks of a finished run, from the artefacts in its folder."""

from __future__ import annotations

import torch

from wflow_core.assembly.assemble import settled
from wflow_core.assembly.assembly import Assembly
from wflow_core.interfaces.canonicalizer import canonical
from wflow_core.runs.artefacts import load_codec, weight_set
from wflow_core.runs.run_folder import finished
from wflow_core.storage.store import Store
from wflow_core.weights import WeightSet


class FinishedRun:
    """What the stages of a run left.

    Attributes:
        assembly: the run's components, its codec as it was fitted.
        store, device: where artefacts are read from, and networks are brought to.
    """

    def __init__(self, assembly: Assembly, store: Store, device: torch.device):
        self.assembly, self.store, self.device = assembly, store, device
        if assembly.codec:
            code = finished(store, "encode", "codec")
            load_codec(assembly.codec, code, lambda: finished(store, *self._learned), device)
            self.assembly = settled(assembly)

    @property
    def samples(self) -> WeightSet:
        """The networks that the run left."""
        return self._networks("sample", "samples")

    @property
    def zoo(self) -> WeightSet:
        """The networks that it learned from."""
        return self._networks(*self._learned)

    @property
    def collected(self) -> WeightSet:
        """The zoo before canonicalizers moved it."""
        return self._networks("collect", "zoo")

    def compared(self, a: Assembly) -> tuple[WeightSet, WeightSet | None]:
        """What networks of an assembly are compared with, and the same before canonicalizers."""
        if a is self.assembly:
            return self.zoo, self.collected if a.canonicalizers else None
        trained = self._networks("reference", "reference")
        return canonical(a.canonicalizers, trained), trained if a.canonicalizers else None

    @property
    def _learned(self) -> tuple[str, str]:
        """The stage that made the networks that the flow learned from, and their name."""
        moved = self.assembly.canonicalizers
        return ("canonicalize", "canonical") if moved else ("collect", "zoo")

    def _networks(self, stage: str, name: str) -> WeightSet:
        return weight_set(finished(self.store, stage, name), self.device)
