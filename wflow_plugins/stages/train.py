"""Trains the velocity."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.flows.flow import EndpointLoss, Flow
from wflow_core.flows.training import Trainer
from wflow_core.flows.training_options import TrainingOptions
from wflow_core.interfaces.component import Slot
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import FinishedRun, Stage, StageContext, StageOutput
from wflow_core.space import PointSet
from wflow_core.storage.tensors import read_weight_set
from wflow_core.weights import WeightSet
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.stages.points import check_on_manifold, split_by_run
from wflow_plugins.stages.trained_flow import NetworkFlow
from wflow_plugins.stages.validation import Validation
from wflow_plugins.streaming.check import check_streamable
from wflow_plugins.streaming.codec import encode

VALIDATION_STEPS = 8


class Train(Stage):
    """Flow matching: the best averaged weights of the velocity, and the history of its training."""

    class Config(TrainingOptions):
        predict: Literal["velocity", "x1"] = Field(
            "velocity", description="what the loss compares: the velocity, or the endpoint x1"
        )
        sigma: float = Field(0.0, ge=0, description="standard deviation around the geodesics")
        time: Annotated[Any, Slot("time")] = Field(
            "uniform", description="distribution of the training times"
        )
        optimizer: Annotated[Any, Slot("optimizer")] = Field(
            "adamw", description="what trains the velocity"
        )
        losses: tuple[Annotated[Any, Slot("loss")], ...] = Field(
            (), description="further losses, of the endpoints that the flow predicts"
        )
        renamed: ClassVar[Mapping[str, str]] = {
            "clip": "grad_clip_norm",
            "ema": "ema_decay",
            "held_out": "val_fraction",
            "path_noise": "sigma",
            "lr": "optimizer.lr, as in {optimizer: {type: adamw, lr: 1e-3}}",
            "weight_decay": "optimizer.weight_decay, as in {optimizer: {type: adamw, ...}}",
            "muon_lr": "optimizer, as in {optimizer: {type: muon, muon_lr: 1e-2}}",
            "behavior": "losses, as in {losses: [{type: function, weight: 1.0, num_inputs: 128}]}",
        }
        renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"predict": {"target": "x1"}}

    output = "flow"
    fields = (
        "architecture", "canonicalizers", "codec", "manifold", "condition", "prior", "coupling",
        "velocity",
    )  # fmt: skip

    def inputs(self, components: Components) -> dict[str, str]:
        return {"zoo": "zoo", "codec": "codec"}

    def flow(self, components: Components) -> Flow:
        """The flow that the velocity is trained for."""
        return Flow(components.space.manifold, self.config.predict, self.config.sigma)

    def run(self, context: StageContext) -> StageOutput:
        c = context.components
        zoo = read_weight_set(context.inputs["zoo"], context.device)
        check_streamable(c, zoo.weights)
        points = encode_zoo(c, zoo)
        check_on_manifold(points.x, c.space.manifold, "the zoo's networks")
        # A copy, so that the components stay untrained and may make another run.
        velocity = copy.deepcopy(c.velocity).to(context.device)
        kept, held_out = split_by_run(points, self.config.val_fraction, context.generator)
        trainer = Trainer(
            self.flow(c), velocity, c.coupling, kept, self.config, self.config.optimizer,
            self.config.time, context.generator, self._endpoint_loss(),
        )  # fmt: skip
        validation = Validation(trainer, held_out, Euler(steps=VALIDATION_STEPS))
        if context.checkpoint:
            trainer.load_state(context.checkpoint.tensors, context.checkpoint.data)
        trainer.run(validation.measure, context.progress, context.save)
        data = {"history": trainer.history, "held_out": held_out.run.unique().tolist()}
        return StageOutput(dict(velocity.state_dict()), data)

    def _endpoint_loss(self) -> EndpointLoss | None:
        losses = self.config.losses
        if not losses:
            return None

        def total(endpoint: Tensor, x1: Tensor, generator: torch.Generator | None) -> Tensor:
            found: Tensor = sum(loss(endpoint, x1, generator) for loss in losses)
            return found

        return total

    def open(self, run: FinishedRun) -> NetworkFlow:
        return NetworkFlow(run, self.flow)


def encode_zoo(components: Components, zoo: WeightSet) -> PointSet:
    """A weight set as points of the space: encoded where there is a codec."""
    codec, condition = components.codec, components.condition
    points = PointSet(zoo.weights, zoo.run, zoo.initial)
    if codec is not None:
        initial = None if zoo.initial is None else encode(codec, zoo.initial)
        points = PointSet(encode(codec, zoo.weights), zoo.run, initial)
    return replace(points, cond=condition.of_networks(zoo)) if condition else points
