"""Which artefact a stage gets under which name."""

from __future__ import annotations

from collections.abc import Mapping

from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact, Stage


class Wiring:
    """The artefacts that stages have made so far.

    An artefact is found as ``name``, or as the latest one that replaces it; the output of one
    stage, replaced or not, as ``name@stage``.
    """

    def __init__(self) -> None:
        self.artefacts: dict[str, Artefact] = {}

    def add(self, name: str, stage: Stage, artefact: Artefact) -> None:
        """The output of a stage."""
        for output in {stage.output, stage.replaces} - {None}:
            self.artefacts[f"{output}@{name}"] = artefact
            self.artefacts[str(output)] = artefact

    def inputs(self, stage: Stage, components: Components) -> Mapping[str, Artefact]:
        """Inputs of a stage by their names; those that no stage made are left out."""
        wanted = stage.inputs(components).items()
        return {name: self.artefacts[of] for name, of in wanted if of in self.artefacts}


def sources(components: Components) -> dict[str, tuple[str, str]]:
    """The same for a finished run: ``{name: (stage, output)}``."""
    found: dict[str, tuple[str, str]] = {}
    for name, stage in components.stages.items():
        if stage.is_active(components):
            for output in {stage.output, stage.replaces} - {None}:
                found[f"{output}@{name}"] = found[str(output)] = (name, stage.output)
    return found
