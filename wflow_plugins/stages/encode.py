"""Fits the codec to the zoo."""

from __future__ import annotations

from collections.abc import Callable

import torch

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact, Stage, StageContext, StageOutput
from wflow_core.storage.tensors import read_weight_set
from wflow_core.weights.chunks import load_limit
from wflow_plugins.streaming.check import check_streamable
from wflow_plugins.streaming.codec import StreamedCodec
from wflow_plugins.streaming.columns import columns_of

STREAMED = "streamed"
"""Plain data of a codec that was fitted to columns, and reads the zoo again."""
KEPT = ("task", "architecture", "zoo", "canonicalizers", "codec")


class Encode(Stage):
    """The state of the codec; later stages work in its coordinates."""

    output = "codec"
    fields = ("architecture", "codec")

    def is_active(self, components: Components) -> bool:
        return components.codec is not None

    def inputs(self, components: Components) -> dict[str, str]:
        return {"zoo": "zoo"}

    def run(self, context: StageContext) -> StageOutput:
        codec, zoo = (
            context.components.codec,
            read_weight_set(context.inputs["zoo"], context.device),
        )
        assert codec is not None  # else the stage is not active
        if load_limit(zoo.weights) is None:
            codec.fit(zoo)
            return StageOutput(codec.state())
        check_streamable(context.components, zoo.weights)
        assert isinstance(codec, StreamedCodec)  # as checked
        codec.fit_columns(columns_of(zoo.weights))
        return StageOutput(codec.state(), {STREAMED: True})

    def apply(
        self,
        components: Components,
        output: Artefact,
        inputs: Callable[[str], Artefact],
        device: torch.device,
    ) -> Components:
        """Components for the coordinates of the fitted codec."""
        codec = components.codec
        assert codec is not None  # else the stage is not active
        codec.load_state({name: of.to(device) for name, of in output.tensors.items()})
        if output.data.get(STREAMED):
            if not isinstance(codec, StreamedCodec):
                raise UnsupportedError(f"{codec!r} cannot read networks in columns")
            codec.attach(columns_of(inputs("zoo").tensors["weights"]))
        if codec.dim == components.space.dim:
            return components
        kept = {path: of for path, of in components.built.items() if path[0] in KEPT}
        return components.rebuilt(kept)
