"""Options of the stages themselves; components bring their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from wflow_core.interfaces.component import Options
from wflow_core.specs.components import Slot

NullName = Literal["untrained", "zoo_noise", "interpolation", "soup", "gaussian", "retrained"]
"""The populations of ``nulls.py``."""


class UniformTimes(Options):
    """t uniform on [0, 1]."""

    type: Literal["uniform"] = "uniform"


class BetaTimes(Options):
    """t ~ Beta(a, b); a=1, b=2 favours early times."""

    type: Literal["beta"]
    a: float = Field(1.0, gt=0)
    b: float = Field(2.0, gt=0)


class LogitNormalTimes(Options):
    """logit(t) ~ N(mean, std^2), as in Esser et al. 2024 (arXiv 2403.03206)."""

    type: Literal["logit_normal"]
    mean: float = 0.0
    std: float = Field(1.0, gt=0)


TimeLaw = Annotated[UniformTimes | BetaTimes | LogitNormalTimes, Field(discriminator="type")]


class FlowOptions(Options):
    """What the flow predicts, and along which paths."""

    predict: Literal["velocity", "target"] = Field(
        "velocity", description="what the loss compares: the velocity, or the end x1 it leads to"
    )
    path_noise: float = Field(0.0, ge=0, description="standard deviation around the geodesic")
    time: TimeLaw = Field(UniformTimes(), description="law of the training times")


class BehaviorOptions(Options):
    """A second loss, of what predicted networks compute: the divergence of their outputs."""

    weight: float = Field(1.0, gt=0, description="of a nat, beside the loss of the weights")
    rows: int = Field(128, ge=1, description="training inputs of an iteration, drawn anew in each")


class TrainOptions(FlowOptions):
    """How the flow is trained."""

    behavior: BehaviorOptions | None = Field(
        None, description="compare predicted networks with the zoo's as functions, too"
    )

    iterations: int = Field(2000, ge=1, description="optimizer steps")
    batch_size: int = Field(64, ge=1, description="pairs an iteration")
    lr: float = Field(1e-3, gt=0, description="highest learning rate, of AdamW")
    muon_lr: float | None = Field(
        None,
        gt=0,
        description="highest learning rate of Muon, which then trains the matrices between hidden "
        "features; null leaves them to AdamW",
    )
    weight_decay: float = Field(0.0, ge=0, description="decoupled from the gradient")
    warmup: int = Field(100, ge=0, description="iterations of linear warm-up")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="of the learning rate after the warm-up"
    )
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged network")
    held_out: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="fraction of training runs held out; 0 measures on what is trained on",
    )
    evaluate_every: int = Field(
        100, ge=1, description="iterations between held-out losses, and between checkpoints"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the network while it trains; bfloat16 by autocast"
    )


class ConditionOptions(Options):
    """What the flow is conditioned on, of what the zoo says of its networks.

    A list of records stands for one without further options.
    """

    records: tuple[str, ...] = Field(
        (), description="names of records of the zoo: numbers or categories; none: no condition"
    )
    drop: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="fraction of pairs trained on without conditions, as classifier-free guidance "
        "and densities without condition need it",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: Any) -> Any:
        named = value if isinstance(value, dict) else {"records": value}
        records = named.get("records")
        # What has been looked at before validation is no JSON any more, whose lists may be tuples.
        return named | {"records": tuple(records)} if isinstance(records, list) else value


class RecalibrateOptions(Options):
    """BatchNorm statistics of networks that nobody trained: samples, nulls, midpoints."""

    rows: int = Field(2048, ge=2, description="training inputs that they are measured on, or all")
    batch_size: int = Field(256, ge=2, description="rows of a batch at least; batches are averaged")


class SampleOptions(Options):
    """How many networks a run leaves, and of what architecture."""

    networks: int = Field(128, ge=2, description="networks sampled")
    batch_size: int = Field(256, ge=1, description="networks integrated at once")
    architecture: Slot | None = Field(
        None, description="of the networks, where it is another than the flow learns from"
    )
    recalibrate: RecalibrateOptions | None = Field(
        RecalibrateOptions(),
        description="BatchNorm statistics measured on training data; null keeps the module's own",
    )
    condition: dict[str, float | str] = Field(
        {}, description="values of records, by name; of others, as networks of the zoo have them"
    )
    guidance_scale: float = Field(
        1.0,
        ge=0,
        description="weight of the condition, by classifier-free guidance; 1 takes it as it is, 0 "
        "leaves it out",
    )

    def asking(
        self, condition: Mapping[str, float | str] | None, guidance_scale: float | None
    ) -> SampleOptions:
        """The same with what is given."""
        given = {"condition": condition, "guidance_scale": guidance_scale}
        return self.model_copy(update={n: of for n, of in given.items() if of is not None})
