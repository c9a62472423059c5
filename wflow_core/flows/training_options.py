"""Options of the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wflow_core.interfaces.component import Options


class TrainingOptions(Options):
    """How a velocity is trained, beside its losses and its optimizer."""

    iterations: int = Field(2000, ge=1, description="optimizer steps")
    batch_size: int = Field(64, ge=1, description="pairs per iteration")
    warmup: int = Field(100, ge=0, description="iterations of linear warm-up")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="of the learning rate after the warm-up"
    )
    grad_clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="decay of the exponential moving average"
    )
    val_fraction: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="fraction of training runs held out for validation; 0: validate on the "
        "training data",
    )
    evaluate_every: int = Field(100, ge=1, description="iterations between validations")
    checkpoint_every: int | None = Field(
        None,
        ge=1,
        description="iterations between checkpoints; null: at the first validation after a minute",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the network while it trains; bfloat16 by autocast"
    )
