"""Samples networks from the trained flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from wflow_core.errors import WflowError
from wflow_core.interfaces.component import Options, Slot
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Stage, StageContext, StageOutput
from wflow_core.storage.tensors import read_weight_set, weight_set_content
from wflow_plugins.batchnorm.recalibration import RecalibrateOptions, Recalibration
from wflow_plugins.stages.sample_networks import (
    SampleRequest,
    check_condition,
    sample_networks,
)
from wflow_plugins.stages.trained_flow import load_velocity
from wflow_plugins.stages.width_transfer import at_architecture, check_retraining
from wflow_plugins.streaming.spill import SpillDir


class Sample(Stage):
    """New networks, each with the prior point that it came from."""

    class Config(Options):
        networks: int = Field(128, ge=2, description="networks sampled")
        batch_size: int = Field(256, ge=1, description="networks integrated at once")
        architecture: Annotated[Any, Slot("architecture", optional=True)] = Field(
            None, description="of the samples, where it differs from the zoo's"
        )
        recalibrate: RecalibrateOptions | None = Field(
            RecalibrateOptions(),
            description="BatchNorm statistics measured on training data; null keeps the module's",
        )
        condition: dict[str, float | str] = Field(
            {}, description="what samples are conditioned on, by name; the rest as in the zoo"
        )
        guidance_scale: float = Field(
            1.0,
            ge=0,
            description="weight of the condition, by classifier-free guidance; 0 ignores it",
        )

    output = "samples"
    fields = (
        "task", "architecture", "canonicalizers", "codec", "manifold", "condition", "prior",
        "velocity", "train", "solver", "guidance",
    )  # fmt: skip

    def inputs(self, components: Components) -> dict[str, str]:
        return {"zoo": "zoo", "codec": "codec", "flow": "flow"}

    def context(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        task, architecture, seed = scope["task"], scope["architecture"], scope["seed"]
        return {"recalibrate": Recalibration(task, architecture, self.config.recalibrate, seed)}

    def check(self, components: Components) -> None:
        check_condition(components, self.request())
        if self.config.architecture is not None:
            try:
                check_retraining(self.components(components))
            except WflowError as error:
                error.at("architecture")
                raise

    def components(self, components: Components) -> Components:
        """The components at the architecture of the samples."""
        return at_architecture(components, self.config.architecture)

    def request(self) -> SampleRequest:
        """What the options ask for."""
        o = self.config
        return SampleRequest(o.networks, o.batch_size, o.condition, o.guidance_scale)

    def run(self, context: StageContext) -> StageOutput:
        trained, c = context.components, self.components(context.components)
        velocity = load_velocity(c, context.inputs["flow"].tensors)
        networks = sample_networks(
            c,
            trained.stages["train"].flow(c),
            velocity,
            self.request(),
            lambda: read_weight_set(context.inputs["zoo"], context.device),
            context.generator,
            context.progress,
            SpillDir.of(context),
        )
        return StageOutput(*weight_set_content(networks))
